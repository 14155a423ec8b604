"""A board in download mode with esptool's stub running, whatever state it was found in.

esptool's own API does the work, unmodified. It is tried with one way of resetting after another: a board that boots in
a circle, or floods its console, is stopped by EN; one whose EN and IO0 are not wired answers where somebody has put it
into download mode by hand, or where an earlier esptool has left its stub behind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import serial
from esptool import FatalError, cmds  # type: ignore[import-untyped]  # esptool ships no types
from esptool.targets import CHIP_DEFS  # type: ignore[import-untyped]  # as above
from esptool.util import flash_size_bytes  # type: ignore[import-untyped]  # as above

from bench.boards.board import Board
from bench.boards.drivers.serial_board import ARRIVAL
from bench.boards.flashing.told import Told, listening
from bench.boards.opening import complaint
from bench.errors import BenchError, BoardBusy, BoardLost, FlashingFailed
from bench.timeline import Deadline

__all__ = ["ATTEMPTS", "MEND", "Loader", "Reachable", "in_loader", "over"]

ATTEMPTS = 7
"""How often a board is reset into download mode before that is given up: esptool's own number."""

_ROM_BAUD = 115200

_LOOK_AGAIN = 0.05
"""Seconds between two attempts to open a port that is away."""

MEND = (
    "hold BOOT, press EN (RST) once, let BOOT go, and try again; if that helps, EN and IO0 are not wired to RTS and "
    "DTR. Check the cable, the supply, and that nothing pulls IO0 or the strapping pins"
)


class Reachable(Protocol):
    """As much of an attached board as it takes to flash it."""

    @property
    def board(self) -> Board:
        """Which board it is."""

    @property
    def port(self) -> str:
        """Device path or pyserial URL, as it is now."""


@dataclass(frozen=True, slots=True)
class _Way:
    """One way of getting a board into download mode."""

    before: str
    """esptool's name for what is done before it connects."""
    attempts: int
    told: str
    in_stub: bool = False
    """Speak as fast as a stub that was left behind."""


_WAYS = (
    _Way("default-reset", ATTEMPTS, "a reset by RTS and DTR"),
    _Way("usb-reset", 2, "a reset as the chip's own USB wants it"),
    _Way("no-reset", 2, "no reset, as where it is in download mode already"),
    _Way("no-reset", 2, "no reset, at the speed of a stub that was left behind", in_stub=True),
)
_AFTER_POWER = _Way("default-reset", 4, "a power cycle and a reset by RTS and DTR")


class Loader:
    """Flash operations on a board in download mode. Failures are esptool's own: `FatalError`, `SerialException`."""

    def __init__(self, esp: Any, told: Told, *, force: bool = False) -> None:
        self._esp = esp
        self.told = told
        self._force = force
        self.flash_size = 0
        """Bytes of its flash chip; 0 where it cannot be told."""

    @property
    def esp(self) -> Any:
        """esptool's own object."""
        return self._esp

    @property
    def mac(self) -> str:
        """The chip's factory MAC address."""
        return ":".join(f"{byte:02x}" for byte in self._esp.read_mac("BASE_MAC"))

    @property
    def encrypts(self) -> bool:
        """Is flash encryption on?"""
        return bool(self._esp.get_flash_encryption_enabled())

    @property
    def baud(self) -> int:
        """Bit/s of the wire."""
        return int(self._esp._port.baudrate)

    def get_ready(self, baud: int) -> None:
        """Start the stub, and the flash, and speak faster."""
        self._esp = cmds.run_stub(self._esp)
        if self._esp.IS_STUB and baud > self.baud:
            self._esp.change_baud(baud)
        cmds.attach_flash(self._esp)
        size = flash_size_bytes(cmds.detect_flash_size(self._esp))
        if size:
            self._esp.flash_set_parameters(size)
        self.flash_size = size or 0

    def md5(self, offset: int, size: int) -> str:
        """MD5 (hexadecimal) of a region, as the board computes it."""
        return str(self._esp.flash_md5sum(offset, size))

    def read(self, offset: int, size: int) -> bytes:
        """The bytes of a region."""
        data: bytes = cmds.read_flash(self._esp, offset, size, no_progress=True)
        return data

    def erase(self, offset: int, size: int) -> None:
        """Erase whole sectors."""
        cmds.erase_region(self._esp, offset, size, force=self._force)

    def erase_all(self) -> None:
        """Erase the whole chip."""
        cmds.erase_flash(self._esp, force=self._force)

    def write(self, pieces: Sequence[tuple[int, bytes]], *, encrypted: bool = False) -> None:
        """Write bytes at offsets, each verified by its MD5 unless it was encrypted on the way."""
        cmds.write_flash(self._esp, list(pieces), force=self._force, encrypt=encrypted)

    def frequency_code(self, name: str) -> int:
        """How this chip's image headers say a flash frequency like ``"80m"``."""
        return int(self._esp.parse_flash_freq_arg(name))


@contextmanager
def in_loader(
    attachment: Reachable,
    *,
    baud: int | None = None,
    power_cycle: Callable[[], None] | None = None,
    attempts: int = ATTEMPTS,
    arrival: float = ARRIVAL,
    echo: Callable[[str], object] | None = None,
    force: bool = False,
) -> Iterator[Loader]:
    """The board in download mode; it is still there afterwards, with the port closed: reset it to boot.

    Args:
        attachment: the board
        baud: bit/s on the wire; by boards.yaml where not given
        power_cycle: takes the board's power away and gives it back, where that can be done
        attempts: of each way to reset it, at most
        arrival: seconds for the port of a local board to return, which may leave at a reset or with the power
        echo: gets what esptool writes
        force: past esptool's own guard for boards with secure boot or flash encryption

    Raises:
        BoardLost: it cannot be reached, or is another board than boards.yaml says; says what was tried
        BoardBusy: somebody else has the port
        FlashingFailed: it can be reached, but not be worked with; holds esptool's last lines
    """
    board = attachment.board
    if board.chip not in CHIP_DEFS:
        raise BenchError(f"{board.name}: esptool knows no chip {board.chip!r}")
    speed = board.flash_baud if baud is None else baud
    with listening(echo):
        esp = _connected(attachment, speed, power_cycle, attempts, arrival)
    try:
        with over(esp, attachment, baud=speed, echo=echo, force=force) as loader:
            yield loader
    finally:
        esp._port.close()


@contextmanager
def over(
    esp: Any,
    attachment: Reachable,
    *,
    baud: int,
    echo: Callable[[str], object] | None = None,
    force: bool = False,
) -> Iterator[Loader]:
    """The same over an `ESPLoader` that is connected to the board already; its port is left open.

    Raises:
        BoardLost: it is another board than boards.yaml says
        FlashingFailed: as `in_loader`
    """
    board = attachment.board
    with listening(echo) as told:
        loader = Loader(esp, told, force=force)
        try:
            if board.mac and loader.mac != board.mac:
                raise BoardLost(
                    f"{board.name}: the chip at {attachment.port} has the MAC {loader.mac}, and boards.yaml says "
                    f"{board.mac}; nothing was written to it"
                )
            loader.get_ready(baud)
            yield loader
        except (FatalError, serial.SerialException, OSError) as error:
            raise FlashingFailed(
                f"{board.name} at {attachment.port}, {loader.baud} bit/s: {error}\nesptool's last lines:\n{told}"
            ) from error


def _connected(
    attachment: Reachable, speed: int, power_cycle: Callable[[], None] | None, attempts: int, arrival: float
) -> Any:
    """An `ESPLoader` that has synchronised with the board."""
    tried: list[str] = []
    away: BoardLost | None = None
    for one in (*_WAYS, _AFTER_POWER):
        if one is _AFTER_POWER:
            if power_cycle is None:
                break
            power_cycle()
            away = None
        way = replace(one, attempts=min(one.attempts, attempts))
        # One that did not come in that time is only looked for once more, until something is done to it.
        esp = _opened(attachment, speed if way.in_stub else _ROM_BAUD, Deadline(arrival if away is None else 0.0))
        away = esp if isinstance(esp, BoardLost) else None
        if away is not None:
            tried.append(f"{way.told} (its port was away)")
        elif _answers(attachment, esp, way, tried):
            return esp
    board = attachment.board
    if away is not None:
        raise BoardLost(f"{board.name}: {away}; tried: {'; '.join(tried)}. Check the cable and the supply") from away
    raise BoardLost(
        f"{board.name} at {attachment.port} does not get into download mode; tried: {'; '.join(tried)}. {MEND}"
    )


def _answers(attachment: Reachable, esp: Any, way: _Way, tried: list[str]) -> bool:
    """Does the board answer this way? If not, why is added to what was tried, and the port closed."""
    try:
        esp.connect(way.before, way.attempts)
    except (FatalError, serial.SerialException, OSError) as error:
        esp._port.close()
        if "Wrong chip argument" in str(error):
            raise BoardLost(
                f"{attachment.board.name} at {attachment.port} is another chip: {str(error).splitlines()[0]} Nothing "
                "was written to it; mend `chip:` or the port in boards.yaml"
            ) from error
        tried.append(f"{way.told} ({str(error).splitlines()[0]})")
        return False
    except BaseException:
        esp._port.close()
        raise
    return True


def _opened(attachment: Reachable, baud: int, deadline: Deadline) -> Any:
    """The port in esptool's hands, or the `BoardLost` that a local port is which does not come back in time.

    The chip's own USB leaves at a reset, and whatever is fed by the hub with its power; each may come back under
    another name.

    Raises:
        BoardBusy, BenchError: somebody else has the port, or it may not be opened; with the mend
        BoardLost: nothing answers at a URL
    """
    while True:
        port = attachment.port
        try:
            return _open(attachment.board, port, baud)
        except BoardBusy:
            raise
        except BenchError as error:  # udev sets owner and mode a moment after the node has appeared
            if "://" in port:
                raise
            if deadline.expired:
                if isinstance(error, BoardLost):
                    return error
                raise
        time.sleep(_LOOK_AGAIN)


def _open(board: Board, port: str, baud: int) -> Any:
    """The port in esptool's hands. Raises `BoardLost`, `BoardBusy` or `BenchError`, with the mend."""
    try:
        return CHIP_DEFS[board.chip](port, baud)
    except (FatalError, serial.SerialException, OSError) as error:
        raise complaint(port, error) from error
