"""How firmware is told where its update is: typed on its console, compiled in, or kept in NVS.

Firmware that has its URL before it starts tries it at every start. So an update of it is started by a reset, what was
published is withheld from every other start, and is gone once it was fetched whole: the new version, which looks
under the same URL, finds nothing there and comes to rest.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from bench.errors import BenchError, Inexpressible
from bench.flash.nvs import Nvs
from bench.ota.dialect import Place
from bench.ota.draft import Draft
from bench.ota.programmer import Programmer
from bench.server import OtaServer, Release

__all__ = ["AtBoot", "OnConsole", "Telling"]


class _Device(Protocol):
    """What telling does to the board."""

    def write(self, data: bytes) -> None:
        """Type on its console."""

    def restart(self) -> None:
        """Reset it."""

    def clipped(self) -> AbstractContextManager[Programmer]:
        """Off, with a flash programmer; on again afterwards."""


class Telling(Protocol):
    """One way of telling."""

    @property
    def at_boot(self) -> bool:
        """Does the firmware try its URL at every start?"""

    def publish(self, server: OtaServer, number: int, draft: Draft) -> Release:
        """Put a draft up where the firmware can be sent. Raises `Inexpressible` where it cannot be sent there."""

    def tell(self, release: Release, device: _Device) -> None:
        """Have the firmware fetch it."""

    def withhold(self) -> None:
        """Let no later start of the firmware find what was published."""


class OnConsole:
    """The URL is typed where the firmware waits for it."""

    at_boot = False

    def publish(self, server: OtaServer, number: int, draft: Draft) -> Release:
        """Each under a name of its own."""
        return server.publish(f"/release-{number}.bin", draft.data, *draft.faults)

    def tell(self, release: Release, device: _Device) -> None:
        """Type it."""
        device.write(release.url.encode() + b"\n")

    def withhold(self) -> None:
        """Nothing is fetched that was not typed."""


class AtBoot:
    """The firmware has its URL before it starts.

    Args:
        fixed: the only URL there is, where it cannot be changed any more
        place: where in NVS it is written, where it is not fixed
    """

    at_boot = True

    def __init__(self, server: OtaServer, place: Place, *, fixed: str | None) -> None:
        self._server = server
        self._place = place
        self._fixed = fixed

    def publish(self, server: OtaServer, number: int, draft: Draft) -> Release:
        """Under the one name that is fixed, or under one of its own; withheld until the firmware is told."""
        path = f"/release-{number}.bin" if self._fixed is None else "/" + self._fixed.split("/", 3)[3]
        release = server.publish(path, draft.data, *draft.faults, once=True, withheld=True)
        if self._fixed is not None and release.url != self._fixed:
            raise Inexpressible(
                f"needs the URL {release.told_url}: the firmware has {self._fixed} once and for all, and "
                + (", ".join(type(fault).__name__ for fault in draft.faults) or "this release")
                + " stands elsewhere"
            )
        return release

    def tell(self, release: Release, device: _Device) -> None:
        """Offer it, write its URL into NVS where it is not fixed, and have the firmware start."""
        self._server.withhold()
        self._server.offer(release.path)
        if self._fixed is not None:
            device.restart()
            return
        with device.clipped() as programmer:
            self._write(programmer, release.url)

    def withhold(self) -> None:
        """Everything."""
        self._server.withhold()

    def _write(self, programmer: Programmer, url: str) -> None:
        place = self._place
        content = programmer.read(place.partition)
        nvs = Nvs(content)
        nvs.set_string(place.namespace, place.key, url)
        programmer.write(place.partition, nvs.to_bytes())
        if Nvs(programmer.read(place.partition)).get_string(place.namespace, place.key) != url:
            raise BenchError(f"the URL does not stand in the NVS partition {place.partition!r} after it was written")
