"""Reading build directories: real ones of ESP-IDF, and broken ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench.builds import Build, write_build
from bench.builds.sdkconfig import as_json, as_text, from_json, from_text
from bench.errors import BuildError
from tests.builds.making import spec
from tests.reference import reference

REAL = {
    "hello_world_esp32": ("esp32", 0x1000, 0x10000, 0x8000),
    "hello_world_esp32c3": ("esp32c3", 0x0, 0x10000, 0x8000),
    "hello_world_esp32_flash_enc": ("esp32", 0x1000, 0x20000, 0xB000),
}


@pytest.mark.parametrize("name", REAL)
def test_real_builds(name: str) -> None:
    target, bootloader, app, table = REAL[name]
    build = Build.load(reference(f"builds/{name}/build"))
    assert build.target == target
    assert build.project_name == "hello_world"
    assert (build.bootloader_offset, build.app_offset, build.partition_table_offset) == (bootloader, app, table)
    assert build.image.check() == ()
    assert build.bootloader.check() == ()
    factory = build.partition_table.factory
    assert factory is not None
    assert factory.offset == app
    assert build.flash_size == 2 << 20
    assert build.sdkconfig["IDF_TARGET"] == target
    assert not build.description
    assert build.part("otadata") is None
    assert not build.enabled("BOOTLOADER_APP_ROLLBACK_ENABLE")
    assert build.app_path.name == "hello_world.bin"
    assert [file.offset for file in build.flash_files] == sorted(file.offset for file in build.flash_files)


def test_a_real_build_with_flash_encryption_says_so() -> None:
    build = Build.load(reference("builds/hello_world_esp32_flash_enc/build"))
    assert build.enabled("SECURE_FLASH_ENC_ENABLED")


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A whole build directory, to be broken."""
    write_build(spec(), tmp_path / "project" / "build")
    return tmp_path / "project" / "build"


@pytest.mark.parametrize(
    "missing",
    [
        "flasher_args.json",
        "bootloader/bootloader.bin",
        "partition_table/partition-table.bin",
        "advanced_https_ota.bin",
        "ota_data_initial.bin",
    ],
)
def test_a_missing_file_is_named_with_the_mend(build: Path, missing: str) -> None:
    (build / missing).unlink()
    with pytest.raises(BuildError) as caught:
        Build.load(build)
    assert str(build / missing) in str(caught.value)
    assert "missing" in str(caught.value)
    assert "idf.py build" in str(caught.value)


def test_no_directory_and_the_wrong_directory(build: Path) -> None:
    with pytest.raises(BuildError, match="no such directory"):
        Build.load(build / "nowhere")
    with pytest.raises(BuildError, match="a project, not its build directory"):
        Build.load(build.parent)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("flasher_args.json", b"{", "not JSON"),
        ("flasher_args.json", b"[]", "holds a list"),
        ("flasher_args.json", b"{}", "no 'flash_files'"),
        ("flasher_args.json", b'{"flash_files": {"here": "bootloader/bootloader.bin"}}', "not a number"),
        ("flasher_args.json", b'{"flash_files": {"0x0": 7}}', "not a path"),
        (
            "flasher_args.json",
            b'{"flash_files": {"0x0": "bootloader/bootloader.bin"}, '
            b'"bootloader": {"offset": [], "file": "bootloader/bootloader.bin"}}',
            "names no 'bootloader'",
        ),
        (
            "flasher_args.json",
            b'{"flash_files": {"0x0": "bootloader/bootloader.bin"}, "bootloader": {"offset": "0x0", "file": {}}}',
            "names no 'bootloader'",
        ),
        ("flasher_args.json", b'{"flash_files": {"0x0": "bootloader/bootloader.bin"}}', "names no 'bootloader'"),
        ("config/sdkconfig.json", b"nonsense", "not JSON"),
        ("config/sdkconfig.json", b"[]", "expected an object"),
        ("project_description.json", b"nonsense", "not JSON"),
        ("advanced_https_ota.bin", b"\0" * 100, "expected the image magic"),
        ("advanced_https_ota.bin", b"", "image header"),
        ("bootloader/bootloader.bin", b"\xe9", "image header"),
        ("partition_table/partition-table.bin", b"\0" * 0xC00, "magic 00 00"),
        ("config/sdkconfig.json", b'{"IDF_TARGET": "esp32"}', "sdkconfig says esp32, the application is for esp32c3"),
    ],
)
def test_a_broken_file_is_named(build: Path, file: str, content: bytes, message: str) -> None:
    (build / file).write_bytes(content)
    with pytest.raises(BuildError) as caught:
        Build.load(build)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_flasher_args_for_another_chip_contradict_the_image(build: Path) -> None:
    args = json.loads((build / "flasher_args.json").read_text())
    args["extra_esptool_args"]["chip"] = "esp32s3"
    (build / "flasher_args.json").write_text(json.dumps(args))
    with pytest.raises(BuildError, match="says esp32s3, the application is for esp32c3"):
        Build.load(build)


def test_a_build_may_be_moved_and_lack_what_is_optional(build: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.move(build, moved)
    for optional in ("project_description.json", "config/sdkconfig.json", "sdkconfig"):
        (moved / optional).unlink()
    loaded = Build.load(moved)
    assert loaded.project_name == "advanced_https_ota"
    assert not loaded.sdkconfig
    assert not loaded.description


def test_the_sdkconfig_beside_the_build_is_found(build: Path) -> None:
    (build / "config" / "sdkconfig.json").unlink()
    (build / "sdkconfig").rename(build.parent / "sdkconfig")
    assert Build.load(build).enabled("BOOTLOADER_APP_ROLLBACK_ENABLE")


def test_both_forms_of_the_configuration_say_the_same() -> None:
    config: dict[str, bool | int | str] = {
        "A": True,
        "B": False,
        "C": 7,
        "D": 'text with "quotes" and \\',
        "PARTITION_TABLE_OFFSET": 0x8000,
    }
    assert dict(from_text(as_text(config))) == config
    assert dict(from_json(as_json(config), name="x")) == config
    assert "# CONFIG_B is not set" in as_text(config)
    assert "CONFIG_PARTITION_TABLE_OFFSET=0x8000" in as_text(config)


@given(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])))
@example('ends with "')
@example('"')
@example("ends with \\")
@example("two\u2028lines")
def test_any_text_of_one_line_is_the_same_in_both_forms(text: str) -> None:
    assert dict(from_text(as_text({"A": text, "B": True}))) == {"A": text, "B": True}


def test_text_that_sets_nothing_is_skipped() -> None:
    assert dict(from_text("# comment\n\nCONFIG_X=y\nnonsense\nCONFIG_Y=0x10\nCONFIG_Z=n\nCONFIG_W=abc\n")) == {
        "X": True,
        "Y": 16,
        "Z": False,
        "W": "abc",
    }
