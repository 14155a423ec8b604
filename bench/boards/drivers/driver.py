"""What every driver gives: a port that esptool and pytest-embedded can open, and the board given back at the end."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from bench.boards.board import Board

__all__ = ["Attachment", "Supply"]


class Supply(Protocol):
    """What a board with the capabilities `power_cut`, `flash_snapshot`, `network_control` … offers beyond a port."""

    def renew(self) -> None:
        """Make it a new board: flash erased, eFuses as delivered, network up, no power cut planned, power on."""

    def power(self, on: bool) -> None:
        """Switch the supply."""

    def plan_power_cut(self, purpose: str, *, phase: str = "before", nth: int = 1, back: bool = False) -> None:
        """Cut the supply at the nth flash or eFuse operation of that purpose: before, in the middle, or after it.

        With `back` it returns at once, as after a glitch of the supply or a pulse on EN.
        """

    def cuts_fired(self) -> int:
        """How many of the planned cuts have come since the board was renewed."""

    def wait_until_off(self, seconds: float) -> None:
        """Wait until a planned power cut has come. Raises `ExpectationFailed` when it has not within that time."""

    def wait_until_idle(self, seconds: float) -> None:
        """Wait until the firmware has nothing left to do but wait. Raises `ExpectationFailed` when it does not rest."""

    def set_network(self, up: bool) -> None:
        """Plug the network in, or pull it."""

    def read_flash(self, offset: int, length: int) -> bytes:
        """Read the flash as it is now, without disturbing the board. Offset and length in bytes."""

    def write_flash(self, offset: int, data: bytes) -> None:
        """Put bytes into the flash, whatever was there; for a board that is off. Offset in bytes."""

    def digest_flash(self, offset: int, length: int) -> str:
        """SHA-256 (hexadecimal) of a region of the flash as it is now, without moving its bytes."""

    def burn_efuse(self, block: int, bits: bytes) -> None:
        """Burn the bits that are 1 into an eFuse block, least significant byte first; virtual boards only."""

    def secure_version(self) -> int:
        """The secure version that the (real) eFuse of the board holds."""


class Attachment(Protocol):
    """A board held for use. Entering opens what is needed, leaving gives the board back whatever happened."""

    @property
    def board(self) -> Board:
        """Which board it is."""

    @property
    def port(self) -> str:
        """A device path or pyserial URL, valid while the attachment is entered."""

    @property
    def supply(self) -> Supply | None:
        """The board's further abilities; None for a board with nothing but a port."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
