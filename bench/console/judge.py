"""The verdict of a console: what became of every update that was begun in it.

An attempt begins with what asks for an update: the START event (v5.0 and later), `simple_ota`'s ``Attempting to
download``, the first line of `esp_https_ota` or of `native_ota`'s writing, or, where an application says nothing
before its first error (v4.4), that error. The lines of the application end it, or a reset does. What it was
worth is told by the boots that follow and never by a line of success:

refused
    The application gave up. Resets afterwards change nothing, unless one boots what it was given up for. The reason is
    the deciding line: the first error (or the first of a few warnings) of the HTTP client, TLS, image or OTA code after
    the last sign of progress; without one, the line it gave up with. Also where such an error by the OTA code itself
    was seen and the line of giving up is missing.
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
    where the new image has panicked, was reset by a watchdog or for want of power, or the task watchdog has complained
    before it came to work or confirmed itself. What became of that device is not in the console, and it would be wrong
    to call it updated.
none
    No attempt was seen.

The new slot is the one that the attempt wrote to (its offset, or the slot by the UPDATE_BOOT_PARTITION payload);
where neither is known, any other than the one that ran before. Where the bootloader is silent, the application's
ELF hash and version stand in for the offset. A boot that says none of these decides nothing.

An attempt may begin while the one before it is still on trial (its slot runs, unconfirmed): a boot of the old slot
rolls back the earlier one as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bench.console.attempts import (
    Attempt,
    Ongoing,
    Phase,
    in_words,
    runs_new_slot,
    same_image,
    same_slot,
    was_deliberate,
)
from bench.console.boots import reset_reason
from bench.console.dialects import Sign, is_cause, running_offset, sign_of, writing_to
from bench.console.items import Boot, Event, Item, Noise, Panic, Record
from bench.console.speech import STOCK, Speech

__all__ = ["VERDICTS", "Attempt", "Judge", "Judgement", "judge"]

VERDICTS = ("updated", "rolled_back", "fell_back", "refused", "interrupted", "incomplete", "none")

_MOST_CAUSES = 32
_SEGMENT = re.compile(r"segment ([0-9]{1,2}): paddr=(?:0x)?([0-9a-f]{8}) ")


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


class Judge:
    """Judges a console item by item; holds the attempts and the names of the events, nothing else.

    Args:
        speech: what the firmware's own lines mean, where it is no stock application
    """

    def __init__(self, speech: Speech = STOCK) -> None:
        self._speech = speech
        # Settled attempts, in order, of which one is still to be put in its place: the one on trial.
        self._settled: list[Attempt | None] = []
        self._last: Ongoing | None = None
        self._running: Boot | None = None
        self._events: list[str] = []
        self._boots = 0
        # The attempt whose new slot runs: one at most, and not always the last one; if not, it has a place.
        self._trial: Ongoing | None = None
        self._trial_place: int | None = None
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
                elif self._speech.sign_of(item) is not None:
                    self._record(Record("I", None, self._speech.name, item.text, item.line_no), item)
            elif isinstance(item, Event):
                self._event(item)
            elif isinstance(item, Boot):
                self._boot(item)
            else:
                self._stopped(item)

    def judgement(self) -> Judgement:
        """The judgement, if the console ends here."""
        on_trial = (self._trial.judged(),) if self._trial is not None else ()
        attempts = tuple(attempt for place in self._settled for attempt in ((place,) if place else on_trial))
        last = None if self._last is None else self._last.judged()
        if last is not None:
            attempts = (*attempts, last)
        return Judgement(
            last.verdict if last else "none",
            last.reason if last else None,
            attempts,
            self._boots,
            tuple(self._events),
        )

    def _open(self, line_no: int, *, late: bool = False) -> Ongoing:
        """The attempt that goes on; a new one, if none does; `late`: errors told of it before anything else did."""
        last = self._last
        if last is None or last.phase is not Phase.RUNNING:
            if last is not None and last.phase is Phase.SWITCHED:
                last.end(*last.so_far())
            elif last is not None and last.phase is Phase.TRIAL:
                last.reached = last.alive = True
                last.trouble = None
            stray, self._stray = self._stray if late else [], []
            first_line = stray[0].line_no if stray else line_no
            if last is not None:
                self._lay_down(last)
            self._last = last = Ongoing(first_line, self._running, self._boots, causes=stray, tags=self._speech.tags)
        last.last_line = line_no
        return last

    def _lay_down(self, attempt: Ongoing) -> None:
        """Another attempt begins: what this one came to is all that is kept of it, unless it is on trial."""
        if attempt is self._trial:
            self._trial_place = len(self._settled)
            self._settled.append(None)
        else:
            self._settled.append(attempt.judged())

    def _end_trial(self) -> None:
        trial, place = self._trial, self._trial_place
        if trial is not None and place is not None:
            self._settled[place] = trial.judged()
        self._trial = self._trial_place = None

    def _record(self, record: Record, said: Noise | None = None) -> None:
        """A record; `said` is the line itself where it was none."""
        sign = self._speech.sign_of(said or record) or sign_of(record)
        cause = self._speech.complains(record) or is_cause(record)
        if sign is None and not cause and record.tag != "esp_image":
            return
        last = self._last
        # After a reset it is the bootloader that speaks.
        going_on = last is not None and last.phase is Phase.RUNNING and last.trouble is None
        if cause:
            waits = going_on or (last is not None and last.phase is Phase.SWITCHED)
            causes = last.causes if last is not None and waits else self._stray
            if len(causes) < _MOST_CAUSES:
                causes.append(record)
        elif record.tag == "esp_image" and last is not None and going_on:
            _verifying(last, record)
        if sign in (Sign.BEGUN, Sign.PROGRESS):
            self._begun(record, sign)
        elif sign is Sign.REPORTED:
            attempt = last if last is not None and last.phase is Phase.SWITCHED else self._open(record.line_no)
            attempt.phase, attempt.last_line = Phase.SWITCHED, record.line_no
            attempt.causes.clear()
        elif sign is Sign.REFUSED:
            self._refused(record)
        elif sign is not None and last is not None and last.phase in (Phase.TRIAL, Phase.SWITCHED):
            self._life(last, sign, record)

    def _begun(self, record: Record, sign: Sign) -> None:
        last = self._last
        if last is not None and last.phase is Phase.SWITCHED:
            # Something of the attempt before that was said late: what asks for another says START.
            return
        attempt = self._open(record.line_no, late=record.level == "E")
        if sign is Sign.PROGRESS:
            attempt.causes.clear()
            offset = writing_to(record)
            if offset is not None:
                attempt.target = offset

    def _refused(self, record: Record) -> None:
        last = self._last
        if last is not None and last.phase is Phase.SWITCHED:
            # The boot partition is switched already: the next boot decides, whatever the application says.
            return
        if last is not None and last.phase is Phase.ENDED and all(stray is record for stray in self._stray):
            # It gave up already; this is one more line about it.
            last.last_line = record.line_no
            self._stray = []
            return
        attempt = self._open(record.line_no, late=True)
        attempt.end(*attempt.refusal(record))
        attempt.last_line = record.line_no

    def _event(self, event: Event) -> None:
        self._events.append(event.name)
        name = event.name.removeprefix("ESP_HTTPS_OTA_")
        last = self._last
        if name == "START":
            if last is not None and last.phase is Phase.RUNNING and last.doomed:
                last.end(*last.refusal(None))
            elif last is not None and last.phase is Phase.SWITCHED:
                last.end(*last.so_far())
            self._open(event.line_no)
        elif name == "UPDATE_BOOT_PARTITION":
            attempt = last if last is not None and last.phase is Phase.SWITCHED else self._open(event.line_no)
            attempt.phase, attempt.last_line = Phase.SWITCHED, event.line_no
            attempt.causes.clear()
            if event.payload is not None and 0x10 <= event.payload <= 0x1F:
                attempt.target_slot = f"ota_{event.payload - 0x10}"
        elif last is not None and last.phase is Phase.RUNNING:
            last.last_line = event.line_no
            last.aborted = last.aborted or name == "ABORT"
        elif name not in ("FINISH", "ABORT") and (last is None or last.boot_no != self._boots):
            # The console was opened in the middle, or the line of the START is lost.
            self._open(event.line_no)

    def _life(self, attempt: Ongoing, sign: Sign, record: Record) -> None:
        """A sign of life of the application while `attempt` waits for it."""
        if sign is Sign.RUNNING_FROM and self._running is not None and self._running.partition_offset is None:
            offset = running_offset(record)
            if offset is not None:
                self._running = self._running._replace(partition_offset=offset)
                self._settle(self._running)
        if attempt.phase is not Phase.TRIAL:
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
        if last.phase is Phase.RUNNING:
            last.trouble = last.trouble or what
        elif last.phase is Phase.SWITCHED:
            # From here on an error is the bootloader's, and says why it does not take the new image.
            last.causes.clear()
        elif last.phase is Phase.TRIAL and not last.confirmed and (isinstance(what, Panic) or _by_force(what)):
            last.trouble, last.alive, last.reached = what, False, False

    def _boot(self, boot: Boot) -> None:
        self._boots += 1
        self._stray = []
        self._running = boot
        last = self._last
        if last is not None and last.phase is Phase.RUNNING:
            self._interrupting(last, boot)
        self._settle(boot)

    def _interrupting(self, attempt: Ongoing, boot: Boot) -> None:
        """A boot while the attempt went on: what it had not said may still have been done."""
        which = runs_new_slot(attempt, boot)
        if which is True and not self._rolls_back(boot):
            attempt.phase, attempt.trouble = Phase.SWITCHED, None
        elif attempt.doomed:
            attempt.end(*attempt.refusal(None))
        elif (
            attempt.verified >= 2 and which is False and was_deliberate(boot) and not isinstance(attempt.trouble, Panic)
        ):
            attempt.end("fell_back", in_words(boot), boot.line_no)
        elif attempt.trouble is not None:
            attempt.end("interrupted", in_words(attempt.trouble), attempt.trouble.line_no)
        else:
            attempt.end("interrupted", in_words(boot), boot.line_no)

    def _rolls_back(self, boot: Boot) -> bool:
        """May it be the image that ran before the one that is on trial?"""
        trial = self._trial
        return trial is not None and trial.old is not None and same_image(boot, trial.old) is not False

    def _settle(self, boot: Boot) -> None:
        """Judge by a boot whatever waits for one."""
        last, trial = self._last, self._trial
        if last is not None and _booted_although_refused(last, boot) and not self._rolls_back(boot):
            last.phase, last.outcome = Phase.SWITCHED, None  # the boot tells, whatever the application had said
        if last is not None and last.phase is Phase.SWITCHED:
            which = runs_new_slot(last, boot)
            if which is True:
                if trial is not None:
                    # The device has moved on from the slot that was on trial: that update had stayed.
                    trial.end(*trial.so_far())
                    self._end_trial()
                last.phase, last.new, self._trial = Phase.TRIAL, boot, last
                last.last_line = boot.line_no
                return
            if which is False:
                deciding = last.causes[0] if last.causes else None
                reason = in_words(deciding) if deciding else in_words(boot)
                last.end("fell_back", reason, deciding.line_no if deciding else boot.line_no)
                last.last_line = boot.line_no
        if trial is not None and trial.new is not None:
            if same_slot(boot, trial.new) is False:
                after = "" if trial.trouble is None else f", after {in_words(trial.trouble)}"
                trial.end("rolled_back", in_words(boot) + after, boot.line_no)
                self._end_trial()
            elif trial is last:
                trial.last_line = boot.line_no


def _by_force(line: Noise) -> bool:
    """Did somebody else than the application end it? The ROM's reasons: TG0WDT_SYS_RST, RTCWDT_BROWN_OUT_RESET ..."""
    reason = reset_reason(line.text) or ""
    return "WDT" in reason or "BROWN_OUT" in reason


def _booted_although_refused(attempt: Ongoing, boot: Boot) -> bool:
    """Is it another image, in the slot that the attempt had written to before it was given up?"""
    if attempt.outcome is None or attempt.outcome.verdict != "refused" or attempt.old is None:
        return False
    known = attempt.target is not None or attempt.target_slot is not None
    return known and runs_new_slot(attempt, boot) is True and same_image(boot, attempt.old) is False


def _verifying(attempt: Ongoing, record: Record) -> None:
    """Each verification of the image written lists its segments from 0 (esp_image_format.c)."""
    match = _SEGMENT.match(record.message)
    if match is None or attempt.target is None or int(match[2], 16) < attempt.target:
        return
    attempt.causes.clear()
    attempt.last_line = record.line_no
    if match[1] == "0":
        attempt.verified += 1


def judge(items: Iterable[Item]) -> Judgement:
    """The judgement of a whole console."""
    judging = Judge()
    judging.feed(items)
    return judging.judgement()
