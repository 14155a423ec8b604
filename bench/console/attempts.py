"""One attempt at an update: how far it went, what was seen to fail, and what it comes to if the console ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from bench.console.dialects import is_fatal
from bench.console.items import Boot, Noise, Panic, Record

__all__ = [
    "Attempt",
    "Ongoing",
    "Outcome",
    "Phase",
    "in_words",
    "runs_new_slot",
    "same_image",
    "same_slot",
    "was_deliberate",
]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One update, judged.

    Attributes:
        verdict: one of `VERDICTS`, never ``none``
        reason: the deciding line, as ``tag: message``, or a sentence about the boot that decided
        first_line, last_line: where in the console the attempt stands, the boots that judge it included
        reason_line: line of what decided
        causes: every error line of the attempt after its last progress, as ``tag: message``
    """

    verdict: str
    reason: str
    first_line: int
    last_line: int
    reason_line: int
    causes: tuple[str, ...] = ()


class Phase(Enum):
    RUNNING = auto()
    """Asked for, not ended."""
    SWITCHED = auto()
    """Success reported, or the boot partition switched: the next boot decides."""
    TRIAL = auto()
    """The new slot runs."""
    ENDED = auto()


class Outcome(NamedTuple):
    verdict: str
    reason: str
    line_no: int


@dataclass
class Ongoing:
    """An attempt as far as it went."""

    first_line: int
    old: Boot | None
    boot_no: int = 0
    phase: Phase = Phase.RUNNING
    last_line: int = 0
    target: int | None = None
    target_slot: str | None = None
    causes: list[Record] = field(default_factory=list)
    aborted: bool = False
    verified: int = 0
    new: Boot | None = None
    reached: bool = False
    alive: bool = False
    confirmed: bool = False
    trouble: Record | Panic | Noise | None = None
    outcome: Outcome | None = None
    tags: frozenset[str] = frozenset()
    """Of the firmware's own log, where it is no stock application: its errors end an attempt too."""

    def end(self, verdict: str, reason: str, line_no: int) -> None:
        self.phase = Phase.ENDED
        self.outcome = Outcome(verdict, reason, line_no)
        self.last_line = max(self.last_line, line_no)

    @property
    def doomed(self) -> bool:
        """Has something been seen that the application cannot overcome?"""
        return self.aborted or any(is_fatal(cause) or cause.tag in self.tags for cause in self.causes)

    def refusal(self, last: Record | None) -> Outcome:
        deciding = self.causes[0] if self.causes else last
        if deciding is None:
            return Outcome("refused", "the update was aborted", self.last_line)
        return Outcome("refused", in_words(deciding), deciding.line_no)

    def judged(self) -> Attempt:
        """The attempt as a value, judged as if the console ended here."""
        outcome = self.so_far()
        return Attempt(
            outcome.verdict,
            outcome.reason,
            self.first_line,
            self.last_line,
            outcome.line_no,
            tuple(in_words(cause) for cause in self.causes),
        )

    def so_far(self) -> Outcome:
        """The outcome if the console ends here."""
        if self.outcome is not None:
            return self.outcome
        if self.phase is Phase.RUNNING:
            if self.doomed:
                return self.refusal(None)
            if self.trouble is not None:
                return Outcome("interrupted", in_words(self.trouble), self.trouble.line_no)
            return Outcome("incomplete", "the console ends while the update goes on", self.last_line)
        if self.phase is Phase.SWITCHED:
            return Outcome("incomplete", "the console ends before the boot that decides", self.last_line)
        assert self.new is not None
        if self.trouble is not None:
            return Outcome("incomplete", in_words(self.trouble), self.trouble.line_no)
        if not (self.reached or self.alive):
            return Outcome("incomplete", "the console ends while the new image starts", self.last_line)
        return Outcome("updated", in_words(self.new), self.new.line_no)


def runs_new_slot(attempt: Ongoing, boot: Boot) -> bool | None:
    """Did the boot run the new slot (True), another (False), or does it not say (None)?"""
    if boot.partition_offset is not None:
        if attempt.target is not None:
            return boot.partition_offset == attempt.target
        if attempt.target_slot is not None and boot.slot is not None:
            return boot.slot == attempt.target_slot
    old = attempt.old
    if old is None:
        return None
    if boot.partition_offset is not None and old.partition_offset is not None:
        return boot.partition_offset != old.partition_offset
    # Another image runs from another slot; the same image may have been installed once more.
    return True if same_image(boot, old) is False else None


def same_slot(boot: Boot, other: Boot) -> bool | None:
    """Do two boots run the same slot? By the offset, else by the image; None where neither is known."""
    if boot.partition_offset is not None and other.partition_offset is not None:
        return boot.partition_offset == other.partition_offset
    return same_image(boot, other)


def same_image(boot: Boot, other: Boot) -> bool | None:
    """Do two boots run the same image? None where they do not say.

    Another version is another image even where the ELF file's hash is the same: an image can be derived from a built
    one without building it again.
    """
    if None not in (boot.app_version, other.app_version) and boot.app_version != other.app_version:
        return False
    mine, theirs = boot.elf_sha256, other.elf_sha256
    if mine is not None and theirs is not None:
        # How many digits are printed is an option of the build.
        return mine.startswith(theirs) or theirs.startswith(mine)
    if boot.app_version is not None and other.app_version is not None:
        return boot.app_version == other.app_version
    return None


def was_deliberate(boot: Boot) -> bool:
    """Did the application itself ask for the reset? (esp_restart: SW_CPU_RESET, RTC_SW_CPU_RST, SW_RESET ...)"""
    return boot.reset_reason is not None and "SW_" in boot.reset_reason and "WDT" not in boot.reset_reason


def in_words(what: Record | Panic | Noise | Boot) -> str:
    """The line that said it, as ``tag: message`` for a record; a sentence for a boot."""
    if isinstance(what, Record):
        return f"{what.tag}: {what.message.rstrip()}"
    if isinstance(what, Panic):
        return what.reason
    if isinstance(what, Noise):
        return what.text.strip()
    place = what.slot or ("an unknown slot" if what.partition_offset is None else "the slot")
    offset = "" if what.partition_offset is None else f" at 0x{what.partition_offset:x}"
    version = "" if what.app_version is None else f", version {what.app_version}"
    return f"booted {place}{offset}{version}"
