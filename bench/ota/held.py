"""What the flash of a board holds now, against what it held when the update was started."""

from __future__ import annotations

from bench.errors import ExpectationFailed
from bench.ota.slots import FlashView, Slot
from bench.timeline import Timeline

__all__ = ["Held"]


class Held:
    """The slots of one board; what is new of them is told to the timeline.

    The flash is read when it is asked for: who asks sees to it that it can be.
    """

    def __init__(self, flash: FlashView, timeline: Timeline) -> None:
        self._flash = flash
        self._timeline = timeline
        self._before: dict[str, Slot] = {}
        self._noted: dict[str, tuple[int | None, str | None]] | None = None

    def now(self) -> dict[str, Slot]:
        """Every application slot by name."""
        found = self._flash.slots()
        self._note({name: (slot.state, slot.version) for name, slot in found.items()})
        return found

    def note(self) -> None:
        """Tell the timeline the states and versions, and read no more than those."""
        self._note(self._flash.states())

    def remember(self, slots: dict[str, Slot]) -> None:
        """The update is started with these."""
        self._before = slots

    def must_be_as_before(self, name: str, now: Slot) -> None:
        """The slot is, byte for byte, what it was."""
        if now.digest != self._before[name].digest:
            raise ExpectationFailed(f"the slot {name} was changed since the update was started")

    def must_run_on(self, name: str, now: Slot) -> None:
        """The running slot is what it was, and so is what otadata says of it."""
        before = self._before[name]
        if now.digest != before.digest:
            raise ExpectationFailed(f"the running slot {name} was changed: SHA-256 {before.digest} -> {now.digest}")
        if now.otadata != before.otadata:
            told = f"{[e.hex() for e in before.otadata]} -> {[e.hex() for e in now.otadata]}"
            raise ExpectationFailed(f"the otadata entry of the running slot {name} was changed: {told}")

    def _note(self, states: dict[str, tuple[int | None, str | None]]) -> None:
        if states != self._noted:
            self._noted = states
            told = {name: {"state": state, "version": version} for name, (state, version) in states.items()}
            self._timeline.append("bench", "slots", **told)
