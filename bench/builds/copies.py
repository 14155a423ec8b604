"""Copies of build directories: what flashing, reading and decoding need of one, and nothing of the compiler's rest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from bench.builds.build import Build
from bench.errors import BuildError

__all__ = ["copy_build"]

_ALONGSIDE = ("flasher_args.json", "flash_args", "sdkconfig", "config/sdkconfig.json")
"""Beside the files that are flashed; the last two say the same in two forms."""


def copy_build(build: Build, out: Path) -> None:
    """Copy a build into `out`, a directory that is not there yet; its own is only read.

    Raises:
        BuildError: it cannot be read or written; names the file
    """
    try:
        for name in _names(build):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(build.path / name, out / name)
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
            f"{error.filename or out}: {error.strerror}; make room there, or choose another place"
        ) from None


def _names(build: Build) -> Iterator[str]:
    """Paths within the build directory: flashed files, descriptions, the ELF that panics are decoded with, and what
    esp_encrypted_img made for a server."""
    for file in build.flash_files:
        yield str(file.path.relative_to(build.path))
    stem = build.app_path.stem
    for name in (*_ALONGSIDE, f"{stem}.elf", f"{stem}_secure.bin"):
        if (build.path / name).is_file():
            yield name
