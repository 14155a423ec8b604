"""Nothing irreversible by accident: builds that would burn eFuses stay off boards that are meant to be kept.

A build is judged by its sdkconfig *and* by what is compiled into its bootloader, its application and any other image
that it flashes: a sdkconfig may be missing, or belong to another build. Every option leaves log strings in the image;
the code that burns for real leaves its own, and where eFuses are emulated (CONFIG_EFUSE_VIRTUAL) the compiler has put
other strings in their place.

What burns, and whose strings these are: components/efuse/src/esp_efuse_fields.c (the secure version, at the first
confirmation), components/efuse/*/esp_efuse_utility.c (esp_efuse_utility_burn_chip), bootloader_utility.c and the
secure_boot and flash_encryption sources of components/bootloader_support (at the first boot), and the start-up code
(esp_efuse_startup.c; startup.c before v5.2) for the download mode and the BASIC console.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench.boards.board import Board
from bench.builds import Build
from bench.errors import FormatError, UnsafeOperation
from bench.images import Image

__all__ = ["Finding", "burns_of_image", "burnt_by", "refuse_unsafe", "refuse_unsafe_image"]

BURNS: Mapping[str, str] = MappingProxyType(
    {
        "BOOTLOADER_APP_ANTI_ROLLBACK": "the secure version",
        "SECURE_BOOT": "the digest of the secure boot key",
        "SECURE_FLASH_ENC_ENABLED": "the flash encryption key",
        "SECURE_DISABLE_ROM_DL_MODE": "the end of the download mode",
        "SECURE_ENABLE_SECURE_ROM_DL_MODE": "the secure download mode",
        "ESP32_DISABLE_BASIC_ROM_CONSOLE": "the end of the ROM's BASIC console",
        "NVS_SEC_KEY_PROTECT_USING_HMAC": "the HMAC key of NVS",
    }
)
"""What a build with this option burns into eFuses, unless they are emulated (CONFIG_EFUSE_VIRTUAL)."""

_TRACES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "the secure version": (
            "Enabled a check secure version of app for anti rollback",
            "Max secure version is %",
            "secure_version of app is lower that eFuse field",
            "CONFIG_BOOTLOADER_APP_ANTI_ROLLBACK=y",
        ),
        "the digest of the secure boot key": (
            "Checking secure boot...",
            "Secure boot permanently enabled",
            "FAILED TO ENABLE SECURE BOOT",
            "Secure Boot v2 failed (%d)",
            "Bootloader digest generation for secure boot failed",
            "Burning public key hash to eFuse",
            "blowing secure boot efuse...",
        ),
        "the flash encryption key": (
            "Checking flash encryption...",
            "Initialization of Flash Encryption key failed",
            "Encryption flash contents failed",
            "Enabling of Flash encryption failed",
            "Generating new flash encryption key...",
            "Flash encryption eFuse bit was not enabled in bootloader",
            "Flash encryption mode is ",
        ),
    }
)
"""Strings that only firmware with such an option has, by what it burns."""

_REALLY = ("BURN BLOCK%d", "Efuse fields are not burnt", "BLOCK%d can not be burned because")
"""Of the code that burns; the preprocessor leaves it out where eFuses are emulated."""

_EMULATED = (
    "Virtual efuses enabled: Not really burning eFuses",
    "eFuse virtual mode is enabled",
    "Loading virtual efuse blocks from",
    "CONFIG_EFUSE_VIRTUAL=y",
)
"""Of firmware that burns nothing, but pretends to."""

_SOME_LOG = b") %s: "
"""Stands in every format of a log statement: an image without one was built to be silent, and tells nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason to believe that a build burns eFuses: what it burns, and where that is written."""

    what: str
    where: str

    def __str__(self) -> str:
        return f"{self.what} ({self.where})"


def burnt_by(build: Build) -> tuple[Finding, ...]:
    """Why a build is held to burn eFuses of the chip; nothing where it does not, or only emulates them."""
    found = [*_by_sdkconfig(build)]
    for name, image in _images(build):
        found += burns_of_image(image, name)
    if not found and not build.sdkconfig and not _tells(build.bootloader):
        found.append(Finding("nobody knows what", "it has no sdkconfig, and a bootloader that logs nothing"))
    return tuple(found)


def burns_of_image(image: Image, name: str) -> tuple[Finding, ...]:
    """What an image burns by what is compiled into it; `name` is what the findings call it."""
    data = [segment.data for segment in image.segments]
    if (sign := _first(data, _REALLY)) is None and _first(data, _EMULATED) is not None:
        return ()
    found = [
        Finding(what, f"{name}: “{trace.strip()}”")
        for what, traces in _TRACES.items()
        if (trace := _first(data, traces)) is not None
    ]
    described = image.app_desc
    if not found and described is not None and described.secure_version:
        found.append(Finding("the secure version", f"{name}: secure version {described.secure_version}"))
    if not found and sign is not None:
        found.append(Finding("eFuses of its own choice", f"{name}: “{sign}”"))
    return tuple(found)


def refuse_unsafe(build: Build, board: Board, *, allowed: bool) -> None:
    """Refuse a build that burns eFuses on a board that is neither a model nor given up. Nothing is written before it.

    Args:
        allowed: the command line says that eFuses may be burnt

    Raises:
        UnsafeOperation: names what would be burnt, how the bench knows, and what would allow it
    """
    if not _to_be_kept(board, allowed):
        return
    if found := burnt_by(build):
        raise _refusal(str(build.path), found, board)


def refuse_unsafe_image(data: bytes, board: Board, *, allowed: bool, what: str = "the update") -> None:
    """The same for one image, before it is served or written; bytes that are no image burn nothing.

    Args:
        what: as the refusal calls it
    """
    if not _to_be_kept(board, allowed):
        return
    if (image := _parsed(data)) is not None and (found := burns_of_image(image, "application")):
        raise _refusal(what, found, board)


def _to_be_kept(board: Board, allowed: bool) -> bool:
    return "efuse_disposable" not in board.capabilities and not (board.expendable and allowed)


def _refusal(what: str, found: tuple[Finding, ...], board: Board) -> UnsafeOperation:
    places: dict[str, list[str]] = {}
    for finding in found:
        places.setdefault(finding.what, []).append(finding.where)
    burnt = " and ".join(f"{burnt} ({'; '.join(where)})" for burnt, where in places.items())
    mend = "say --allow-efuse to do it" if board.expendable else "only a board with `expendable: true` may be used so"
    return UnsafeOperation(
        f"{what} burns {burnt} into the eFuses of {board.name}, for ever: {mend}, "
        "or build with CONFIG_EFUSE_VIRTUAL_KEEP_IN_FLASH=y"
    )


def _by_sdkconfig(build: Build) -> list[Finding]:
    if build.enabled("EFUSE_VIRTUAL"):
        return []
    return [Finding(what, f"CONFIG_{symbol}=y") for symbol, what in BURNS.items() if build.enabled(symbol)]


def _images(build: Build) -> Iterator[tuple[str, Image]]:
    """All that the build flashes and a chip may run, with what the findings call it."""
    yield "bootloader", build.bootloader
    yield "application", build.image
    for file in build.flash_files:
        if file.part not in ("bootloader", "app") and (image := _parsed(file.path.read_bytes())) is not None:
            yield f"{file.path.name} at 0x{file.offset:x}", image


def _parsed(data: bytes) -> Image | None:
    try:
        return Image.parse(data)
    except FormatError:
        return None


def _tells(image: Image) -> bool:
    return any(_SOME_LOG in segment.data for segment in image.segments)


def _first(parts: list[bytes], texts: tuple[str, ...]) -> str | None:
    return next((text for text in texts if any(text.encode() in part for part in parts)), None)
