"""The verdict of a console: what became of every update that was begun in it.

An attempt begins with what asks for an update: the START event (v5.0 and later), `simple_ota`'s ``Attempting to
download``, the first line of `esp_https_ota` or of `native_ota`'s writing, or, where an application says nothing
before its first error (v4.4), that error. The lines of the application end it, or a reset does. What it was
worth is told by the boots that follow and never by a line of success:

refused
    The application gave up. Resets afterwards change nothing. The reason is the deciding line: the first error
    (or the first of a few warnings) of the HTTP client, TLS, image or OTA code after the last sign of progress;
    without one, the line it gave up with. Also where such an error by the OTA code itself was seen and the
    line of giving up is missing.
interrupted
    A reset, a power loss or a panic came while the attempt went on. The reason is the panic, else the ROM's
    ``rst:`` line, else the boot.
fell_back
    The application reported success or switched the boot partition, and the next boot did not run the new slot.
    The reason is the bootloader's complaint about the new image, else the boot. `simple_ota` of v4.4 reports
    nothing: there the two verifications before the switch, followed by a deliberate restart, count as a report.
updated
    The next boot ran the new slot, and nothing came after it but that slot. It must have been seen to come to its
    own code (scheduler or app_main), and not to be stuck there: see *incomplete*.
rolled_back
    The new slot booted, and a later boot ran another.
incomplete
    The console ends first: in the download, before the boot after the switch, in the banner of the new image, or
    where the new image has panicked or the task watchdog has complained before it came to work or confirmed
    itself. What became of that device is not in the console, and it would be wrong to call it updated.
none
    No attempt was seen.

The new slot is the one that the attempt wrote to (its offset, or the slot by the UPDATE_BOOT_PARTITION payload);
where neither is known, any other than the one that ran before. Where the bootloader is silent, the application's
ELF hash and version stand in for the offset. A boot that says none of these decides nothing.

An attempt may begin while the one before it is still on trial (its slot runs, unconfirmed): a boot of the old slot
rolls back the earlier one as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from bench.console.boots import reset_reason
from bench.console.dialects import Sign, is_cause, is_fatal, running_offset, sign_of, writing_to
from bench.console.items import Boot, Event, Item, Noise, Panic, Record

__all__ = ["VERDICTS", "Attempt", "Judge", "Judgement", "judge"]

VERDICTS = ("updated", "rolled_back", "fell_back", "refused", "interrupted", "incomplete", "none")

_MOST_CAUSES = 32


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Judgement:
    """What a console came to: the last attempt's verdict and reason, and how it got there.

    Attributes:
        boots: how many
        events: names, in order
    """

    verdict: str
    reason: str | None
    attempts: tuple[Attempt, ...]
    boots: int
    events: tuple[str, ...]


class _Phase(Enum):
    RUNNING = auto()
    """Asked for, not ended."""
    SWITCHED = auto()
    """Success reported, or the boot partition switched: the next boot decides."""
    TRIAL = auto()
    """The new slot runs."""
    ENDED = auto()


class _Outcome(NamedTuple):
    verdict: str
    reason: str
    line_no: int


@dataclass
class _Attempt:
    """An attempt as far as it went."""

    first_line: int
    old: Boot | None
    phase: _Phase = _Phase.RUNNING
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
    outcome: _Outcome | None = None

    def end(self, verdict: str, reason: str, line_no: int) -> None:
        self.phase = _Phase.ENDED
        self.outcome = _Outcome(verdict, reason, line_no)
        self.last_line = max(self.last_line, line_no)

    @property
    def doomed(self) -> bool:
        """Has something been seen that the application cannot overcome?"""
        return self.aborted or any(is_fatal(cause) for cause in self.causes)

    def refusal(self, last: Record | None) -> _Outcome:
        deciding = self.causes[0] if self.causes else last
        if deciding is None:
            return _Outcome("refused", "the update was aborted", self.last_line)
        return _Outcome("refused", _line(deciding), deciding.line_no)

    def so_far(self) -> _Outcome:
        """The outcome if the console ends here."""
        if self.outcome is not None:
            return self.outcome
        if self.phase is _Phase.RUNNING:
            if self.doomed:
                return self.refusal(None)
            if self.trouble is not None:
                return _Outcome("interrupted", _line(self.trouble), self.trouble.line_no)
            return _Outcome("incomplete", "the console ends while the update goes on", self.last_line)
        if self.phase is _Phase.SWITCHED:
            return _Outcome("incomplete", "the console ends before the boot that decides", self.last_line)
        assert self.new is not None
        if self.trouble is not None:
            return _Outcome("incomplete", _line(self.trouble), self.trouble.line_no)
        if not (self.reached or self.alive):
            return _Outcome("incomplete", "the console ends while the new image starts", self.last_line)
        return _Outcome("updated", _boot(self.new), self.new.line_no)


class Judge:
    """Judges a console item by item; holds the attempts and the names of the events, nothing else."""

    def __init__(self) -> None:
        self._attempts: list[_Attempt] = []
        self._running: Boot | None = None
        self._events: list[str] = []
        self._boots = 0
        # The attempt whose new slot runs: one at most, and not always the last one.
        self._trial: _Attempt | None = None
        # Errors of a boot in which no attempt is open (yet): v4.4 names the cause before anything else.
        self._stray: list[Record] = []

    def feed(self, items: Iterable[Item]) -> None:
        """Take more of the console into account."""
        for item in items:
            if isinstance(item, Record):
                self._record(item)
            elif isinstance(item, Noise):
                if item.text.startswith("rst:") and reset_reason(item.text) is not None:
                    self._stopped(item)
            elif isinstance(item, Event):
                self._event(item)
            elif isinstance(item, Boot):
                self._boot(item)
            else:
                self._stopped(item)

    def judgement(self) -> Judgement:
        """The judgement, if the console ends here."""
        attempts = tuple(_judged(attempt) for attempt in self._attempts)
        last = attempts[-1] if attempts else None
        return Judgement(
            last.verdict if last else "none",
            last.reason if last else None,
            attempts,
            self._boots,
            tuple(self._events),
        )

    @property
    def _last(self) -> _Attempt | None:
        return self._attempts[-1] if self._attempts else None

    def _open(self, line_no: int) -> _Attempt:
        """The attempt that goes on; a new one, if none does."""
        last = self._last
        if last is None or last.phase is not _Phase.RUNNING:
            if last is not None and last.phase is _Phase.SWITCHED:
                last.end(*last.so_far())
            elif last is not None and last.phase is _Phase.TRIAL:
                last.reached = last.alive = True
            stray, self._stray = self._stray, []
            last = _Attempt(stray[0].line_no if stray else line_no, self._running, causes=stray)
            self._attempts.append(last)
        last.last_line = line_no
        return last

    def _record(self, record: Record) -> None:
        sign = sign_of(record)
        cause = is_cause(record)
        if sign is None and not cause and record.tag != "esp_image":
            return
        last = self._last
        going_on = last is not None and last.phase is _Phase.RUNNING
        if cause:
            waits = last is not None and last.phase in (_Phase.RUNNING, _Phase.SWITCHED)
            causes = last.causes if last is not None and waits else self._stray
            if len(causes) < _MOST_CAUSES:
                causes.append(record)
        elif record.tag == "esp_image" and last is not None and going_on:
            self._verifying(last, record)
        if sign in (Sign.BEGUN, Sign.PROGRESS):
            self._begun(record, sign)
        elif sign is Sign.REPORTED:
            attempt = last if last is not None and last.phase is _Phase.SWITCHED else self._open(record.line_no)
            attempt.phase, attempt.last_line = _Phase.SWITCHED, record.line_no
            attempt.causes.clear()
        elif sign is Sign.REFUSED:
            self._refused(record)
        elif sign is not None and last is not None and last.phase in (_Phase.TRIAL, _Phase.SWITCHED):
            self._life(last, sign, record)

    def _begun(self, record: Record, sign: Sign) -> None:
        last = self._last
        if last is not None and last.phase is _Phase.SWITCHED:
            # Something of the attempt before that was said late: what asks for another says START.
            return
        attempt = self._open(record.line_no)
        if sign is Sign.PROGRESS:
            attempt.causes.clear()
            offset = writing_to(record)
            if offset is not None:
                attempt.target = offset

    def _refused(self, record: Record) -> None:
        last = self._last
        if last is not None and last.phase is _Phase.SWITCHED:
            # The boot partition is switched already: the next boot decides, whatever the application says.
            return
        if last is not None and last.phase is _Phase.ENDED and all(stray is record for stray in self._stray):
            # It gave up already; this is one more line about it.
            last.last_line = record.line_no
            self._stray = []
            return
        attempt = self._open(record.line_no)
        attempt.end(*attempt.refusal(record))
        attempt.last_line = record.line_no

    def _verifying(self, attempt: _Attempt, record: Record) -> None:
        """Each verification of the image written lists its segments from 0 (esp_image_format.c)."""
        if record.level == "I" and record.message.startswith("segment "):
            attempt.causes.clear()
            attempt.last_line = record.line_no
            if record.message.startswith("segment 0: "):
                attempt.verified += 1

    def _event(self, event: Event) -> None:
        self._events.append(event.name)
        name = event.name.removeprefix("ESP_HTTPS_OTA_")
        last = self._last
        if name == "START":
            if last is not None and last.phase is _Phase.RUNNING and last.doomed:
                last.end(*last.refusal(None))
            elif last is not None and last.phase is _Phase.SWITCHED:
                last.end(*last.so_far())
            self._open(event.line_no)
        elif name == "UPDATE_BOOT_PARTITION":
            attempt = last if last is not None and last.phase is _Phase.SWITCHED else self._open(event.line_no)
            attempt.phase, attempt.last_line = _Phase.SWITCHED, event.line_no
            attempt.causes.clear()
            if event.payload is not None and 0x10 <= event.payload <= 0x1F:
                attempt.target_slot = f"ota_{event.payload - 0x10}"
        elif last is not None and last.phase is _Phase.RUNNING:
            last.last_line = event.line_no
            last.aborted = last.aborted or name == "ABORT"

    def _life(self, attempt: _Attempt, sign: Sign, record: Record) -> None:
        """A sign of life of the application while `attempt` waits for it."""
        if sign is Sign.RUNNING_FROM and self._running is not None and self._running.partition_offset is None:
            offset = running_offset(record)
            if offset is not None:
                self._running = self._running._replace(partition_offset=offset)
                self._settle(self._running)
        if attempt.phase is not _Phase.TRIAL:
            return
        attempt.last_line = record.line_no
        if sign is Sign.HANGING:
            if not attempt.alive:
                attempt.trouble = record
        elif sign is Sign.REACHED:
            attempt.reached = True
        else:
            attempt.alive = True
            attempt.confirmed = attempt.confirmed or sign is Sign.CONFIRMED
            attempt.trouble = None

    def _stopped(self, what: Panic | Noise) -> None:
        """A panic, or the ROM's line after a reset."""
        self._stray = []
        last = self._last
        if last is None:
            return
        if last.phase is _Phase.RUNNING:
            last.trouble = last.trouble or what
        elif last.phase is _Phase.SWITCHED:
            # From here on an error is the bootloader's, and says why it does not take the new image.
            last.causes.clear()
        elif last.phase is _Phase.TRIAL and isinstance(what, Panic) and not last.confirmed:
            last.trouble, last.alive, last.reached = what, False, False

    def _boot(self, boot: Boot) -> None:
        self._boots += 1
        self._stray = []
        self._running = boot
        last = self._last
        if last is not None and last.phase is _Phase.RUNNING:
            self._interrupting(last, boot)
        self._settle(boot)

    def _interrupting(self, attempt: _Attempt, boot: Boot) -> None:
        """A boot while the attempt went on: what it had not said may still have been done."""
        which = _which(attempt, boot)
        earlier = self._attempts[-2] if len(self._attempts) > 1 else None
        rolls_back = (
            earlier is not None
            and earlier.phase is _Phase.TRIAL
            and earlier.old is not None
            and _same_image(boot, earlier.old) is not False
        )
        if which is True and not rolls_back:
            attempt.phase, attempt.trouble = _Phase.SWITCHED, None
        elif attempt.doomed:
            attempt.end(*attempt.refusal(None))
        elif attempt.verified >= 2 and which is False and _deliberate(boot) and not _is_panic(attempt.trouble):
            attempt.end("fell_back", _boot(boot), boot.line_no)
        elif attempt.trouble is not None:
            attempt.end("interrupted", _line(attempt.trouble), attempt.trouble.line_no)
        else:
            attempt.end("interrupted", _boot(boot), boot.line_no)

    def _settle(self, boot: Boot) -> None:
        """Judge by a boot whatever waits for one."""
        last, trial = self._last, self._trial
        if last is not None and last.phase is _Phase.SWITCHED:
            which = _which(last, boot)
            if which is True:
                if trial is not None:
                    # The device has moved on from the slot that was on trial: that update had stayed.
                    trial.end(*trial.so_far())
                last.phase, last.new, self._trial = _Phase.TRIAL, boot, last
                last.last_line = boot.line_no
                return
            if which is False:
                deciding = last.causes[0] if last.causes else None
                reason = _line(deciding) if deciding else _boot(boot)
                last.end("fell_back", reason, deciding.line_no if deciding else boot.line_no)
                last.last_line = boot.line_no
        if trial is not None and trial.new is not None:
            if _same_slot(boot, trial.new) is False:
                after = "" if trial.trouble is None else f", after {_line(trial.trouble)}"
                trial.end("rolled_back", _boot(boot) + after, boot.line_no)
                self._trial = None
            elif trial is last:
                trial.last_line = boot.line_no


def judge(items: Iterable[Item]) -> Judgement:
    """The judgement of a whole console."""
    judging = Judge()
    judging.feed(items)
    return judging.judgement()


def _judged(attempt: _Attempt) -> Attempt:
    outcome = attempt.so_far()
    return Attempt(
        outcome.verdict,
        outcome.reason,
        attempt.first_line,
        attempt.last_line,
        outcome.line_no,
        tuple(_line(cause) for cause in attempt.causes),
    )


def _which(attempt: _Attempt, boot: Boot) -> bool | None:
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
    return True if _same_image(boot, old) is False else None


def _same_slot(boot: Boot, other: Boot) -> bool | None:
    """Do two boots run the same slot? By the offset, else by the image; None where neither is known."""
    if boot.partition_offset is not None and other.partition_offset is not None:
        return boot.partition_offset == other.partition_offset
    return _same_image(boot, other)


def _same_image(boot: Boot, other: Boot) -> bool | None:
    """Do two boots run the same image? None where they do not say."""
    mine, theirs = boot.elf_sha256, other.elf_sha256
    if mine is not None and theirs is not None:
        # How many digits are printed is an option of the build.
        return mine.startswith(theirs) or theirs.startswith(mine)
    if boot.app_version is not None and other.app_version is not None:
        return boot.app_version == other.app_version
    return None


def _is_panic(what: Record | Panic | Noise | None) -> bool:
    return isinstance(what, Panic)


def _deliberate(boot: Boot) -> bool:
    """Did the application itself ask for the reset? (esp_restart: SW_CPU_RESET, RTC_SW_CPU_RST, SW_RESET ...)"""
    return boot.reset_reason is not None and "SW_" in boot.reset_reason and "WDT" not in boot.reset_reason


def _line(what: Record | Panic | Noise) -> str:
    if isinstance(what, Record):
        return f"{what.tag}: {what.message.rstrip()}"
    return what.reason if isinstance(what, Panic) else what.text.strip()


def _boot(boot: Boot) -> str:
    place = boot.slot or ("an unknown slot" if boot.partition_offset is None else "the slot")
    offset = "" if boot.partition_offset is None else f" at 0x{boot.partition_offset:x}"
    version = "" if boot.app_version is None else f", version {boot.app_version}"
    return f"booted {place}{offset}{version}"
