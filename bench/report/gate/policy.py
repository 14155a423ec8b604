"""release.yaml: the policy of the gate, read and checked; every complaint names the line, the field and the mend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

from bench.errors import SettingsError
from bench.report.gate.policy_fields import KINDS, POLICY
from bench.settings import Document, Record

__all__ = ["Policy", "Rule", "Waiver", "fits", "is_one_of", "load_policy", "parse_policy"]

_FILE = Document("release policy")


@dataclass(frozen=True, slots=True)
class Rule:
    """Scenarios that must have passed, and where.

    Attributes:
        line: of the file, from 1
        by: what its patterns are about: family, scenario or mark
        where: what its targets are: chip, tag or board
        counts: what counts, as the file has it
        least: how many scenarios it must be about
    """

    line: int
    by: str
    patterns: tuple[str, ...]
    where: str
    targets: tuple[str, ...]
    counts: str
    least: int

    @property
    def kinds(self) -> frozenset[str]:
        """Which kinds of board count."""
        return KINDS[self.counts]


@dataclass(frozen=True, slots=True)
class Waiver:
    """What need not pass; without `chips` and `boards` it holds everywhere."""

    line: int
    patterns: tuple[str, ...]
    chips: tuple[str, ...]
    boards: tuple[str, ...]
    reason: str
    by: str
    until: date

    def covers(self, scenario: str, board: str, chip: str) -> bool:
        """Is this scenario on this board (empty: on any) one of those that it is about?"""
        where = (not self.chips or chip in self.chips) and (not self.boards or board in self.boards)
        return where and is_one_of(scenario, self.patterns)

    def holds(self, day: date) -> bool:
        """Is it still good on this day? The last one counts."""
        return day <= self.until


@dataclass(frozen=True, slots=True)
class Policy:
    """A release policy.

    Attributes:
        path: as it was named
        least: how many scenarios must have run to an end
        strict: are scenarios judged that no rule is about?
        lines: on which lines the fields of the top level stand
    """

    path: str
    name: str
    least: int
    rules: tuple[Rule, ...]
    waivers: tuple[Waiver, ...]
    strict: bool
    least_line: int


def fits(name: str, patterns: Iterable[str]) -> bool:
    """Is the name one of these, or of the form of one?"""
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


def is_one_of(scenario: str, patterns: Iterable[str]) -> bool:
    """Is ``family.test_x`` meant by one of these, which may leave out the family?"""
    return fits(scenario, patterns) or fits(scenario.partition(".")[2], patterns)


def load_policy(path: Path) -> Policy:
    """Read a file. Raises `SettingsError` for anything that is not a valid policy."""
    return _policy(str(path), _FILE.load(path, POLICY))


def parse_policy(data: bytes, *, path: str = "release.yaml") -> Policy:
    """Parse the bytes of a policy; `path` is used in messages only."""
    return _policy(path, _FILE.parse(data, path, POLICY))


def _policy(path: str, fields: Record) -> Policy:
    return Policy(
        path=path,
        name=fields.text("name", Path(path).name),
        least=fields.whole("least", 1),
        rules=tuple(map(_rule, fields.records("require"))),
        waivers=tuple(_waiver(path, number, waiver) for number, waiver in enumerate(fields.records("waive"), start=1)),
        strict=fields.text("others", "judge") == "judge",
        least_line=fields.lines.get("least", 1),
    )


def _rule(fields: Record) -> Rule:
    by = next(name for name in ("family", "scenario", "mark") if name in fields)
    where = next(name for name in ("chip", "tag", "board") if name in fields)
    return Rule(
        fields.line,
        by,
        tuple(pattern.removeprefix("test_") if by == "family" else pattern for pattern in fields.texts(by)),
        where,
        fields.texts(where),
        fields.text("counts", "hardware"),
        fields.whole("least", 1),
    )


def _waiver(path: str, number: int, fields: Record) -> Waiver:
    try:
        until = date.fromisoformat(fields.text("until"))
    except ValueError as error:
        field = f"waive.{number}.until"
        problem = f"{fields.text('until')!r} is no day of the calendar ({error}); write one like 2027-01-31"
        raise SettingsError(path, fields.lines["until"], field, problem) from None
    return Waiver(
        fields.line,
        fields.texts("scenario"),
        fields.texts("chip"),
        fields.texts("board"),
        fields.text("reason"),
        fields.text("by"),
        until,
    )
