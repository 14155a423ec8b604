"""Boots held back until the firmware's own line tells the version that ESP-IDF's banner did not."""

from __future__ import annotations

from collections.abc import Iterable

from bench.console.items import Boot, Event, Item, Panic
from bench.console.speech import Speech

__all__ = ["Held"]

_MOST = 64
"""Items after a boot in which the version must come."""


class Held:
    """Passes items on; a boot into an application without a version waits for the line that tells it."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech
        self._waiting: list[Item] = []

    def pass_on(self, items: Iterable[Item]) -> list[Item]:
        """The items that need wait no longer, in order."""
        passed: list[Item] = []
        for item in items:
            if isinstance(item, Boot):
                passed += self.release()
                if item.app_version is None and item.partition_offset is not None:
                    self._waiting.append(item)
                    continue
            if not self._waiting:
                passed.append(item)
                continue
            self._waiting.append(item)
            version = None if isinstance(item, Boot | Event | Panic) else self._speech.version_in(item)
            if version is not None:
                boot = self._waiting[0]
                assert isinstance(boot, Boot)
                self._waiting[0] = boot._replace(app_version=version)
            if version is not None or isinstance(item, Panic) or len(self._waiting) > _MOST:
                passed += self.release()
        return passed

    def release(self) -> list[Item]:
        """Whatever waits, as it is."""
        waiting, self._waiting = self._waiting, []
        return waiting
