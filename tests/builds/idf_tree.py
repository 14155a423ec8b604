"""A directory that looks like an ESP-IDF to who builds with it: releases, chips, examples and scripts, no compiler."""

from __future__ import annotations

import shlex
import sys
import tomllib
from pathlib import Path

from tests.builds.making import ca_pem, private_key_pem

__all__ = ["HERE", "plant", "plant_project"]

HERE = Path(__file__).parent

_FOLDERS = {"native_ota": "native_ota_example", "simple_ota": "simple_ota_example"}

_EXPORT = """\
if [ "${{BASH_SOURCE[0]}}" = "${{0}}" ]; then
  echo "This script should be sourced, not executed:"
  return 1
fi
if [ -e {path}/tools-missing ]; then
  echo "ERROR: tool xtensa-esp-elf has no installed versions. Please run 'install.sh' to install it."
  echo "Detected installed tools that are not currently used"
  return {code}
fi
export IDF_PATH={path}
export IDF_PYTHON_ENV_PATH={path}/python_env
export STAND_IN_EXPORTED=1
"""


def plant(path: Path, release: str) -> Path:
    """Make an ESP-IDF of that release at `path`, with the examples and chips that the real one has."""
    numbers = [*release.removeprefix("v").split("."), "0"][:3]
    version = "".join(
        f"set(IDF_VERSION_{name} {number})\n" for name, number in zip(("MAJOR", "MINOR", "PATCH"), numbers, strict=True)
    )
    _write(path / "tools/cmake/version.cmake", version)
    stand_in = HERE / "idf_py_stand_in.py"
    _write(path / "tools/idf.py", f"import runpy\nrunpy.run_path({str(stand_in)!r}, run_name='__main__')\n")
    _write(
        path / "tools/idf_py_actions/constants.py",
        "SUPPORTED_TARGETS = ['esp32', 'esp32c3', 'esp32s3']\nPREVIEW_TARGETS = []\n",
    )
    # export.sh of v6 returns 0 even where it has found nothing.
    _write(path / "export.sh", _EXPORT.format(path=shlex.quote(str(path)), code=0 if release >= "v6" else 1))
    _write(path / "install.sh", "")
    python = path / "python_env/bin/python"
    root = shlex.quote(str(HERE.parents[1]))
    ours = f"STAND_IN_PYTHON=1 STAND_IN_RELEASE={release} PYTHONPATH={root}"
    _write(python, f'#!/bin/sh\n{ours} exec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    for chip in ("esp32", "esp32c3", "esp32s3"):
        (path / "components/soc" / chip).mkdir(parents=True)
    examples = tomllib.loads((HERE / "kconfig.toml").read_text("utf-8"))["examples"][release]
    for app, symbols in examples.items():
        plant_project(path / "examples/system/ota" / _FOLDERS.get(app, app), app, symbols)
    return path


def plant_project(path: Path, app: str, symbols: list[str]) -> Path:
    """Make a project whose Kconfig defines these symbols."""
    include = "include($ENV{IDF_PATH}/tools/cmake/project.cmake)"
    _write(path / "CMakeLists.txt", f"cmake_minimum_required(VERSION 3.16)\n{include}\nproject({app})\n")
    _write(path / "main/Kconfig.projbuild", "".join(f"config {symbol}\n" for symbol in symbols))
    _write(path / "main/main.c", "void app_main(void) {}\n")
    _write(path / "sdkconfig.defaults", "CONFIG_ESPTOOLPY_FLASHSIZE_4MB=y\nCONFIG_PARTITION_TABLE_TWO_OTA=y\n")
    _write(path / "server_certs/ca_cert.pem", ca_pem().decode())
    if app == "pre_encrypted_ota":
        _write(path / "rsa_key/private.pem", private_key_pem().decode())
    return path


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
