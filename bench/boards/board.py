"""A board as boards.yaml names it, how it is wired, and what each driver lets the bench do with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = [
    "CAPABILITIES",
    "CHIPS",
    "DRIVERS",
    "Board",
    "Emulator",
    "HubPort",
    "LabgridPlace",
    "NetworkPower",
    "PowerCommands",
    "UsbIdentity",
    "WifiSecrets",
]

CHIPS = ("esp32", "esp32c3", "esp32s3")

_EMULATED = frozenset({"reset", "power_cycle", "flash_snapshot", "flash_write", "efuse_disposable", "ethernet"})

DRIVERS = MappingProxyType(
    {
        "virtual": _EMULATED | {"power_cut", "network_control"},
        "serial": frozenset({"reset"}),
        "rfc2217": frozenset({"reset"}),
        "labgrid": frozenset({"reset"}),
        "qemu": _EMULATED,
        "espemu": _EMULATED - {"flash_snapshot"},  # it writes its flash file when it ends
    }
)
"""What a board of each driver can do without being asked again; wiring and `can:` of boards.yaml add to it."""

CAPABILITIES = MappingProxyType(
    {
        "reset": "EN can be pulsed",
        "power_cycle": "the supply can be switched off and on",
        "power_cut": "the supply can be cut at a chosen flash or eFuse operation",
        "flash_snapshot": "the flash can be read without disturbing the firmware",
        "flash_write": "the flash can be written past the firmware, while the board is off",
        "network_control": "the network can be pulled and plugged in",
        "efuse_disposable": "eFuses may be burnt, for the next board is a new one",
        "ethernet": "its firmware reaches the bench by Ethernet",
        "wifi": "its firmware reaches the bench by Wi-Fi",
    }
)
"""The words of `needs(...)` that are about the board."""


@dataclass(frozen=True, slots=True)
class UsbIdentity:
    """What stays the same when a USB device comes back under another name. Empty means: not asked."""

    serial: str = ""
    """USB serial number."""
    location: str = ""
    """Bus and ports: ``1-2.3``."""


@dataclass(frozen=True, slots=True)
class LabgridPlace:
    """A place of a labgrid coordinator, or any place that a reservation by tags gives."""

    coordinator: str
    """``HOST:PORT``."""
    place: str = ""
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Emulator:
    """An emulator's executable and what is added to its command line."""

    executable: str = ""
    """Empty: the usual one, found on PATH."""
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HubPort:
    """A port of a USB hub that can switch its power (uhubctl)."""

    location: str
    port: int


@dataclass(frozen=True, slots=True)
class PowerCommands:
    """Commands of the user's own that switch the supply."""

    on: str
    off: str


@dataclass(frozen=True, slots=True)
class NetworkPower:
    """An outlet that one of labgrid's power drivers can switch."""

    model: str
    host: str
    index: str


@dataclass(frozen=True, slots=True)
class WifiSecrets:
    """Where Wi-Fi credentials come from; never what they are."""

    ssid_env: str = ""
    password_env: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """One device under test.

    `port` is a device path or a pyserial URL; empty where the driver finds or makes one itself.
    `server_host` is the bench's own address as the board reaches it; the OTA server listens there.
    """

    name: str
    chip: str
    driver: str
    port: str = ""
    usb: UsbIdentity | None = None
    mac: str = ""
    """The chip's factory MAC address, lower case; where it is given, no other chip is ever flashed in its place."""
    baud: int = 115200
    """Bit/s of the console."""
    flash_baud: int = 460800
    """Bit/s while flashing."""
    server_host: str = "127.0.0.1"
    tags: tuple[str, ...] = ()
    expendable: bool = False
    firmware: str = ""
    dialect: str = ""
    """File that describes how the firmware talks, where it is not a stock application."""
    can: frozenset[str] = field(default_factory=frozenset)
    power: HubPort | PowerCommands | NetworkPower | None = None
    reset_by: str = "rts"
    """How EN is pulsed: ``rts``, or ``power`` where RTS is not wired."""
    wifi: WifiSecrets | None = None
    labgrid: LabgridPlace | None = None
    emulator: Emulator | None = None
    realtime: bool = False
    """A virtual board whose waiting takes its time."""
    line: int = 0

    @property
    def virtual(self) -> bool:
        """Is this board a model? Every report made with one says so."""
        return self.driver == "virtual"

    @property
    def emulated(self) -> bool:
        """Is it no hardware at all: a model, or an emulator that executes the firmware?"""
        return self.driver in ("virtual", "qemu", "espemu")

    @property
    def capabilities(self) -> frozenset[str]:
        """What the board can do, in the words that `needs(...)` uses."""
        wired = {"power_cycle"} if self.power is not None else set()
        if self.wifi is not None:
            wired.add("wifi")
        return DRIVERS[self.driver] | self.can | wired
