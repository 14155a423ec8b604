"""The firmware of a run: each distinct image once, and each build with what it was configured by.

    images/<sha256>.bin       the bytes of an image that was flashed or published; `images.json` of a scenario names it
    sdkconfig/<sha256>.txt    the configuration of a build, with its secrets hidden
    builds.jsonl              every build, with the images that it was flashed from and its configuration, one a line

A run has few builds and many scenarios, so this costs a run what its first scenario costs. The images are as the board
got them: what is compiled into one, be it a password, is in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path

from bench.builds import Build
from bench.builds.sdkconfig import HIDDEN, Sdkconfig, Value, as_text, is_secret
from bench.errors import BenchError
from bench.report.growing import append_line
from bench.server.redact import redacted_url

__all__ = ["FirmwareStore", "KeptImage", "redacted_sdkconfig"]

_PAGE = 4096
"""Bytes that are written at once: for more, Linux looks for larger pieces of memory to keep them in, and an image takes
a third longer."""


@dataclass(frozen=True, slots=True)
class KeptImage:
    """An image that is kept: the name of its file, bytes, and SHA-256 in hex."""

    name: str
    size: int
    sha256: str

    @classmethod
    def of(cls, name: str, data: bytes) -> KeptImage:
        """The image with these bytes."""
        return cls(name, len(data), hashlib.sha256(data).hexdigest())


class FirmwareStore:
    """Keeps the firmware of the run in this folder; any number of processes may do so at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()
        self._images: set[str] = set()
        self._builds: dict[Path, tuple[KeptImage, ...]] = {}

    def keep_image(self, data: bytes, sha256: str) -> None:
        """Keep an image of that digest. `BenchError` where it cannot be written."""
        with self._lock:
            if sha256 not in self._images:
                self._write(self._folder / "images" / f"{sha256}.bin", data)
                self._images.add(sha256)

    def keep_build(self, build: Build) -> tuple[KeptImage, ...]:
        """Keep what a build is flashed from, and its configuration. `BenchError` where it cannot be read or written."""
        with self._lock:
            if build.path not in self._builds:
                self._builds[build.path] = self._keep_build(build)
            return self._builds[build.path]

    def _keep_build(self, build: Build) -> tuple[KeptImage, ...]:
        files, images = [], []
        for file in build.flash_files:
            try:
                data = file.path.read_bytes()
            except OSError as error:
                raise BenchError(f"cannot keep {file.path}: {error.strerror}") from None
            image = KeptImage.of(file.path.name, data)
            self.keep_image(data, image.sha256)
            told = {"part": file.part, "name": image.name, "offset": file.offset, "size": image.size}
            files.append({**told, "sha256": image.sha256})
            images.append(image)
        facts = {
            "path": str(build.path),
            "target": build.target,
            "project_name": build.project_name,
            "version": build.version,
            "idf_version": build.idf_ver,
            "files": files,
            "sdkconfig": self._keep_sdkconfig(build.sdkconfig) if build.sdkconfig else None,
        }
        builds = self._folder / "builds.jsonl"
        try:
            append_line(builds, json.dumps(facts))
        except OSError as error:
            raise BenchError(f"cannot note the build in {builds}: {error.strerror}") from None
        return tuple(images)

    def _keep_sdkconfig(self, config: Sdkconfig) -> str:
        data = as_text(redacted_sdkconfig(config)).encode()
        digest = hashlib.sha256(data).hexdigest()
        self._write(self._folder / "sdkconfig" / f"{digest}.txt", data)
        return digest

    def _write(self, path: Path, data: bytes) -> None:
        """A file whose name is its digest: whoever wrote it first wrote the same."""
        if path.exists():
            return
        part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            path.parent.mkdir(exist_ok=True)
            with part.open("wb", buffering=0) as file:
                _write_pages(file, data)
            part.replace(path)
        except OSError as error:
            raise BenchError(f"cannot keep {path}: {error.strerror}") from None


def _write_pages(file: RawIOBase, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest[:_PAGE]) or 0 :]


def redacted_sdkconfig(config: Sdkconfig) -> Sdkconfig:
    """The configuration without its secrets: names of networks, passwords, keys, tokens, credentials in URLs."""
    return {name: _redacted(name, value) for name, value in config.items()}


def _redacted(name: str, value: Value) -> Value:
    if not isinstance(value, str):
        return value  # what is on or off, or a number, is no secret
    if is_secret(name, value):
        return HIDDEN
    try:
        return redacted_url(value) if "://" in value else value
    except ValueError:  # no URL, then; it may hold anything
        return HIDDEN
