"""A board as boards.yaml names it, and what each driver lets the bench do with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["CHIPS", "DRIVERS", "Board"]

CHIPS = ("esp32", "esp32c3", "esp32s3")

DRIVERS = MappingProxyType(
    {
        "virtual": frozenset(
            {
                *("reset", "power_cut", "flash_snapshot", "flash_write"),
                *("network_control", "efuse_disposable", "ethernet"),
            }
        ),
        "serial": frozenset({"reset", "wifi"}),
        "rfc2217": frozenset({"reset", "wifi"}),
    }
)
"""What a board of each driver can do without being asked again. `boards.yaml` may add to it (`can:`)."""


@dataclass(frozen=True, slots=True)
class Board:
    """One device under test.

    `port` is a device path or a pyserial URL and empty for a virtual board, whose port exists only while it runs.
    `server_host` is the bench's own address as the board reaches it; the OTA server listens there.
    """

    name: str
    chip: str
    driver: str
    port: str = ""
    server_host: str = "127.0.0.1"
    tags: tuple[str, ...] = ()
    expendable: bool = False
    firmware: str = ""
    can: frozenset[str] = field(default_factory=frozenset)
    line: int = 0

    @property
    def virtual(self) -> bool:
        """Is this board a model? Every report made with one says so."""
        return self.driver == "virtual"

    @property
    def capabilities(self) -> frozenset[str]:
        """What the board can do, in the words that `needs(...)` uses."""
        return DRIVERS[self.driver] | self.can
