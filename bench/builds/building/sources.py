"""The project as it is built: a private copy of the application's directory, with the bench's files in it.

ESP-IDF writes into the directory that it builds (sdkconfig, dependencies.lock, managed_components), and so does
idf-build-apps; the one that was given is only read.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from bench.builds.layouts import LAYOUTS
from bench.errors import BuildError

__all__ = ["ROOM_FOR_CA", "bench_files", "digest", "stage"]

CA = "server_certs/ca_cert.pem"
KEY = "rsa_key/private.pem"

ROOM_FOR_CA = 2048
"""Bytes of an embedded CA file: more than one needs, so that the image can be re-keyed for another bench's CA."""

_ROOM_FOR_KEY = 2560
"""Bytes of the embedded private key's file: RSA-3072 takes from 2,455 to 2,490, by its form and chance."""

_LEFT_OUT = ("build", "build_*", "sdkconfig", "sdkconfig.old", ".git", "__pycache__")
_LEVELS = 3
"""How many directories above a project it may refer to with `../`."""


def digest(source: Path) -> str:
    """SHA-256 over names and contents of what `stage` copies.

    Raises:
        BuildError: a file cannot be read
    """
    total = hashlib.sha256()
    for path in _files(source):
        try:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise BuildError(f"{path}: {error.strerror}; the application's sources have to be readable") from None
        total.update(f"{path.relative_to(source)}\0{content}\n".encode())
    return total.hexdigest()


def bench_files(source: Path, layouts: Mapping[str, str], ca_pem: bytes, signing_key: bytes | None) -> dict[str, bytes]:
    """The files that the bench puts into the copy, by path.

    Args:
        source: the application's directory
        layouts: file name of a partition table by the name of its layout, of `bench.builds.layouts`
        ca_pem: the CA that the application is to trust
        signing_key: private key, PEM; None where the build is not signed
    """
    put = {name: LAYOUTS[layout].csv.encode() for layout, name in layouts.items()}
    if (source / CA).is_file():
        put[CA] = ca_pem.ljust(ROOM_FOR_CA, b"\n")
    if (source / KEY).is_file():
        put[KEY] = (source / KEY).read_bytes().ljust(_ROOM_FOR_KEY, b"\n")
    if signing_key is not None:
        put["signing_key.pem"] = signing_key
    return put


def stage(source: Path, root: Path, files: Mapping[str, bytes]) -> Path:
    """Copy `source` to below `root`, put `files` in it, and return where it is.

    What lies beside the project and above it is there by links, so `../` in its CMakeLists.txt and idf_component.yml
    leads where it leads in the original.
    """
    above = source.parents[: min(_LEVELS, len(source.parents) - 1)]
    place = root
    for parent in reversed(above):
        place = place / parent.name
        place.mkdir()
        with suppress(PermissionError):  # who may not look there cannot have referred to it
            for sibling in parent.iterdir():
                if sibling not in (source, *above):
                    (place / sibling.name).symlink_to(sibling)
    project = place / source.name
    shutil.copytree(source, project, ignore=shutil.ignore_patterns(*_LEFT_OUT), symlinks=True)
    for name, content in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # it may be a link to the original
        path.write_bytes(content)
    return project


def _files(source: Path) -> Iterator[Path]:
    for path in sorted(source.rglob("*")):
        parts = path.relative_to(source).parts
        if path.is_file() and not any(Path(part).match(pattern) for part in parts for pattern in _LEFT_OUT):
            yield path
