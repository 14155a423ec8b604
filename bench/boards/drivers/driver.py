"""What every driver gives: a port that esptool and pytest-embedded can open, and the board given back at the end."""

# ruff: noqa: ARG002  the base of all supplies names the arguments that its heirs use

from __future__ import annotations

from types import TracebackType
from typing import NoReturn, Protocol, Self

from bench.boards.board import CAPABILITIES, Board
from bench.errors import BenchError

__all__ = ["Attachment", "Supply"]


class Supply:
    """What a board may offer beyond a port: each driver overrides what it can do.

    The rest says which capability is missing; a scenario that asks for it lacks its ``needs(...)`` mark.
    """

    services: str = "esp,idf"
    """pytest-embedded's services for its `dut`: by esptool through the port, unless an emulator has one of its own."""
    server_name: str | None = None
    """What the board calls the machine of the bench, where that is not the address that the server listens on."""

    def __init__(self, board: Board) -> None:
        self.board = board

    def renew(self) -> None:
        """Make it a new board, where it is no real one: flash erased, eFuses as delivered, network up, power on."""

    def power(self, on: bool) -> None:
        """Switch the supply."""
        self._cannot("power_cycle")

    def leave(self, error: BaseException | None) -> None:
        """Have the board given back with its supply on. `error` is what its use ended with, as `__exit__` has it."""

    def plan_power_cut(self, purpose: str, *, phase: str = "before", nth: int = 1, back: bool = False) -> None:
        """Cut the supply at the nth flash or eFuse operation of that purpose: before, in the middle, or after it.

        With `back` it returns at once, as after a glitch of the supply or a pulse on EN.
        """
        self._cannot("power_cut")

    def cuts_fired(self) -> int:
        """How many of the planned cuts have come since the board was renewed."""
        self._cannot("power_cut")

    def wait_until_off(self, seconds: float) -> None:
        """Wait until a planned power cut has come. Raises `ExpectationFailed` when it has not within that time."""
        self._cannot("power_cut")

    def wait_until_idle(self, seconds: float) -> None:
        """Wait until the firmware has nothing left to do but wait. Raises `ExpectationFailed` when it does not rest."""
        self._cannot("power_cut")

    def set_network(self, up: bool) -> None:
        """Plug the network in, or pull it."""
        self._cannot("network_control")

    def read_flash(self, offset: int, length: int) -> bytes:
        """Read the flash as it is now, without disturbing the board. Offset and length in bytes."""
        self._cannot("flash_snapshot")

    def digest_flash(self, offset: int, length: int) -> str:
        """SHA-256 (hexadecimal) of a region of the flash as it is now, without moving its bytes."""
        self._cannot("flash_snapshot")

    def write_flash(self, offset: int, data: bytes) -> None:
        """Put bytes into the flash, whatever was there; for a board that is off. Offset in bytes."""
        self._cannot("flash_write")

    def burn_efuse(self, block: int, bits: bytes) -> None:
        """Burn the bits that are 1 into an eFuse block, least significant byte first; never on a real board."""
        self._cannot("efuse_disposable")

    def secure_version(self) -> int:
        """The secure version that the (real) eFuse of the board holds."""
        self._cannot("efuse_disposable")

    def _cannot(self, capability: str) -> NoReturn:
        raise BenchError(
            f"{self.board.name} (driver {self.board.driver}) lacks {capability}: {CAPABILITIES[capability]}; "
            f"a scenario that wants it is marked needs({capability!r})"
        )


class Attachment(Protocol):
    """A board held for use. Entering opens what is needed, leaving gives the board back whatever happened."""

    @property
    def board(self) -> Board:
        """Which board it is."""

    @property
    def port(self) -> str:
        """A device path or pyserial URL, valid while the attachment is entered."""

    @property
    def supply(self) -> Supply:
        """The board's further abilities; its capabilities say which."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
