"""A desk at which the commands of a page are run: a copy of the project, and the things that the page speaks of."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from bench.builds import Build, VirtualBuild, write_build
from bench.images.derive import merged
from bench.server import Authority
from tests.docs.markdown import Command
from tests.docs.pages import ROOT

__all__ = ["PROPS", "Desk"]

_PROJECT = ("scenarios", "tests", "docs", "boards.yaml", "conftest.py", "pyproject.toml", "README.md")
"""What is copied; `bench` is as its wheel installs it."""

_LASTING = re.compile(r"^(bench (serve|virtual|console live)|python -m bench\.virtual) (?!.*--help)")
"""Commands that go on until they are interrupted: seen to work, and ended."""

_SELECTED = re.compile(r"test_\w+\.py| -k | -m |--collect-only|--help|--pyargs|cd ")
_SMALL = " -k test_update_to_a_newer_version"
"""Added where a page runs all scenarios: that they all pass is what `tox -e virtual` shows."""

_SECONDS = 240.0
"""For any one command, on a machine that is busy with others."""


class Desk:
    """The folder in which the commands of one page are run."""

    def __init__(self, folder: Path, store: Path) -> None:
        self.folder = folder
        self.authority = store / "authority"
        self._store = store
        home = folder / "home"
        home.mkdir(parents=True)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "OTA_BENCH_"))},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "OTA_BENCH_HOME": str(self.authority),
            "OTA_BENCH_LEASES": str(store / "leases"),
            "PYTHONPATH": str(_installed(store / "site")),
            "PYTHONDONTWRITEBYTECODE": "",
            "COLUMNS": "200",
        }
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        for name in _PROJECT:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copy(source, folder / name)

    def put(self, name: str) -> None:
        """Put one of the things on the desk of which a page speaks."""
        kept = self.made(name)
        if kept.is_dir():
            shutil.copytree(kept, self.folder / name)
        else:
            shutil.copy(kept, self.folder / name)

    def made(self, name: str) -> Path:
        """Such a thing where it is kept; it is made once for all pages."""
        kept = self._store / "props" / name
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            PROPS[name](self, kept)
        return kept

    def run(self, command: Command, *, exits: int = 0) -> None:
        """Run one command; AssertionError with its output where it ends otherwise, or says something else."""
        if _LASTING.match(command.text):
            output = self._seen_to_work(command.text, lines=max(1, len(command.shown)))
        else:
            output, code = self._to_its_end(command.text)
            assert code == exits, f"$ {command.text}\nended with {code}, and not {exits}:\n{output[-3000:]}"
        _compare(command, output)

    def _to_its_end(self, text: str) -> tuple[str, int]:
        text = re.sub(r"\s+# .*$", "", text)
        small = re.search(r"\bpytest\b", text) and not _SELECTED.search(text)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text + (_SMALL if small else "")],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        return done.stdout, done.returncode

    def _seen_to_work(self, text: str, *, lines: int) -> str:
        """What a command that would go on for ever says first; it is then interrupted, and must end in order."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {text}"],
            cwd=self.folder,
            env={**self._environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with process:
            assert process.stdout is not None
            try:
                first = _first_lines(process.stdout.fileno(), lines)
                assert first.strip(), f"$ {text}\nsaid nothing"
                process.send_signal(signal.SIGINT)
                rest, _ = process.communicate(timeout=_SECONDS)
            finally:
                process.kill()
        output = first + rest.decode("utf-8", "replace")
        assert process.returncode in (0, 130), f"$ {text}\nended with {process.returncode}:\n{output}"
        return output


def _installed(site: Path) -> Path:
    """A folder with what the wheel holds, as pyproject.toml says: `bench.fixtures` is only there."""
    if not site.exists():
        wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        for source, place in {**{name: name for name in wheel["packages"]}, **wheel["force-include"]}.items():
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, site / place, ignore=ignored)
            else:
                shutil.copy(ROOT / source, site / place)
    return site


def _first_lines(descriptor: int, count: int) -> str:
    """What came until the first lines were whole."""
    said, ends = b"", time.monotonic() + _SECONDS
    while said.count(b"\n") < count and select.select([descriptor], [], [], max(0.0, ends - time.monotonic()))[0]:
        came = os.read(descriptor, 4096)
        if not came:
            break
        said += came
    return said.decode("utf-8", "replace")


def _compare(command: Command, output: str) -> None:
    """The lines that the page shows are in the output, in their order."""
    lines = iter(output.splitlines())
    for shown in command.shown:
        parts = (r"\s+".join(map(re.escape, part.split())) for part in shown.split("…"))
        wanted = re.compile(r"\s*" + ".*".join(parts) + r"\s*")
        assert any(wanted.fullmatch(" ".join(line.split())) for line in lines), (
            f"$ {command.text}\nthe page shows {shown!r}; this was said:\n{output[-3000:]}"
        )


def _build(desk: Desk, path: Path) -> Build:
    """Version 2 of an application for the ESP32-S3."""
    ca = Authority.load_or_create(desk.authority).ca_pem
    write_build(VirtualBuild(chip="esp32s3", app="advanced_https_ota", version="2", ca_pem=ca), path)
    return Build.load(path)


def _image(desk: Desk, path: Path) -> None:
    """Its application."""
    shutil.copy(_build(desk, path.with_name("build-of-app")).app_path, path)


def _flash(desk: Desk, path: Path) -> None:
    """A dump of the flash that it was written to."""
    build = _build(desk, path.with_name("build-of-flash"))
    path.write_bytes(
        merged({file.offset: file.path.read_bytes() for file in build.flash_files}).ljust(8 << 20, b"\xff")
    )


def _run(desk: Desk, path: Path) -> None:
    """A run of one scenario, its history beside it."""
    wanted = "pytest scenarios/test_update.py --board virtual-esp32s3 -k test_update_to_a_newer_version"
    output, code = desk._to_its_end(f"{wanted} --evidence {path}")
    assert code == 0, output


def _console(desk: Desk, path: Path) -> None:
    """The console of that scenario."""
    shutil.copy(next(desk.made("evidence").glob("*/*/*/console.raw")), path)


def _private_key(_desk: Desk, path: Path) -> None:
    """What `openssl genpkey -algorithm ed25519` writes."""
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _public_key(desk: Desk, path: Path) -> None:
    """The other half of it."""
    key = load_pem_private_key(desk.made("release.pem").read_bytes(), password=None)
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


PROPS: Mapping[str, Callable[[Desk, Path], None]] = MappingProxyType(
    {
        "app.bin": _image,
        "flash.bin": _flash,
        "evidence": _run,
        "console.log": _console,
        "release.pem": _private_key,
        "release.pub": _public_key,
    }
)
"""What pages speak of as if it were there, and how it is made."""
