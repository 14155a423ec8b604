"""What an outcome tells beside the word: why it failed, as data that a report can draw."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from bench.timeline import Diverged, TimedOut, Unmet

__all__ = ["MOST_TEXT", "failure_facts", "first_cause", "phase_outcome", "properties"]

MOST_TEXT = 20_000
"""Characters of a failure's message that are kept."""


_PLACE = re.compile(r"#\d+ +\d+\.\d+ s +")
"""Index and time of an entry, as `describe` has them: the same failure on two boards differs in nothing else."""


def phase_outcome(phase: str, outcome: str) -> str:
    """``passed``, ``skipped``, ``failed`` or ``error``, as one phase of a test has it: what goes wrong in setup or
    teardown is an error, and only in the scenario itself the firmware's failure.

    Args:
        phase: ``setup``, ``call`` or ``teardown``
        outcome: as pytest reports it
    """
    if outcome in ("passed", "skipped"):
        return outcome
    return "failed" if phase == "call" else "error"


def first_cause(error: BaseException) -> str:
    """What is wrong, on one line that is the same wherever it is the same; never empty."""
    unmet = _unmet(error)
    if unmet is not None:
        return " ".join(_PLACE.sub("", unmet.instead).split())
    return (str(error).strip() or type(error).__name__).split("\n")[0]


def failure_facts(error: BaseException) -> dict[str, object]:
    """``cause``, ``failure_class``, ``message`` and, where an expectation failed, ``expectation`` (`Unmet.as_data`)."""
    facts: dict[str, object] = {
        "cause": first_cause(error),
        "failure_class": type(error).__name__,
        "message": str(error)[:MOST_TEXT],
    }
    unmet = _unmet(error)
    if unmet is not None:
        facts["expectation"] = unmet.as_data()
    return facts


def _unmet(error: BaseException | None) -> Unmet | None:
    """The expectation behind an error, or behind the one that it was raised from."""
    for _ in range(10):
        if error is None:
            break
        if isinstance(error, Diverged | TimedOut):
            return error.unmet
        error = error.__cause__
    return None


def properties(outcome: Mapping[str, object], images: Iterable[Mapping[str, object]]) -> list[tuple[str, str]]:
    """What a report of another make is told about a scenario, by name: its outcome's facts and its images' digests."""
    return [*_of_outcome(outcome), *_of_images(images)]


def _of_outcome(outcome: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    for name in ("board", "chip", "virtual", "app", "app_version", "idf_version", "failure_class", "cause"):
        value = outcome.get(name)
        if value is not None and value != "":
            yield name, str(value).lower() if isinstance(value, bool) else str(value)


def _of_images(images: Iterable[Mapping[str, object]]) -> Iterable[tuple[str, str]]:
    for image in images:
        yield f"sha256 of {image.get('role')} {image.get('name')}", str(image.get("sha256"))
