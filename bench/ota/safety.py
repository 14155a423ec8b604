"""Nothing irreversible by accident: builds that would burn eFuses stay off boards that are meant to be kept.

What burns: components/efuse (the secure version of CONFIG_BOOTLOADER_APP_ANTI_ROLLBACK, at the first confirmation),
secure_boot and flash_encrypt of components/bootloader_support (at the first boot).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bench.boards.board import Board
from bench.builds import Build
from bench.errors import UnsafeOperation

__all__ = ["burnt_by", "refuse_unsafe"]

BURNS: Mapping[str, str] = MappingProxyType(
    {
        "BOOTLOADER_APP_ANTI_ROLLBACK": "the secure version",
        "SECURE_BOOT": "the digest of the secure boot key",
        "SECURE_FLASH_ENC_ENABLED": "the flash encryption key",
    }
)
"""What a build with this option burns into eFuses, unless they are emulated (CONFIG_EFUSE_VIRTUAL)."""


def burnt_by(build: Build) -> tuple[str, ...]:
    """The options of a build that burn eFuses of the chip; none where it emulates them."""
    if build.enabled("EFUSE_VIRTUAL"):
        return ()
    return tuple(symbol for symbol in BURNS if build.enabled(symbol))


def refuse_unsafe(build: Build, board: Board, *, allowed: bool) -> None:
    """Refuse a build that burns eFuses on a board that is neither a model nor given up.

    Args:
        allowed: the command line says that eFuses may be burnt

    Raises:
        UnsafeOperation: names the option, what it burns, and what would allow it
    """
    burning = burnt_by(build)
    if not burning or board.virtual or (board.expendable and allowed):
        return
    what = " and ".join(f"{BURNS[symbol]} (CONFIG_{symbol}=y)" for symbol in burning)
    mend = "say --allow-efuse to do it" if board.expendable else "only a board with `expendable: true` may be used so"
    raise UnsafeOperation(
        f"{build.path} burns {what} into the eFuses of {board.name}, for ever: {mend}, "
        "or build with CONFIG_EFUSE_VIRTUAL_KEEP_IN_FLASH=y"
    )
