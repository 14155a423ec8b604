"""boards.yaml: read and checked; every complaint names the line, the field and the mend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from bench.boards.board import (
    Board,
    Emulator,
    HubPort,
    LabgridPlace,
    NetworkPower,
    PowerCommands,
    UsbIdentity,
    WifiSecrets,
)
from bench.boards.boards_fields import BOARDS
from bench.errors import BoardsFileError
from bench.settings import Document, Record

__all__ = ["BoardsFile", "port_problem"]

_FILE = Document("boards.yaml", BoardsFileError)

_OF_DRIVER = MappingProxyType(
    {
        "serial": ("port", "usb", "mac", "baud", "flash_baud", "power", "reset_by", "network"),
        "rfc2217": ("port", "mac", "baud", "flash_baud", "power", "reset_by", "network"),
        "labgrid": ("labgrid", "mac", "baud", "flash_baud", "reset_by", "network"),
        "qemu": ("emulator",),
        "espemu": ("emulator",),
        "virtual": ("realtime",),
    }
)
"""The fields of a board that have a meaning for its driver, beside those that any board has."""

_OF_ANY = ("chip", "driver", "server_host", "tags", "expendable", "firmware", "dialect", "can")


@dataclass(frozen=True, slots=True)
class BoardsFile:
    """The boards of one bench, by name, and which of them is the default."""

    path: str
    boards: Mapping[str, Board]
    default: str | None

    @classmethod
    def load(cls, path: Path) -> BoardsFile:
        """Read a file. Raises `BoardsFileError` for anything that is not a valid boards.yaml."""
        return _file(str(path), _FILE.load(path, BOARDS))

    @classmethod
    def parse(cls, data: bytes, *, path: str = "boards.yaml") -> BoardsFile:
        """Parse the bytes of a boards.yaml; `path` is used in messages only."""
        return _file(path, _FILE.parse(data, path, BOARDS))


def _file(path: str, record: Record) -> BoardsFile:
    named = record.record("boards")
    assert named is not None
    boards = {}
    for name in named:
        fields = named.record(name)
        assert fields is not None
        _check(path, name, fields, named.lines[name])
        boards[name] = _board(name, fields, named.lines[name])
    default = record.text("default") or None
    if default is not None and default not in boards:
        near = get_close_matches(default, list(boards), n=1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        problem = f"names no board of this file: {default!r}{meant}"
        raise BoardsFileError(path, record.lines["default"], "default", problem)
    return BoardsFile(path, MappingProxyType(boards), default)


def _check(path: str, name: str, fields: Record, line: int) -> None:
    """What no description of single fields can say: which of them a driver wants, and which it has no use for."""
    where, driver = f"boards.{name}", fields.text("driver")
    known = _OF_DRIVER[driver]
    for given in fields:
        if given not in known and given not in _OF_ANY:
            problem = f"means nothing to driver {driver!r}; remove the line"
            raise BoardsFileError(path, fields.lines[given], f"{where}.{given}", problem)
    if driver == "serial" and not ("port" in fields or "usb" in fields or "mac" in fields):
        raise BoardsFileError(path, line, where, "driver 'serial' needs a `port:`, a `usb:` or a `mac:` to find it by")
    if driver == "rfc2217" and "port" not in fields:
        raise BoardsFileError(path, line, where, "driver 'rfc2217' needs a `port:`")
    if "port" in fields and (problem := port_problem(driver, fields.text("port"))):
        raise BoardsFileError(path, fields.lines["port"], f"{where}.port", problem)
    if driver == "labgrid" and "labgrid" not in fields:
        raise BoardsFileError(path, line, where, "driver 'labgrid' needs a `labgrid:` with coordinator and place")
    if fields.text("reset_by", "rts") == "power" and "power" not in fields and driver != "labgrid":
        problem = "needs a `power:` that says how the supply is switched"
        raise BoardsFileError(path, fields.lines["reset_by"], f"{where}.reset_by", problem)


def port_problem(driver: str, port: str) -> str:
    """Why a board of that driver cannot be at a port, with the mend; empty where it can."""
    if driver == "serial":
        mend = "it takes a device path; a board behind a URL is `driver: rfc2217` with port: rfc2217://HOST:PORT"
        return f"means nothing to driver 'serial': {mend}" if "://" in port else ""
    try:
        parts = urlsplit(port)
        sound = port.startswith("rfc2217://") and bool(parts.hostname and parts.port)
    except ValueError as error:  # brackets that do not close, or a number that no port has
        return f"must be a URL: rfc2217://HOST:PORT ({error})"
    return "" if sound else "must be a URL: rfc2217://HOST:PORT"


def _board(name: str, fields: Record, line: int) -> Board:
    return Board(
        name=name,
        chip=fields.text("chip"),
        driver=fields.text("driver"),
        port=fields.text("port"),
        usb=_usb(fields.record("usb")),
        mac=fields.text("mac").lower(),
        baud=fields.whole("baud", 115200),
        flash_baud=fields.whole("flash_baud", 460800),
        server_host=fields.text("server_host", "127.0.0.1"),
        tags=fields.texts("tags"),
        expendable=fields.flag("expendable"),
        firmware=fields.text("firmware"),
        dialect=fields.text("dialect"),
        can=frozenset(fields.texts("can")),
        power=_power(fields.record("power")),
        reset_by=fields.text("reset_by", "rts"),
        wifi=_wifi(fields.record("network")),
        labgrid=_labgrid(fields.record("labgrid")),
        emulator=_emulator(fields.record("emulator")),
        realtime=fields.flag("realtime"),
        line=line,
    )


def _usb(fields: Record | None) -> UsbIdentity | None:
    return None if fields is None else UsbIdentity(fields.text("serial"), fields.text("location"))


def _power(fields: Record | None) -> HubPort | PowerCommands | NetworkPower | None:
    if fields is None:
        return None
    if (hub := fields.record("usb_hub")) is not None:
        return HubPort(hub.text("location"), hub.whole("port"))
    if (command := fields.record("command")) is not None:
        return PowerCommands(command.text("on"), command.text("off"))
    outlet = fields.record("labgrid")
    assert outlet is not None
    return NetworkPower(outlet.text("model"), outlet.text("host"), outlet.text("index", "1"))


def _wifi(fields: Record | None) -> WifiSecrets | None:
    wifi = None if fields is None else fields.record("wifi")
    if wifi is None:
        return None
    return WifiSecrets(wifi.text("ssid")[4:], wifi.text("password")[4:], wifi.text("file"))


def _labgrid(fields: Record | None) -> LabgridPlace | None:
    if fields is None:
        return None
    tags = fields.record("tags")
    wanted = () if tags is None else tuple((tag, tags.text(tag)) for tag in tags)
    return LabgridPlace(fields.text("coordinator"), fields.text("place"), wanted)


def _emulator(fields: Record | None) -> Emulator | None:
    return None if fields is None else Emulator(fields.text("executable"), fields.texts("arguments"))
