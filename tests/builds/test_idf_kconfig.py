"""The fragments and the record of defined symbols against ESP-IDF's own Kconfig files; where IDF_PATH has them.

Kconfig itself is the package esp-idf-kconfig, as ESP-IDF installs it for its own builds.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bench.builds.building.fragments import Aim
from bench.builds.building.recipes import NETWORKS, RECIPES, STOCK, fragments_of, recipe_for
from bench.builds.releases import line_of
from bench.builds.sdkconfig import from_text
from bench.errors import BuildError

RECORD = Path(__file__).parent / "kconfig.toml"
FOLDERS = {"native_ota": "native_ota_example", "simple_ota": "simple_ota_example"}
DEFINES = re.compile(r"^\s*(?:menu)?config (\w+)\s*$", re.MULTILINE)


# ESP-IDF v6.0 has it from the component registry: espressif/ethernet_init.
ETHERNET_INIT = "".join(f'config ETHERNET_{one}_SUPPORT\n    bool "{one}"\n' for one in ("INTERNAL", "SPI", "OPENETH"))


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


def evaluated(path: Path, project: Path, chip: str, work: Path, texts: dict[str, str]) -> dict[str, object]:
    """The configuration that Kconfig makes of a project's own defaults and of these, as a build would have it."""
    ethernet_init = work / "ethernet_init"
    ethernet_init.write_text(ETHERNET_INIT if "ETHERNET_OPENETH_SUPPORT" in "".join(texts.values()) else "", "ascii")
    common = path / "examples/common_components/protocol_examples_common/Kconfig.projbuild"
    sources = {
        "COMPONENT_KCONFIGS_SOURCE_FILE": [*sorted(path.glob("components/*/Kconfig")), ethernet_init],
        "COMPONENT_KCONFIGS_PROJBUILD_SOURCE_FILE": [
            *sorted(path.glob("components/*/Kconfig.projbuild")), common, project / "main/Kconfig.projbuild",
        ],
        "COMPONENT_KCONFIGS_EXCLUDED_SOURCE_FILE": [],
        "COMPONENT_KCONFIGS_PROJBUILD_EXCLUDED_SOURCE_FILE": [],
    }  # fmt: skip
    version = path.joinpath("tools/cmake/version.cmake").read_text("utf-8")
    number = ".".join(re.findall(r"IDF_VERSION_[A-Z]+ (\d+)\)", version)[:3])
    environment = {**os.environ, "IDF_TARGET": chip, "IDF_PATH": str(path), "IDF_CMAKE": "y", "IDF_ENV_FPGA": ""}
    environment |= {"IDF_TOOLCHAIN": "gcc", "IDF_VERSION": number, "IDF_INIT_VERSION": number}
    environment |= {"COMPONENT_SDKCONFIG_RENAMES": ""}
    for name, files in sources.items():
        (work / name).write_text("".join(f'source "{one}"\n' for one in files), "utf-8")
        environment[name] = str(work / name)
    words = ["-m", "kconfgen", "--list-separator=semicolon", "--kconfig", str(path / "Kconfig")]
    words += ["--sdkconfig-rename", str(path / "sdkconfig.rename"), "--config", str(work / "sdkconfig")]
    defaults = [
        one for one in (project / "sdkconfig.defaults", project / f"sdkconfig.defaults.{chip}") if one.is_file()
    ]
    for name, text in texts.items():
        (work / name).write_text(text, "utf-8")
        defaults.append(work / name)
    for one in defaults:
        words += ["--defaults", str(one)]
    out = work / "sdkconfig.json"
    done = subprocess.run(
        [sys.executable, *words, "--output", "json", str(out)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(out.read_text("utf-8"))
    return found


@pytest.mark.parametrize("name", RECIPES)
def test_kconfig_grants_what_a_recipe_asks_for(name: str, idf: tuple[Path, str], tmp_path: Path) -> None:
    if importlib.util.find_spec("kconfgen") is None:
        pytest.skip("esp-idf-kconfig is not installed: pip install esp-idf-kconfig")
    path, release = idf
    asked = 0
    for app in STOCK:
        aim, project = Aim(app, "esp32", line_of(release)), path / "examples/system/ota" / FOLDERS.get(app, app)
        try:
            recipe = recipe_for(name, aim)
        except BuildError:
            continue
        for network in NETWORKS if name == "bench" else ("wifi",):
            if not project.is_dir():
                continue
            texts = {one.name: one.text(aim) for one in fragments_of(recipe, aim, network)}
            work = tmp_path / f"{app}-{network}"
            work.mkdir()
            got = evaluated(path, project, "esp32", work, texts)
            wanted = {symbol: value for text in texts.values() for symbol, value in from_text(text).items()}
            assert {symbol: got.get(symbol, False) for symbol in wanted} == wanted
            asked += len(wanted)
            if got.get("BOOTLOADER_APP_ANTI_ROLLBACK"):
                assert got["EFUSE_VIRTUAL_KEEP_IN_FLASH"] is True
    if not asked:
        pytest.skip(f"ESP-IDF {release} has nothing that {name} is for")
