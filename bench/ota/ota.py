"""One board, one server, one timeline: the verbs of a scenario.

Success is never believed from one line. `expect_updated` wants the switch of the boot partition, then a boot from
the other slot, then the new version, confirmed where the firmware has rollback; `expect_refused` wants the deciding
line, then after a reset the old slot and the old version, with the running slot and its otadata entries unchanged byte
for byte.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from bench.boards.drivers import Supply
from bench.console import Attempt
from bench.errors import BenchError, ExpectationFailed, Inexpressible
from bench.flash import OtaData, OtaImgState
from bench.ota.asked import Asked
from bench.ota.dialect import Dialect
from bench.ota.draft import Draft
from bench.ota.firmware import Firmware
from bench.ota.following import LATE_LINES, Following
from bench.ota.held import Held
from bench.ota.loops import boot_loop
from bench.ota.programmer import Programmer
from bench.ota.slots import FlashView, Slot
from bench.ota.supply import expect_power_on
from bench.ota.telling import OnConsole, Telling
from bench.ota.wire import END, Mishap, answer_to, frames_of, sent
from bench.server import OtaServer, Release
from bench.timeline import (
    START,
    UPDATE_BOOT_PARTITION,
    Deadline,
    Entry,
    Matcher,
    Step,
    TimedOut,
    Timeline,
    any_of,
    booted,
    expect_absent,
    happened,
    panicked,
    said,
)

__all__ = ["Device", "Ota"]

_BACK_AGAIN = 30.0
"""Seconds for the ROM to speak, or the port to return, once the supply is back."""

_SILENCE, _BEYOND = 0.8, 3.0
"""Real seconds of a silence that is none too short for any virtual time, and those added where time is real."""

_INEXACT = 0.1
"""Seconds by which a timer of the board, and the moment of a line, may be off."""

_GLANCE = 0.25
"""Seconds between two looks at a state in flash: what changes it need not say so."""


class Device(Protocol):
    """What the bench does to the device itself: type on its console, and pulse EN."""

    def write(self, data: bytes) -> None:
        """Send bytes to the console."""

    def reset(self) -> None:
        """Reset by EN."""


class Ota:
    """The update of one board.

    `patience` is how many (real) seconds it waits for what must come. Waiting always goes on from where the last
    wait ended, so that no line is taken twice. `supply` is power, network and programmer of the board; what it cannot
    do is a `BenchError`, so a scenario asks for it with `needs`. `guard` sees the bytes of every update before the
    board is given them, and raises where they are not for it. `telling` is how the firmware is told its URL, on its
    console where nothing else is said; firmware that has it before it starts makes an attempt at every start, and
    `attempts` tells them apart.
    """

    def __init__(
        self,
        *,
        firmware: Firmware,
        dialect: Dialect,
        device: Device,
        supply: Supply,
        flash: FlashView,
        server: OtaServer,
        timeline: Timeline,
        verdict: Callable[[], tuple[str, str | None]],
        patience: float = 30.0,
        guard: Callable[[bytes], None] | None = None,
        telling: Telling | None = None,
        attempts: Callable[[], tuple[Attempt, ...]] = tuple,
    ) -> None:
        self.firmware = firmware
        self.timeline = timeline
        self.server = server
        self._dialect = dialect
        self._device = device
        self.supply = supply
        self._flash = flash
        self._verdict = verdict
        self._following = Following(timeline, patience)
        self._asked = Asked(self._following)
        self._guard = guard
        self._telling: Telling = OnConsole() if telling is None else telling
        self._attempts = attempts
        self._running: Entry | None = None
        self._first: str | None = None
        self._held = Held(flash, timeline)
        self._releases = 0
        self._nothing_booted = False

    # -- what is where ------------------------------------------------------------------------------------------

    @property
    def slots(self) -> dict[str, Slot]:
        """Every application slot as it is in flash now, by name; the timeline is told what is new."""
        with self._look():
            return self._held.now()

    @property
    def running_slot(self) -> str:
        """Name of the slot that the last seen boot ran."""
        return self._of_boot("slot")

    @property
    def running_version(self) -> str:
        """Version that the last seen boot announced."""
        return self._of_boot("app_version")

    @property
    def first_slot(self) -> str:
        """Name of the slot that ran when the first update was started."""
        if self._first is None:
            raise BenchError("no update was started yet: call start() first")
        return self._first

    @property
    def other_slot(self) -> str:
        """Name of the OTA slot that an update started from `first_slot` goes to."""
        return self._after(self.first_slot)

    @property
    def otadata(self) -> OtaData:
        """Both entries of the otadata partition as they are in flash now."""
        with self._look():
            return OtaData.parse(self._flash.otadata())

    @property
    def secure_version(self) -> int:
        """The secure version that the board's eFuse holds: emulated in flash where the build has it so, else real."""
        emulated = None
        if self.firmware.emulates_efuse:
            with self._look():
                emulated = self._flash.emulated_secure_version()
        return self.supply.secure_version() if emulated is None else emulated

    def subtype_of(self, slot: str) -> int:
        """Partition subtype of a slot."""
        return self._flash.subtype_of(slot)

    def answers(self) -> list[int]:
        """The HTTP statuses that the server answered since the update was started."""
        return self._asked.answers()

    def requests(self) -> list[str]:
        """What the board asked for since the update was started, in order: ``"HEAD"``, ``"GET bytes=0-4095"``."""
        return self._asked.requests()

    def connections(self) -> int:
        """On how many connections the board has asked the server since the update was started."""
        return self._asked.connections()

    def _of_boot(self, name: str) -> str:
        value = self._running.get(name) if self._running is not None else None
        if not isinstance(value, str):
            raise ExpectationFailed(f"the console does not tell the {name} of the last boot: {self._running}")
        return value

    # -- doing --------------------------------------------------------------------------------------------------

    def wait_for_prompt(self) -> None:
        """Wait until the application has booted and takes a URL from the console."""
        self._booted()
        self._ready()

    def publish(self, draft: Draft) -> Release:
        """Put a draft up on the server, as a rule under a name of its own."""
        self._check(draft)
        self._releases += 1
        return self._telling.publish(self.server, self._releases, draft)

    def publish_again(self, path: str, draft: Draft) -> Release:
        """Put a draft up where another one was: the firmware is told the URL that it was told before."""
        self._check(draft)
        return self.server.publish(path, draft.data, *draft.faults, once=self._telling.at_boot)

    def wait_until_ready(self) -> None:
        """Wait until the application takes a URL again."""
        self._ready()

    def start(self, draft: Draft) -> Release:
        """Publish a draft, tell the waiting application its URL, and remember what the flash held before."""
        release = self.publish(draft)
        self.start_again(release)
        return release

    def start_again(self, release: Release) -> None:
        """Tell the waiting application the URL of a release that was published already; otherwise as `start`."""
        self._begin(url=release.told_url, bytes=release.size)
        self._telling.tell(release, self)
        if self._telling.at_boot:
            self._booted()

    def stream(self, draft: Draft, *mishaps: Mishap, chunks: int | None = None) -> None:
        """Stream a draft to the waiting application over its console, as `docs/serial-update.md` has it.

        The next frame goes when the last one is acknowledged; after a refusal none does.

        Args:
            mishaps: what befalls chunks on their way
            chunks: break off after so many; the application then waits for the next one
        """
        self._check(draft)
        frames = frames_of(draft.data)
        self._begin(bytes=len(draft.data), frames=len(frames), mishaps=[str(mishap) for mishap in mishaps])
        for frame, data in sent(frames if chunks is None else frames[: chunks + 1], mishaps):
            self._device.write(data)
            if frame.kind != END and self._dialect.given_up.matches(
                self._following.next(answer_to(frame, self._dialect))
            ):
                return

    def type(self, text: str) -> None:
        """Type a line on the console: what the firmware asks for beside its URL."""
        self._device.write(text.encode() + b"\n")

    def write(self, data: bytes) -> None:
        """Send bytes to the console as they are."""
        self._device.write(data)

    def reset(self) -> None:
        """Reset the board by EN, or by its supply where EN is not wired."""
        self._telling.withhold()
        self.restart()

    def restart(self) -> None:
        """The same, and firmware that tries its URL at every start finds there what is offered now."""
        if self.supply.board.reset_by == "power":
            self._cycle()
            return
        self.timeline.append("bench", "reset")
        self._device.reset()

    @contextmanager
    def unpowered(self) -> Iterator[Programmer]:
        """The board off, with a flash programmer clipped to it; on again afterwards."""
        self._telling.withhold()
        with self.clipped() as programmer:
            yield programmer

    @contextmanager
    def clipped(self) -> Iterator[Programmer]:
        """The same, and firmware that tries its URL at every start finds there what is offered now."""
        self.timeline.append("bench", "power", on=False)
        self.supply.power(False)
        yield Programmer(self.supply, self.firmware.build, self.timeline)
        self._power_on()

    def update(self, draft: Draft, *, version: str) -> None:
        """An update that must succeed: from the waiting application to the new version, confirmed and waiting."""
        self.start(draft)
        self.expect_boot_after_update(version=version)
        self._settled()

    def power_cycle(self) -> None:
        """Take the power where it is still there, and give it back; the board's ROM must say that it had lost it."""
        self._telling.withhold()
        self._cycle()

    def _cycle(self) -> None:
        self.timeline.append("bench", "power", on=False)
        self.supply.power(False)
        self._power_on()

    def _power_on(self) -> Entry:
        """The first word of the ROM that has power again."""
        back = self.timeline.append("bench", "power", on=True)
        self.supply.power(True)
        seconds = min(self._following.patience, _BACK_AGAIN)
        board = self.supply.board
        return expect_power_on(self.timeline, board, after=back.index, seconds=seconds, reset=self._device.reset)

    # -- expecting ----------------------------------------------------------------------------------------------

    def expect(self, *steps: Step) -> tuple[Entry, ...]:
        """These steps, in order, and no other event in between.

        What is forbidden in between stays so until the attempt is over: the words that say how it ended look once more.
        """
        return self._following.steps(*map(self._dialect.put, steps))

    def expect_happened(self, *matchers: Matcher) -> None:
        """Each of these comes, one after the other, whatever else comes between."""
        for matcher in matchers:
            self._following.next(self._dialect.put_matcher(matcher))

    def expect_said(self, text: str, *, tag: str | None = None) -> Entry:
        """A log record with this text in it."""
        return self._following.next(self._dialect.put_matcher(said(tag=tag, text=text)))

    def expect_boot(
        self, *, slot: str | None = None, version: str | None = None, reset_reason: str | None = None
    ) -> Entry:
        """The next boot, and it must be this one: another boot first is a failure at once."""
        wanted = booted(slot=slot, version=version, reset_reason=reset_reason)
        entry = self._following.next(booted())
        while self._nothing_booted and entry.get("slot") is entry.get("app_version") is None:
            entry = self._following.next(
                booted()
            )  # a pass without an application is only told when the next one begins
        self._nothing_booted = False
        if not wanted.matches(entry):
            raise self._following.wrong_boot(wanted, entry)
        self._running = entry
        return entry

    def expect_running(self, *, slot: str, version: str) -> Entry:
        """However often it is booted on the way, the application that takes a URL in the end is this one."""
        ready = self._ready()
        last, wanted = self._following.last_boot(ready), booted(slot=slot, version=version)
        if not wanted.matches(last):
            raise self._following.wrong_boot(wanted, last)
        self._running = last
        return last

    def expect_boot_after_update(self, *, version: str) -> Entry:
        """The boot partition is switched, and the next boot runs this version from the other slot."""
        target = self._next_slot()
        self._wait_for_success(self._switch(target) or self._dialect.success)
        return self._boot_of_update(target, version)

    def expect_power_lost(self) -> None:
        """The planned power cut has come, and the board is off."""
        self.supply.wait_until_off(self._following.patience)
        self.timeline.append("board", "power", on=False)

    def expect_survives_a_cut(self, seconds: float, *, versions: tuple[str, ...]) -> None:
        """The power is cut after so long, whatever the board is doing then; back on power, one of these runs."""
        time.sleep(seconds)
        self.timeline.append("bench", "power", on=False)
        self.supply.power(False)
        # What the cut broke off may be told only now, with all or none of its particulars: it counts for nothing.
        self._following.at = self._power_on().index
        self._running = self._following.last_boot(self._ready())
        if self.running_version not in versions:
            raise ExpectationFailed(f"version {self.running_version} runs after the cut, none of {versions}")

    def expect_boot_loop(self, *, slot: str, version: str | None = None) -> None:
        """The slot dies at every boot and is booted again: nothing else is tried, and the bench calls it by its name.

        The version is not known where the image dies before it can tell it.
        """
        while (loop := boot_loop(self._following.attempt())) is None:
            came = self._following.next(any_of(panicked(), booted()))
            if not panicked().matches(came):
                raise self._following.wrong(panicked(), came, "it should have died first; it was booted again:")
            self.expect_boot(slot=slot, version=version)
        self.timeline.append("bench", "boot_loop", slot=loop.slot, deaths=loop.deaths, cause=loop.cause)

    def expect_nothing_boots(self, because: str) -> None:
        """No application is started, and the bootloader or the ROM says why."""
        before = self.timeline.last_index if self._following.at < 0 else self._following.at
        told, deadline = _told(because), Deadline(self._following.patience)
        try:
            self.timeline.wait(lambda entry: told(entry) or _runs(entry), deadline, after=before)
        except TimedOut as missing:
            raise ExpectationFailed(f"nothing booted, and nobody said why ({because})\n{missing}") from missing
        self._none_runs(before, because)
        self.supply.wait_until_idle(self._following.patience)
        self._none_runs(before, because)
        self._following.skip()
        self._nothing_booted = True

    def expect_untouched(self, *slots: str) -> None:
        """These slots are, byte for byte, what they were when the last update was started."""
        now = self.slots
        for slot in slots:
            self._held.must_be_as_before(slot, now[slot])

    def expect_written(self, slot: str, data: bytes) -> None:
        """The slot holds just these bytes from its beginning on."""
        with self._look():
            found = self._flash.content(slot, len(data))
        if found != data:
            at = next(at for at, (one, other) in enumerate(zip(found, data, strict=True)) if one != other)
            raise ExpectationFailed(
                f"{slot} does not hold what was published: it differs from byte {at} of {len(data)}"
            )

    def expect_not_tried(self, slot: str) -> None:
        """Since the update was started the bootloader has not tried a slot in vain: otadata never named it."""
        self.expect_absent(said(tag="boot", text=f"{_name_in_bootloader(slot)} is not bootable"))

    def expect_untold(self, secret: str) -> None:
        """The console has not told this since the update was started; a failure does not tell it either."""
        told = _told(secret)
        for entry in self._following.attempt():
            if told(entry):
                raise ExpectationFailed(f"the console tells a secret in entry {entry.index} ({entry.kind})")

    def expect_fault(self, name: str) -> Entry:
        """The server's fault did fire since the update was started: a fault that never came proves nothing."""
        return self._following.of_attempt(happened("server", "fault", fault=name), LATE_LINES)

    def expect_fault_soon(self, name: str) -> Entry:
        """The server's fault fires, now or later."""
        return self._following.of_attempt(happened("server", "fault", fault=name))

    def expect_confirmed(self) -> Entry:
        """The running application confirms itself."""
        if self._dialect.confirmed is None:
            raise Inexpressible("needs to hear when the firmware confirms itself: it does not say so")
        return self._following.next(self._dialect.confirmed)

    def expect_seen(self, *matchers: Matcher) -> None:
        """Each of these has come since the update was started; what the server knows is noted when it notices."""
        for matcher in matchers:
            self._following.of_attempt(self._dialect.put_matcher(matcher), LATE_LINES)

    def expect_absent(self, *matchers: Matcher) -> None:
        """None of these since the update was started."""
        expect_absent(self.timeline, *self._dialect.put_absent(*matchers), after=self._following.started)

    def expect_updated(self, *, version: str) -> None:
        """The boot partition was switched, the other slot booted, and it is the new version, which is there to stay.

        Firmware with rollback must have confirmed itself: an image that is still on trial is gone with the next reset.
        """
        target = self._next_slot()
        switch = self._switch(target)
        if switch is not None:
            self._following.must_have_passed(switch)
        else:
            self._wait_for_success(self._dialect.success)
        self._boot_of_update(target, version)
        self._settled()

    def expect_refused(self, because: str, *, erased: bool = False) -> None:
        """The attempt ends with the line that decides it, and leaves the board as it was.

        Args:
            because: a part of the deciding line
            erased: the target slot must have been erased
        """
        self.expect_gives_up(because)
        self.expect_unharmed()
        target = self._next_slot()
        if erased and not self.slots[target].blank:
            raise ExpectationFailed(f"{target} must have been erased, but its first sector is not blank")

    def expect_gives_up(self, because: str) -> None:
        """The attempt ends with the line that decides it, and without any switch; the board is left as it is then."""
        self._wait_for_refusal(self._dialect.reason(because))
        self.expect_verdict("refused")
        self._following.none_forbidden()

    def expect_given_up_within(self, seconds: float) -> None:
        """From the START of the attempt to its end no more than this passed on the device's own clock."""
        asked = START if self._dialect.tells(START) else happened("bench", "start")
        began, ended = self._following.told_at(asked), self._following.told_at(self._dialect.given_up)
        if ended - began > seconds * 1000:
            raise ExpectationFailed(f"the attempt took {ended - began} ms, and not {seconds:g} s at most")

    def silence_beyond(self, seconds: float) -> float:
        """For how many seconds a server must be silent in mid-body, so that the board waits for more than these.

        In virtual time a timeout of any length is over after the real quarter of a second in which nothing came.
        """
        board = self.supply.board
        return _SILENCE if board.driver == "virtual" and not board.realtime else seconds + _BEYOND

    def expect_silence(self, seconds: float) -> None:
        """While it was served, the board once had nothing to say for so long, on its own clock, but for a tenth."""
        silent = self._following.longest_silence()
        if silent < (seconds - _INEXACT) * 1000:
            raise ExpectationFailed(f"the board has been silent for {silent} ms, and not for {seconds:g} s at least")

    def expect_later_update(self, draft: Draft) -> None:
        """What went wrong has left nothing behind: a good release, served well, is installed by the next attempt."""
        self.update(draft.version("later"), version="later")

    def note_finding(self, text: str) -> None:
        """Something that the firmware does and that a release policy has to judge, for timeline and evidence."""
        self.timeline.append("bench", "finding", text=text)

    def note_slots(self) -> None:
        """Note what the slots hold, for the evidence, of a board whose flash can be read as it runs; never fails."""
        with suppress(BenchError, OSError):  # a board that is gone by now has been complained about already
            self._held.note()

    def expect_unharmed(self) -> None:
        """The board is up; after a reset the old slot runs the old version, it and its otadata entries unchanged."""
        slot, version = self.running_slot, self.running_version
        self._has_stayed_up()
        self._held.must_run_on(slot, self.slots[slot])
        self._has_stayed_up()
        self._following.none_forbidden()
        self._following.skip()
        self.reset()
        self.expect_boot(slot=slot, version=version)
        self._ready()
        self._held.must_run_on(slot, self.slots[slot])
        self.expect_not_tried(self._after(slot))

    def expect_verdict(self, verdict: str) -> None:
        """What the console as a whole says of the last attempt; while it says "incomplete", it is listened to."""
        deadline = Deadline(self._following.patience)
        position = len(self.timeline)
        found, reason = self._judged()
        while found == "incomplete" != verdict and (came := self.timeline.next_entries(position, deadline)):
            position = came[-1].index + 1
            found, reason = self._judged()
        if found != verdict:
            raise ExpectationFailed(f"the console's verdict is {found!r} ({reason}), and not {verdict!r}")

    def expect_state(self, slot: str, state: int) -> None:
        """The slot has this `esp_ota_img_states_t` in otadata."""
        found = self.slots[slot].state
        if found != state:
            raise ExpectationFailed(f"{slot} is {found!r} in otadata, and not {state!r}")

    # -- inside -------------------------------------------------------------------------------------------------

    def _settled(self) -> None:
        """The new version waits for the next update, and no reset takes it back."""
        self._ready()
        if "rollback" in self.firmware.abilities:
            self._off_trial()
        self.expect_verdict("updated")

    def _has_stayed_up(self) -> None:
        """Nothing has died since the last wait ended, and nothing restarted, unless that is its way to give up.

        No stock application restarts where an attempt has failed; a user's own may, but not by a panic.
        """
        self._following.none_came(panicked(), *(() if self._dialect.name else (booted(),)))

    def _off_trial(self) -> None:
        """The running slot is not PENDING_VERIFY, or ceases to be; some confirm themselves after their prompt.

        The flash of a board that must be restarted for it is not read: that would roll back what is still on trial.
        What the application says must do there, and one that says nothing is not judged.
        """
        deadline, slot = Deadline(self._following.patience), self.running_slot
        if self._flash.disturbs:
            if self._dialect.confirmed is not None and self._running is not None:
                self.timeline.wait(self._dialect.confirmed, deadline, after=self._running.index)
            return
        while self._flash.states()[slot][0] == OtaImgState.PENDING_VERIFY:
            if deadline.expired or self.timeline.closed:
                raise ExpectationFailed(
                    f"{slot} is still PENDING_VERIFY in otadata: version {self.running_version} has not confirmed "
                    f"itself within {deadline}, and the next reset takes the update back"
                )
            self.timeline.next_entries(len(self.timeline), Deadline(min(_GLANCE, deadline.remaining())))

    def _boot_of_update(self, target: str, version: str) -> Entry:
        """The boot with which an attempt has succeeded: nothing came before it that was forbidden."""
        boot = self.expect_boot(slot=target, version=version)
        self._following.none_forbidden()
        return boot

    def _check(self, draft: Draft) -> None:
        """What is not to run on this board is not given to it: neither as it is, nor inside an encrypted image."""
        if self._guard is not None:
            for data in (draft.image.to_bytes(), draft.data):
                self._guard(data)

    def _begin(self, **told: str | int | list[str]) -> None:
        """An update is about to be started: remember what the flash holds before."""
        if self._running is None:
            self.wait_for_prompt()
        if self._first is None:
            self._first = self.running_slot
        self._held.remember(self.slots)
        self._following.begin()
        self.timeline.append("bench", "start", **told)

    def _wait_for_success(self, success: Matcher) -> None:
        """Until the attempt has succeeded; that it was given up instead fails at once, not at the deadline."""
        came = self._following.next(any_of(success, self._dialect.given_up))
        if not success.matches(came):
            raise self._following.wrong(success, came, "the attempt should have succeeded; it was given up:")

    @contextmanager
    def _look(self) -> Iterator[None]:
        """The flash is read. A board that must be put into download mode for it restarts, and is waited for."""
        before = self.timeline.last_index
        if self._flash.disturbs:
            self.timeline.append("bench", "look")
        with self._flash.looking():
            yield
        if self._flash.disturbs:
            self._following.at = before
            self._booted()
            came = self._following.next(any_of(self._dialect.prompt, panicked()))
            if self._telling.at_boot and self._dialect.prompt.matches(came):
                self._following.next(self._dialect.given_up)

    def _wait_for_refusal(self, reason: Matcher) -> None:
        """Until the application has given up and said why; a switch instead fails at once, not at the deadline."""
        over, following = self._dialect.given_up, self._following
        switched = (UPDATE_BOOT_PARTITION, self._dialect.success)
        following.up_to(any_of(reason, over, *switched))
        expect_absent(self.timeline, *switched, after=following.started)
        following.up_to(any_of(over, *switched))
        expect_absent(self.timeline, *switched, after=following.started)
        following.up_to(reason, min(following.patience, LATE_LINES))

    def _ready(self) -> Entry:
        """The application takes a URL; one that tries its own at every start has found nothing there, and rests."""
        ready = self._following.next(self._dialect.prompt)
        return self._following.next(self._dialect.given_up) if self._telling.at_boot else ready

    def _switch(self, target: str) -> Matcher | None:
        """The event with which the boot partition is switched, as far as the firmware tells it."""
        wanted = UPDATE_BOOT_PARTITION(slot=target)
        told = (step for step in (wanted, UPDATE_BOOT_PARTITION) if self._dialect.tells(step))
        return next(told, None)

    def _judged(self) -> tuple[str, str | None]:
        """The console's verdict on the last attempt; where others come by themselves, on the one that was started."""
        if not self._telling.at_boot:
            return self._verdict()
        lines = (entry.get("line_no") for entry in self._following.attempt())
        since = next((line for line in lines if isinstance(line, int)), 0)
        attempt = next((one for one in self._attempts() if one.first_line >= since), None)
        return ("none", None) if attempt is None else (attempt.verdict, attempt.reason)

    def _none_runs(self, before: int, because: str) -> None:
        for entry in self.timeline.since(before):
            if _runs(entry):
                which = f"version {entry.get('app_version')!s} from {entry.get('slot')!s}"
                raise ExpectationFailed(f"nothing should have booted ({because}), but {which} did")

    def _next_slot(self) -> str:
        return self._after(self.running_slot)

    def _after(self, slot: str) -> str:
        """The slot that an update goes to when `slot` runs (esp_ota_get_next_update_partition)."""
        slots = self._flash.ota_slots
        return slots[(slots.index(slot) + 1) % len(slots)] if slot in slots else slots[0]

    def _booted(self) -> None:
        """The next boot is the one that runs now."""
        self._running = self._following.next(booted())


def _runs(entry: Entry) -> bool:
    """A boot that came as far as an application."""
    return entry.kind == "boot" and entry.get("app_version") is not None


def _name_in_bootloader(slot: str) -> str:
    """How the bootloader calls a slot (index_to_partition in bootloader_utility.c)."""
    return f"OTA app partition slot {slot.removeprefix('ota_')}" if slot.startswith("ota_") else "Factory app partition"


def _told(text: str) -> Callable[[Entry], bool]:
    """A record or a bare line with this text: the ROM has no log."""

    def told(entry: Entry) -> bool:
        return entry.source == "console" and any(text in str(entry.get(key)) for key in ("message", "text"))

    return told
