"""One exhibit of the gallery: defective firmware, the promise that it breaks, and the scenarios that must notice it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bench.builds import VirtualBuild
from bench.images import BootDefect, Defect

__all__ = ["CHIP", "Exhibit", "Files", "Notices", "application", "bootloader", "both", "mixed", "shows"]

CHIP = "virtual-esp32c3"
"""The board on which an exhibit is shown where it needs no other."""

BOOTLOADER = "bootloader/bootloader.bin"

Files = Mapping[str, bytes]
Notices = Mapping[str, tuple[str, ...]]
"""What a failure must say → the scenarios that must fail so."""
Make = Callable[[VirtualBuild], Files]


@dataclass(frozen=True)
class Exhibit:
    """One defective firmware.

    Args:
        name: unlike any other's, in small letters
        wrong: what it does that it should not
        promise: what it breaks, as a sentence
        guards: scenario → a part of what its failure must say. A scenario is ``module::function``, for the first of
            its cases, or ``module::function[case]``
        files: the files of the defective build, made from the sound one's spec
        board: the virtual board to show it on
    """

    name: str
    wrong: str
    promise: str
    guards: Mapping[str, str] = field(hash=False)
    files: Make = field(repr=False)
    board: str = CHIP


def shows(defect: Defect | BootDefect, promise: str, notices: Notices) -> Exhibit:
    """Firmware with one of the bench's own defects in it."""
    in_bootloader = isinstance(defect, BootDefect)
    name = ("bootloader " if in_bootloader else "") + defect.name.lower().replace("_", " ")
    who = "the bootloader" if in_bootloader else "the application"
    part = bootloader if in_bootloader else application
    wrong = defect.value if defect.value.startswith("ROM: ") else f"{who} {defect.value}"
    return Exhibit(name, wrong, promise, _guards(notices), part(defect=defect))


def mixed(name: str, wrong: str, promise: str, files: Make, notices: Notices, *, board: str = CHIP) -> Exhibit:
    """Firmware whose parts come from builds that do not fit together."""
    return Exhibit(name, wrong, promise, _guards(notices), files, board)


def _guards(notices: Notices) -> Mapping[str, str]:
    """What must be said, by scenario."""
    guards: dict[str, str] = {}
    for says, scenarios in notices.items():
        for scenario in scenarios:
            if scenario in guards:
                raise ValueError(f"{scenario} is to say {guards[scenario]!r} and {says!r}")
            guards[scenario] = says
    return guards


def bootloader(**other: Any) -> Make:
    """The bootloader of another build under everything else of this one."""
    return lambda sound: {**sound.files(), BOOTLOADER: replace(sound, **other).files()[BOOTLOADER]}


def application(**other: Any) -> Make:
    """The application of another build beside everything else of this one."""
    return lambda sound: {**sound.files(), f"{sound.app}.bin": replace(sound, **other).files()[f"{sound.app}.bin"]}


def both(**other: Any) -> Make:
    """Application and bootloader of another build, beside this one's sdkconfig."""
    return lambda sound: {**application(**other)(sound), BOOTLOADER: replace(sound, **other).files()[BOOTLOADER]}
