"""Copies of build directories: what flashing, reading and decoding need of one, and nothing of the compiler's rest.

A build may flash files from outside its directory: ESP-IDF then names them by `../…`
(`esptool_py_flash_target_image` of components/esptool_py/project_include.cmake). In the copy they are in `outside`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.builds.build import Build, FlashFile
from bench.errors import BuildError

__all__ = ["copy_build"]

_OUTSIDE = "outside"
_ARGS = "flasher_args.json"
_ARGS_TEXT = "flash_args"
_ALONGSIDE = (_ARGS, _ARGS_TEXT, "sdkconfig", "config/sdkconfig.json")
"""Beside the files that are flashed; the last two say the same in two forms."""


def copy_build(build: Build, out: Path) -> Path:
    """Copy a build into `out`, a directory that is not there yet; its own is only read.

    Returns:
        where the application's image is in the copy

    Raises:
        BuildError: it cannot be read or written; names the file
    """
    flashed = {file.path: _name_in_copy(build, file) for file in build.flash_files}
    try:
        for name in _alongside(build):
            _copy(build.path / name, out / name)
        for source, name in flashed.items():
            _copy(source, out / name)
        _name_files_anew(out, build.path, flashed)
        described = dict(build.description)
        if described:
            # These named places on the machine that built; the copy may be anywhere.
            described |= {"project_path": ".", "build_dir": "."}
            (out / "project_description.json").write_text(json.dumps(described, indent=4) + "\n", "utf-8")
        beside = build.path.parent / "sdkconfig"
        if not (out / "sdkconfig").exists() and not (out / "config").exists() and beside.is_file():
            shutil.copyfile(beside, out / "sdkconfig")
    except OSError as error:
        raise BuildError(
            f"{error.filename or out}: {error.strerror or error}; make room there, or choose another place"
        ) from None
    return out / flashed[build.app_path]


def _copy(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, to)


def _alongside(build: Build) -> Iterator[str]:
    """Paths within the build directory: descriptions, the ELF that panics are decoded with, and what esp_encrypted_img
    made for a server."""
    stem = build.app_path.stem
    for name in (*_ALONGSIDE, f"{stem}.elf", f"{stem}_secure.bin"):
        if (build.path / name).is_file():
            yield name


def _name_in_copy(build: Build, file: FlashFile) -> str:
    """The path of a flashed file within the copy: its own, where that is one within the build directory."""
    if file.path.is_relative_to(build.path):
        within = file.path.relative_to(build.path)
        if ".." not in within.parts:
            return within.as_posix()
    return f"{_OUTSIDE}/{file.offset:#x}-{file.path.name}"


def _name_files_anew(out: Path, build: Path, flashed: Mapping[Path, str]) -> None:
    """Have the copy's own descriptions name its own files; one that does so already stays as it is, byte for byte."""

    def named(file: object) -> object:
        return flashed.get(build / file, file) if isinstance(file, str) else file

    args = json.loads((out / _ARGS).read_bytes())
    new = {name: {**entry, "file": named(entry["file"])} for name, entry in args.items() if _names_a_file(entry)}
    new["flash_files"] = {offset: named(file) for offset, file in args["flash_files"].items()}
    if args != args | new:
        (out / _ARGS).write_text(json.dumps(args | new, indent=4) + "\n", "utf-8")
    if not (out / _ARGS_TEXT).is_file():
        return
    # A line of options first, then for each file its offset and its path.
    text = (out / _ARGS_TEXT).read_text("utf-8", "surrogateescape")
    lines = [line.partition(" ") for line in text.split("\n")]
    named_anew = "\n".join(f"{offset}{space}{named(file)}" for offset, space, file in lines)
    if named_anew != text:
        (out / _ARGS_TEXT).write_text(named_anew, "utf-8", "surrogateescape")


def _names_a_file(entry: object) -> bool:
    return isinstance(entry, dict) and "file" in entry
