"""Whether a build and a scenario go with a dialect, found out before a board is touched."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FunctionType

from bench.builds import Build
from bench.errors import BenchError
from bench.ota.dialect import Dialect
from bench.timeline.events import UPDATE_BOOT_PARTITION, EventStep
from bench.timeline.sequences import Forbid

__all__ = ["check_project", "events_in", "untold"]


def check_project(build: Build, dialect: Dialect) -> None:
    """A dialect is about one firmware. Raises `BenchError` where it is about another one."""
    described = build.image.app_desc
    name = described.project_name if described is not None else build.project_name
    if name != dialect.project_name:
        raise BenchError(
            f"{dialect.name} is the dialect of {dialect.project_name!r}, and {build.path} is {name!r}: give "
            "the dialect of that firmware, or mend its `project_name:`"
        )


def untold(function: object, dialect: Dialect) -> str:
    """Why a scenario cannot be told in this dialect: the events that it names and the firmware does not. Else empty."""
    # The switch is also told by the line of success: what else a scenario wants of it is found out when it comes to it.
    missing = [step.event for step in events_in(function) if step != UPDATE_BOOT_PARTITION and not dialect.tells(step)]
    if not missing:
        return ""
    who = dialect.name or "this release of the application"
    return f"needs to hear of {', '.join(dict.fromkeys(missing))}: {who} has no line for it"


def events_in(function: object) -> tuple[EventStep, ...]:
    """The events that a scenario asserts on, as far as its code names them: by itself, by a tuple or by a helper.

    What it calls with a payload counts without; `maybe(...)` does not count.
    """
    found: dict[EventStep, None] = {}
    seen: set[CodeType] = set()

    def look(function: object) -> None:
        if not isinstance(function, FunctionType) or function.__code__ in seen:
            return
        seen.add(function.__code__)
        for name in function.__code__.co_names:
            value = function.__globals__.get(name)
            found.update(dict.fromkeys(_steps(value)))
            if getattr(value, "__module__", None) == function.__module__:
                look(value)

    look(function)
    return tuple(found)


def _steps(value: object) -> Iterator[EventStep]:
    if isinstance(value, EventStep):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from _steps(one)
    elif isinstance(value, Forbid):
        yield from _steps(value.matchers)
