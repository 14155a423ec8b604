"""The record of defined symbols against ESP-IDF's own Kconfig files; where IDF_PATH has them, and skipped elsewhere."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest

RECORD = Path(__file__).parent / "kconfig.toml"
FOLDERS = {"native_ota": "native_ota_example", "simple_ota": "simple_ota_example"}
DEFINES = re.compile(r"^\s*(?:menu)?config (\w+)\s*$", re.MULTILINE)


@pytest.fixture
def idf() -> tuple[Path, str]:
    """ESP-IDF at IDF_PATH, and its release."""
    if "IDF_PATH" not in os.environ:
        pytest.skip("IDF_PATH is not set: ESP-IDF's own Kconfig files are not here")
    path = Path(os.environ["IDF_PATH"])
    numbers = re.findall(r"IDF_VERSION_[A-Z]+ (\d+)\)", (path / "tools/cmake/version.cmake").read_text("utf-8"))[:3]
    release = "v" + ".".join(numbers[:2] if numbers[2] == "0" else numbers)
    if release not in tomllib.loads(RECORD.read_text("utf-8"))["examples"]:
        pytest.skip(f"IDF_PATH is ESP-IDF {release}, of which there is no record")
    if not (path / "components/mbedtls/Kconfig").is_file():
        pytest.skip(f"{path} has no components/mbedtls/Kconfig: take a whole ESP-IDF")
    return path, release


def test_the_record_is_what_the_sources_define(idf: tuple[Path, str]) -> None:
    path, release = idf
    record = tomllib.loads(RECORD.read_text("utf-8"))
    files = [
        one
        for top in ("Kconfig", "components/**/*Kconfig*", "examples/**/*Kconfig*", "tools/test_apps/**/*Kconfig*")
        for one in path.glob(top)
        if one.is_file()
    ]
    defined = {name for one in files for name in DEFINES.findall(one.read_text("utf-8", "replace"))}
    assert {name for name, on in record["defined"].items() if release in on} == record["defined"].keys() & defined
    of_components = [name for name, on in record["components"].items() if release in on]
    if of_components:
        set_by_idf = "".join(one.read_text("utf-8") for one in path.glob("examples/**/sdkconfig.ci*"))
        assert all(f"CONFIG_{name}=" in set_by_idf for name in of_components)


def test_the_record_has_what_the_examples_define(idf: tuple[Path, str]) -> None:
    path, release = idf
    record = tomllib.loads(RECORD.read_text("utf-8"))["examples"][release]
    for app, names in record.items():
        text = (path / "examples/system/ota" / FOLDERS.get(app, app) / "main/Kconfig.projbuild").read_text("utf-8")
        assert sorted({name for name in DEFINES.findall(text) if name.startswith("EXAMPLE")}) == names
    assert ("pre_encrypted_ota" in record) == (path / "examples/system/ota/pre_encrypted_ota").is_dir()
