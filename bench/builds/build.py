"""An ESP-IDF build directory as it stands on disk: what to flash where, and what the firmware is.

Files: `flasher_args.json` (components/esptool_py/flasher_args.json.in), `project_description.json`
(tools/cmake/project_description.json.in; may be missing), `config/sdkconfig.json` or `sdkconfig`, and the images that
they name. Encrypted builds are read from their plain images, as they come out of the build.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.builds.sdkconfig import Sdkconfig, from_json, from_text
from bench.errors import BuildError, FormatError
from bench.flash import PartitionTable
from bench.images import Image, chip_by_id

__all__ = ["Build", "FlashFile"]

_REBUILD = "build the project again (idf.py build)"
_PARTS = ("bootloader", "app", "partition-table")


@dataclass(frozen=True)
class FlashFile:
    """One file that a flasher writes.

    Args:
        offset: bytes from the start of flash
        path: the file
        part: ESP-IDF's name for it: bootloader, app, partition-table, otadata …; empty where it has none
        encrypted: the flasher is to have it encrypted
    """

    offset: int
    path: Path
    part: str = ""
    encrypted: bool = False


@dataclass(frozen=True)
class Build:
    """One build directory, read.

    Args:
        path: the directory
        target: the chip, as ESP-IDF spells it
        flash_files: in the order of their offsets
        flash_settings: flash_mode, flash_size, flash_freq
        image: the application
        bootloader: the second-stage bootloader
        partition_table: as it will stand in flash
        sdkconfig: symbols without CONFIG_; empty where the directory has none
        description: project_description.json; empty where the directory has none
    """

    path: Path
    target: str
    flash_files: tuple[FlashFile, ...]
    flash_settings: Mapping[str, str]
    image: Image = field(repr=False)
    bootloader: Image = field(repr=False)
    partition_table: PartitionTable = field(repr=False)
    sdkconfig: Sdkconfig = field(repr=False)
    description: Mapping[str, Any] = field(repr=False)

    @classmethod
    def load(cls, directory: Path) -> Build:
        """Read a build directory.

        Raises:
            BuildError: a file is missing or is not what it should be, or two contradict one another; names the file
                and the mend
        """
        if not directory.is_dir():
            raise BuildError(f"{directory}: no such directory; give an ESP-IDF build directory")
        args = _flasher_args(directory)
        files = _flash_files(directory, args)
        by_part = {file.part: file for file in files}
        for part in _PARTS:
            if part not in by_part:
                raise BuildError(f"{directory / 'flasher_args.json'}: names no {part!r}; {_REBUILD}")
        image = _image(by_part["app"].path)
        config = _sdkconfig(directory)
        return cls(
            path=directory,
            target=_target(directory, args, config, image),
            flash_files=files,
            flash_settings=_settings(directory, args),
            image=image,
            bootloader=_image(by_part["bootloader"].path),
            partition_table=_table(by_part["partition-table"].path),
            sdkconfig=config,
            description=_description(directory),
        )

    def part(self, name: str) -> FlashFile | None:
        """The file of that ESP-IDF name: bootloader, app, partition-table, otadata …"""
        return next((file for file in self.flash_files if file.part == name), None)

    @property
    def project_name(self) -> str:
        """Of the application's own description; before that exists, of the project's."""
        if self.image.app_desc is not None:
            return self.image.app_desc.project_name
        return str(self.description.get("project_name", ""))

    @property
    def version(self) -> str:
        """Of the application."""
        return self.image.app_desc.version if self.image.app_desc is not None else ""

    @property
    def idf_ver(self) -> str:
        """The ESP-IDF release that the application was built with."""
        return self.image.app_desc.idf_ver if self.image.app_desc is not None else ""

    @property
    def app_path(self) -> Path:
        """The application's .bin."""
        return self._offset_and_path("app")[1]

    @property
    def app_offset(self) -> int:
        """Where the application is flashed."""
        return self._offset_and_path("app")[0]

    @property
    def bootloader_offset(self) -> int:
        return self._offset_and_path("bootloader")[0]

    @property
    def partition_table_offset(self) -> int:
        return self._offset_and_path("partition-table")[0]

    @property
    def flash_size(self) -> int:
        """Bytes of flash that the build is for; 0 where its settings say "detect" or "keep"."""
        text = self.flash_settings.get("flash_size", "")
        number = text.removesuffix("MB")
        return int(number) * 1024 * 1024 if number.isdigit() and text.endswith("MB") else 0

    def enabled(self, symbol: str) -> bool:
        """Whether a boolean symbol (without CONFIG_) is set; False where the sdkconfig is missing."""
        return self.sdkconfig.get(symbol) is True

    def _offset_and_path(self, part: str) -> tuple[int, Path]:
        file = self.part(part)
        assert file is not None, "load() refuses a build without it"
        return file.offset, file.path


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BuildError(f"{path}: missing ({what}); {_REBUILD}") from None
    except OSError as error:
        raise BuildError(f"{path}: {error.strerror} ({what})") from None


def _object(path: Path, what: str) -> dict[str, Any]:
    try:
        data = json.loads(_read(path, what))
    except ValueError as error:
        raise BuildError(f"{path}: not JSON ({error}); {_REBUILD}") from None
    if not isinstance(data, dict):
        raise BuildError(f"{path}: holds a {type(data).__name__}, not an object; {_REBUILD}")
    return data


def _flasher_args(directory: Path) -> dict[str, Any]:
    path = directory / "flasher_args.json"
    if not path.exists() and (directory / "build" / "flasher_args.json").exists():
        raise BuildError(f"{directory}: a project, not its build directory; give {directory / 'build'}")
    return _object(path, "what to flash where")


def _flash_files(directory: Path, args: dict[str, Any]) -> tuple[FlashFile, ...]:
    where = directory / "flasher_args.json"
    listed = args.get("flash_files")
    if not isinstance(listed, dict) or not listed:
        raise BuildError(f"{where}: no 'flash_files'; {_REBUILD}")
    parts = {
        (value["offset"], value["file"]): (name.replace("_", "-"), value.get("encrypted") == "true")
        for name, value in args.items()
        if isinstance(value, dict) and isinstance(value.get("offset"), str) and isinstance(value.get("file"), str)
    }
    files = []
    for offset, file in listed.items():
        try:
            number = int(offset, 0)
        except (TypeError, ValueError):
            raise BuildError(f"{where}: flash offset {offset!r} is not a number; {_REBUILD}") from None
        if not isinstance(file, str):
            raise BuildError(f"{where}: the file at {offset} is {file!r}, not a path; {_REBUILD}")
        part, encrypted = parts.get((offset, file), ("", False))
        files.append(FlashFile(number, directory / file, part, encrypted))
    for flash_file in files:
        if not flash_file.path.is_file():
            raise BuildError(f"{flash_file.path}: missing, though flasher_args.json names it; {_REBUILD}")
    return tuple(sorted(files, key=lambda one: one.offset))


def _settings(directory: Path, args: dict[str, Any]) -> Mapping[str, str]:
    settings = args.get("flash_settings", {})
    if not isinstance(settings, dict):
        raise BuildError(f"{directory / 'flasher_args.json'}: 'flash_settings' is no object; {_REBUILD}")
    return MappingProxyType({str(name): str(value) for name, value in settings.items()})


def _image(path: Path) -> Image:
    try:
        return Image.parse(_read(path, "an image"), subject=str(path))
    except FormatError as error:
        raise BuildError(f"{error}; {_REBUILD}") from error


def _table(path: Path) -> PartitionTable:
    try:
        return PartitionTable.parse(_read(path, "the partition table"))
    except FormatError as error:
        raise BuildError(f"{path}: {error}; {_REBUILD}") from error


def _sdkconfig(directory: Path) -> Sdkconfig:
    path = directory / "config" / "sdkconfig.json"
    if path.exists():
        return from_json(_read(path, "the configuration").decode("utf-8", "replace"), name=str(path))
    # ESP-IDF keeps the text beside the build directory, the bench's own builds within it.
    for text in (directory / "sdkconfig", directory.parent / "sdkconfig"):
        if text.is_file():
            return from_text(_read(text, "the configuration").decode("utf-8", "replace"))
    return MappingProxyType({})


def _description(directory: Path) -> Mapping[str, Any]:
    path = directory / "project_description.json"
    return MappingProxyType(_object(path, "the project's description") if path.exists() else {})


def _target(directory: Path, args: dict[str, Any], config: Sdkconfig, image: Image) -> str:
    chip = chip_by_id(image.header.chip_id)
    of_image = chip.name if chip is not None else f"chip id {image.header.chip_id}"
    extra = args.get("extra_esptool_args")
    told = {
        "flasher_args.json": extra.get("chip") if isinstance(extra, dict) else None,
        "sdkconfig": config.get("IDF_TARGET"),
    }
    for name, target in told.items():
        if target is not None and chip is not None and target != of_image:
            raise BuildError(f"{directory}: {name} says {target}, the application is for {of_image}; {_REBUILD}")
    return of_image
