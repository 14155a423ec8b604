"""The ESP-IDF to build with: where it is, which release, and the environment its tools run in.

An ESP-IDF that cannot build says why here, in one line with the mend, rather than in CMake's words.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.builds.apps import APPS
from bench.builds.releases import RELEASES, Line, line_of
from bench.errors import BuildError

__all__ = ["EspIdf", "find", "project_name", "python_of", "source_state"]

_OLDEST: Line = line_of(RELEASES[0])
_NEWEST: Line = line_of(RELEASES[-1])
_GET = "git clone --recursive -b {release} https://github.com/espressif/esp-idf.git"
_FOLDERS = {"native_ota": "native_ota_example", "simple_ota": "simple_ota_example"}
_PATIENCE = 300.0
"""Seconds for export.sh, which checks every tool, and for git."""


@dataclass(frozen=True)
class EspIdf:
    """One ESP-IDF.

    Args:
        path: its directory (IDF_PATH)
        version: as tools/cmake/version.cmake has it, e.g. ``"v5.3.1"``
    """

    path: Path
    version: str

    @property
    def line(self) -> Line:
        return line_of(self.version)

    @property
    def unknown(self) -> bool:
        """Is it later than the releases that the fragments were checked against?"""
        return self.line > _NEWEST

    def app(self, name: str) -> Path:
        """The project directory of an application: one of ESP-IDF's examples by name, or a path to any.

        Raises:
            BuildError: it is not there; says where it can be had
        """
        path = Path(name)
        if os.sep in name or (name not in APPS and path.is_dir()):
            return _project(path.absolute())
        if name not in APPS or not APPS[name].networked:
            known = ", ".join(app for app, one in APPS.items() if one.networked)
            raise BuildError(f"application {name!r}: expected one of {known}, or the path of a project")
        found = self.path / "examples" / "system" / "ota" / _FOLDERS.get(name, name)
        if found.is_dir():
            return _project(found)
        if name == "pre_encrypted_ota" and self.line >= (5, 5):
            raise BuildError(
                f"{found}: not there, as pre_encrypted_ota left ESP-IDF with v5.5: git clone "
                "https://github.com/espressif/idf-extra-components.git, and give its "
                "esp_encrypted_img/examples/pre_encrypted_ota as --app PATH"
            )
        if self.line < APPS[name].since:
            since = ".".join(map(str, APPS[name].since))
            raise BuildError(f"{found}: not there, as {name} came with ESP-IDF v{since}, and this is {self.version}")
        raise BuildError(f"{found}: not there, so this ESP-IDF is not whole: {_GET.format(release=self.version)}")

    def check_chip(self, chip: str) -> None:
        """Raise `BuildError` where this release knows no such target."""
        known = sorted(one.name for one in (self.path / "components" / "soc").glob("esp32*") if one.is_dir())
        if known and chip not in known:
            raise BuildError(f"chip {chip!r}: ESP-IDF {self.version} builds for {', '.join(known)}")

    def environment(self, chip: str, outside: Mapping[str, str] = os.environ) -> dict[str, str]:
        """The environment that its tools run in: the one there is if it is this ESP-IDF's, or what export.sh makes.

        Raises:
            BuildError: its tools are not installed; with the last words of export.sh
        """
        if _same(outside.get("IDF_PATH"), self.path) and python_of(outside) is not None:
            return dict(outside)
        script = self.path / "export.sh"
        # Not as $0: export.sh compares that with its own name, to tell whether it is sourced.
        words = ["bash", "-c", '. "$1" >&2 && env -0', "bash", str(script)]
        try:
            done = subprocess.run(
                words,
                env=_bare(outside) | {"PYTHONDONTWRITEBYTECODE": "1"},  # ESP-IDF is only read
                capture_output=True,
                timeout=_PATIENCE,
                stdin=subprocess.DEVNULL,
            )
        except FileNotFoundError:
            raise BuildError(f"bash is not installed, and {script} needs it: install it") from None
        except subprocess.TimeoutExpired:
            raise BuildError(f"{script} does not end: try it in a shell, `. {script}`") from None
        pairs = (pair.partition("=") for pair in done.stdout.decode("utf-8", "replace").split("\0"))
        exported = {name: value for name, equals, value in pairs if equals}
        # export.sh of v6 returns 0 whatever happened: what it was to set has to be looked at.
        if done.returncode != 0 or not _same(exported.get("IDF_PATH"), self.path) or python_of(exported) is None:
            said = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
            told = next((line for line in said if line.startswith("ERROR")), said[-1] if said else "no word of why")
            install = self.path / "install.sh"
            raise BuildError(f"{self.path}: its tools are not installed ({told.strip()}): run {install} {chip}")
        return exported


def find(given: Path | None, outside: Mapping[str, str] = os.environ) -> EspIdf:
    """The ESP-IDF that was given, or that IDF_PATH names.

    Raises:
        BuildError: there is none, it is no ESP-IDF, not whole, or too old
    """
    if given is None and not outside.get("IDF_PATH"):
        get = _GET.format(release=RELEASES[-2])
        raise BuildError(f"no ESP-IDF: give --idf PATH or set IDF_PATH; where there is none, {get}")
    path = (given if given is not None else Path(outside["IDF_PATH"])).expanduser().absolute()
    said = "" if given is not None else " (from IDF_PATH)"
    if not path.is_dir():
        raise BuildError(f"{path}{said}: no such directory; give that of ESP-IDF to --idf")
    version = _version(path)
    if version is None or not (path / "tools" / "idf.py").is_file():
        raise BuildError(f"{path}{said}: no ESP-IDF (no tools/idf.py and tools/cmake/version.cmake); give one to --idf")
    idf = EspIdf(path, version)
    if idf.line < _OLDEST:
        raise BuildError(f"{path}: ESP-IDF {version} is too old: take {', '.join(RELEASES)} or another since then")
    if not (path / "export.sh").is_file():
        raise BuildError(f"{path}: has no export.sh, so it is not whole: {_GET.format(release=version)}")
    empty = path / "components" / "mbedtls" / "mbedtls"
    if empty.is_dir() and not any(empty.iterdir()):
        raise BuildError(f"{empty}: empty; get the submodules: git -C {path} submodule update --init --recursive")
    return idf


def project_name(directory: Path) -> str:
    """The name in `project(…)` of a project's CMakeLists.txt, which its images then carry."""
    text = (directory / "CMakeLists.txt").read_text("utf-8", "replace")
    found = re.search(r"^\s*project\(\s*([\w.-]+)", text, re.MULTILINE)
    return found[1] if found else directory.name


def python_of(environment: Mapping[str, str]) -> Path | None:
    """The Python that idf.py runs in; None where the environment names none that exists."""
    folder = environment.get("IDF_PYTHON_ENV_PATH")
    if not folder:
        return None
    python = Path(folder) / "bin" / "python"
    return python if python.exists() else None


def source_state(directory: Path) -> str:
    """What tells one state of a source tree from another: its commit and what differs from it; empty outside git."""
    head = _git(directory, "rev-parse", "HEAD")
    if not head:
        return ""
    changed = _git(directory, "diff", "HEAD", "--no-ext-diff", "--binary")
    return head.decode().strip() + (f"+{hashlib.sha256(changed).hexdigest()}" if changed else "")


def _git(directory: Path, *words: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(directory), *words], capture_output=True, timeout=_PATIENCE)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return b""
    return done.stdout if done.returncode == 0 else b""


def _project(path: Path) -> Path:
    if not (path / "CMakeLists.txt").is_file():
        raise BuildError(f"{path}: no ESP-IDF project (no CMakeLists.txt); give the directory of one to --app")
    return path


def _version(path: Path) -> str | None:
    """Source: tools/cmake/version.cmake."""
    try:
        text = (path / "tools" / "cmake" / "version.cmake").read_text("utf-8")
    except OSError:
        return None
    numbers = dict(re.findall(r"set\(IDF_VERSION_(MAJOR|MINOR|PATCH) (\d+)\)", text))
    if len(numbers) != 3:
        return None
    patch = "" if numbers["PATCH"] == "0" else f".{numbers['PATCH']}"
    return f"v{numbers['MAJOR']}.{numbers['MINOR']}{patch}"


def _bare(outside: Mapping[str, str]) -> dict[str, str]:
    """The environment without the bench's own virtual environment, which export.sh would take for ESP-IDF's."""
    left = {
        name: value
        for name, value in outside.items()
        if name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "IDF_PATH", "IDF_PYTHON_ENV_PATH")
    }
    venv = outside.get("VIRTUAL_ENV")
    if venv:
        parts = left.get("PATH", "").split(os.pathsep)
        left["PATH"] = os.pathsep.join(one for one in parts if not one.startswith(venv + os.sep))
    return left


def _same(one: str | None, other: Path) -> bool:
    return bool(one) and os.path.realpath(str(one)) == os.path.realpath(other)
