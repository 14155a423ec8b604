"""Nothing irreversible by accident."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from bench.boards.board import Board
from bench.boards.safety import burns_of_image, burnt_by, refuse_unsafe, refuse_unsafe_image
from bench.builds import Build, VirtualBuild, write_build
from bench.errors import UnsafeOperation
from bench.images import Image
from tests.reference import reference

CA = trustme.CA().cert_pem.bytes()
REFERENCE = ("hello_world_esp32", "hello_world_esp32c3")


def build(folder: Path, *, emulated: bool, anti_rollback: bool = True, secure_version: int = 0) -> Build:
    layout = "anti_rollback" if anti_rollback else "two_ota"
    spec = VirtualBuild(
        "esp32c3",
        "advanced_https_ota",
        "1",
        CA,
        layout=layout,
        efuse_virtual=emulated,
        secure_version=secure_version,
    )
    write_build(spec, folder)
    return Build.load(folder)


def board(*, driver: str = "serial", expendable: bool = False) -> Board:
    return Board(name="desk", chip="esp32c3", driver=driver, port="/dev/ttyUSB0", expendable=expendable)


def without_sdkconfig(build: Build) -> Build:
    (build.path / "sdkconfig").unlink()
    shutil.rmtree(build.path / "config")
    return Build.load(build.path)


def lying(build: Build, **symbols: bool) -> Build:
    """The build with another build's sdkconfig."""
    (build.path / "config" / "sdkconfig.json").write_text(json.dumps({**build.sdkconfig, **symbols}))
    return Build.load(build.path)


def saying(image: Image, text: str) -> Image:
    """The image with a string more in its first segment, sealed again."""
    first, *others = image.segments
    data = text.encode() + b"\0" + first.data[len(text) + 1 :] if image.app_desc is None else first.data
    if image.app_desc is not None:
        data = first.data[: -len(text) - 1] + text.encode() + b"\0"
    return replace(image, segments=(replace(first, data=data), *others)).seal()


def silent(image: Image) -> Image:
    """The image without any of its strings."""
    return replace(image, segments=tuple(replace(one, data=bytes(len(one.data))) for one in image.segments)).seal()


def also(build: Build, *files: tuple[int, bytes]) -> Build:
    """The build with more files, at these offsets."""
    path = build.path / "flasher_args.json"
    args = json.loads(path.read_text())
    for offset, data in files:
        name = f"{offset:x}.bin"
        (build.path / name).write_bytes(data)
        args["flash_files"][hex(offset)] = name
    path.write_text(json.dumps(args))
    return Build.load(build.path)


def written(build: Build, *, bootloader: Image | None = None, image: Image | None = None) -> Build:
    """The build with another bootloader or application in its files."""
    for part, content in (("bootloader", bootloader), ("app", image)):
        file = build.part(part)
        assert file is not None
        if content is not None:
            file.path.write_bytes(content.to_bytes())
    return Build.load(build.path)


def what(build: Build) -> set[str]:
    return {finding.what for finding in burnt_by(build)}


def test_real_anti_rollback_is_refused_on_a_board_that_is_to_be_kept(tmp_path: Path) -> None:
    real = build(tmp_path, emulated=False)
    assert what(real) == {"the secure version"}
    for allowed in (False, True):
        with pytest.raises(UnsafeOperation, match=r"the secure version .* of desk, for ever: only a board with"):
            refuse_unsafe(real, board(), allowed=allowed)


def test_an_expendable_board_also_needs_the_word_of_the_command_line(tmp_path: Path) -> None:
    real = build(tmp_path, emulated=False)
    with pytest.raises(UnsafeOperation, match="say --allow-efuse to do it"):
        refuse_unsafe(real, board(expendable=True), allowed=False)
    refuse_unsafe(real, board(expendable=True), allowed=True)


@pytest.mark.parametrize("driver", ["virtual", "qemu", "espemu"])
def test_what_is_no_hardware_has_nothing_to_lose(tmp_path: Path, driver: str) -> None:
    refuse_unsafe(build(tmp_path, emulated=False), board(driver=driver), allowed=False)


@pytest.mark.parametrize("anti_rollback", [True, False])
@pytest.mark.parametrize("secure_version", [0, 3])
def test_what_burns_nothing_is_never_refused(tmp_path: Path, anti_rollback: bool, secure_version: int) -> None:
    version = secure_version if anti_rollback else 0
    harmless = build(tmp_path, emulated=anti_rollback, anti_rollback=anti_rollback, secure_version=version)
    assert burnt_by(harmless) == ()
    refuse_unsafe(harmless, board(), allowed=False)
    assert burnt_by(without_sdkconfig(harmless)) == ()


def test_a_missing_sdkconfig_hides_nothing(tmp_path: Path) -> None:
    real = without_sdkconfig(build(tmp_path, emulated=False))
    assert not real.sdkconfig
    assert {finding.where.split(":")[0] for finding in burnt_by(real)} == {"bootloader", "application"}
    with pytest.raises(UnsafeOperation, match="bootloader: “Enabled a check secure version"):
        refuse_unsafe(real, board(), allowed=False)


def test_a_sdkconfig_that_says_otherwise_is_not_believed(tmp_path: Path) -> None:
    real = lying(build(tmp_path, emulated=False), EFUSE_VIRTUAL=True, EFUSE_VIRTUAL_KEEP_IN_FLASH=True)
    assert real.enabled("EFUSE_VIRTUAL")
    assert what(real) == {"the secure version"}


def test_one_real_image_is_enough(tmp_path: Path) -> None:
    real, emulated = build(tmp_path / "real", emulated=False), build(tmp_path / "emulated", emulated=True)
    assert what(written(emulated, image=real.image)) == {"the secure version"}
    assert what(written(build(tmp_path / "other", emulated=True), bootloader=real.bootloader)) == {"the secure version"}


@pytest.mark.parametrize("sdkconfig", [True, False])
def test_any_image_that_a_build_flashes_is_judged(tmp_path: Path, sdkconfig: bool) -> None:
    """Such as a release before it in another slot: a rollback would boot that."""
    real = build(tmp_path / "real", emulated=False, secure_version=1).app_path.read_bytes()
    plain = also(build(tmp_path / "plain", emulated=False, anti_rollback=False), (0x200000, real), (0x3F0000, b"text"))
    plain = plain if sdkconfig else without_sdkconfig(plain)
    assert [str(finding).split(":")[0] for finding in burnt_by(plain)] == ["the secure version (200000.bin at 0x200000"]
    with pytest.raises(UnsafeOperation, match=r"the secure version \(200000\.bin at 0x200000: “Max secure"):
        refuse_unsafe(plain, board(), allowed=False)
    harmless = also(plain, (0x200000, plain.app_path.read_bytes()))
    assert burnt_by(harmless) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Checking flash encryption...", "the flash encryption key"),
        ("Checking secure boot...", "the digest of the secure boot key"),
        ("blowing secure boot efuse...", "the digest of the secure boot key"),
        ("E (%lu) %s: BURN BLOCK%d - ERROR (written bits != read bits)", "eFuses of its own choice"),
        ("I (%lu) %s: Enabled a check secure version of app for anti rollback", "the secure version"),
    ],
)
@pytest.mark.parametrize("part", ["bootloader", "image"])
def test_what_is_compiled_in_is_found(tmp_path: Path, text: str, expected: str, part: str) -> None:
    plain = build(tmp_path, emulated=False, anti_rollback=False)
    assert what(plain) == set()
    made = saying(plain.bootloader if part == "bootloader" else plain.image, text)
    assert what(written(plain, **{part: made})) == {expected}


@pytest.mark.parametrize(
    "symbol",
    ["SECURE_BOOT", "SECURE_FLASH_ENC_ENABLED", "SECURE_DISABLE_ROM_DL_MODE", "SECURE_ENABLE_SECURE_ROM_DL_MODE"],
)
def test_what_the_sdkconfig_says_counts_even_where_the_images_are_silent(tmp_path: Path, symbol: str) -> None:
    plain = build(tmp_path, emulated=False, anti_rollback=False)
    assert [finding.where for finding in burnt_by(lying(plain, **{symbol: True}))] == [f"CONFIG_{symbol}=y"]


def test_a_build_that_tells_nothing_at_all_is_refused(tmp_path: Path) -> None:
    plain = build(tmp_path, emulated=False, anti_rollback=False)
    mute = written(plain, bootloader=silent(plain.bootloader))
    assert burnt_by(mute) == ()  # its sdkconfig speaks for it
    with pytest.raises(UnsafeOperation, match="no sdkconfig, and a bootloader that logs nothing"):
        refuse_unsafe(without_sdkconfig(mute), board(), allowed=False)


def test_a_secure_version_is_a_trace_of_its_own(tmp_path: Path) -> None:
    plain = build(tmp_path, emulated=False, anti_rollback=False).image
    assert burns_of_image(plain, "it") == ()
    (found,) = burns_of_image(plain.with_secure_version(2), "it")
    assert str(found) == "the secure version (it: secure version 2)"


def test_an_update_is_judged_like_a_build(tmp_path: Path) -> None:
    harmless = build(tmp_path / "a", emulated=True, secure_version=1).image.with_secure_version(2)
    refuse_unsafe_image(harmless.to_bytes(), board(), allowed=False)
    real = build(tmp_path / "b", emulated=False).image.with_secure_version(2).to_bytes()
    for one, allowed in ((board(), True), (board(expendable=True), False)):
        with pytest.raises(UnsafeOperation, match="the update burns the secure version"):
            refuse_unsafe_image(real, one, allowed=allowed)
    refuse_unsafe_image(real, board(expendable=True), allowed=True)
    refuse_unsafe_image(real, board(driver="virtual"), allowed=False)
    refuse_unsafe_image(b"<html>not an image</html>", board(), allowed=False)


@pytest.mark.parametrize("name", REFERENCE)
def test_real_builds_without_such_options_pass(name: str) -> None:
    assert burnt_by(Build.load(reference("builds") / name / "build")) == ()


def test_a_real_build_with_flash_encryption_is_known_by_its_images_alone(tmp_path: Path) -> None:
    copied = tmp_path / "build"
    shutil.copytree(reference("builds") / "hello_world_esp32_flash_enc" / "build", copied)
    shutil.rmtree(copied / "config")
    found = burnt_by(Build.load(copied))
    assert {finding.what for finding in found} == {"the flash encryption key"}
    assert {finding.where.split(":")[0] for finding in found} == {"bootloader", "application"}
