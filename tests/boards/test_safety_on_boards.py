"""No eFuse is burnt and nothing is written on a board that is to be kept: tried on boards that count it.

The boards are models, and the bench is told nothing of that: all that it has is a port.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trustme

from bench.boards.board import Board
from bench.boards.drivers import VirtualBoard
from bench.boards.flashing import Start, bring_connected, bring_to_start, in_loader, regions_of, start_of
from bench.builds import Build, VirtualBuild, write_build
from bench.errors import UnsafeOperation
from bench.flash import OtaData
from bench.flash.otadata import OtaImgState
from tests.boards.test_safety import lying, saying, without_sdkconfig, written

CHIP = "esp32c3"
CA = trustme.CA().cert_pem.bytes()


@dataclass(frozen=True)
class Reached:
    board: Board
    port: str


@pytest.fixture(scope="module")
def process() -> Iterator[VirtualBoard]:
    with VirtualBoard(Board(name="model", chip=CHIP, driver="virtual")) as held:
        yield held


@pytest.fixture
def model(process: VirtualBoard) -> VirtualBoard:
    process.renew()
    process.wait_until_idle(20)
    return process


def desk(model: VirtualBoard, *, expendable: bool = False) -> Reached:
    return Reached(Board(name="desk", chip=CHIP, driver="rfc2217", port=model.port, expendable=expendable), model.port)


def build(folder: Path, **options: object) -> Build:
    write_build(VirtualBuild(CHIP, "advanced_https_ota", "1", CA, **options), folder)  # type: ignore[arg-type]  # options of the build, by name
    return Build.load(folder)


def real_anti_rollback(folder: Path) -> Build:
    return build(folder, layout="anti_rollback", efuse_virtual=False, secure_version=1)


def with_flash_encryption(folder: Path) -> Build:
    plain = build(folder)
    encrypting = saying(plain.bootloader, "I (%lu) %s: Checking flash encryption...")
    return lying(written(plain, bootloader=encrypting), SECURE_FLASH_ENC_ENABLED=True)


def with_secure_boot(folder: Path) -> Build:
    plain = build(folder)
    enabling = saying(plain.bootloader, "I (%lu) %s: Secure boot permanently enabled")
    return lying(written(plain, bootloader=enabling), SECURE_BOOT=True)


KINDS: dict[str, Callable[[Path], Build]] = {
    "anti-rollback": real_anti_rollback,
    "anti-rollback, no sdkconfig": lambda folder: without_sdkconfig(real_anti_rollback(folder)),
    "anti-rollback, lying sdkconfig": lambda folder: lying(real_anti_rollback(folder), EFUSE_VIRTUAL=True),
    "flash encryption": with_flash_encryption,
    "flash encryption, no sdkconfig": lambda folder: without_sdkconfig(with_flash_encryption(folder)),
    "secure boot": with_secure_boot,
    "secure boot, no sdkconfig": lambda folder: without_sdkconfig(with_secure_boot(folder)),
    "secure boot, lying sdkconfig": lambda folder: lying(with_secure_boot(folder), SECURE_BOOT=False),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("expendable", "allowed"), [(False, False), (False, True), (True, False)])
def test_it_is_refused_before_the_board_is_even_touched(
    model: VirtualBoard, tmp_path: Path, kind: str, expendable: bool, allowed: bool
) -> None:
    before = model.status()
    made = KINDS[kind](tmp_path)
    with pytest.raises(UnsafeOperation, match="into the eFuses of desk, for ever"):
        bring_to_start(desk(model, expendable=expendable), made, start_of(made), allow_efuse=allowed)
    after = model.status()
    assert (after["operations"], after["efuse_burns"]) == (0, [])
    assert after["resets"] == before["resets"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_board_that_was_given_up_takes_it(model: VirtualBoard, tmp_path: Path, kind: str) -> None:
    made = KINDS[kind](tmp_path)
    bring_to_start(desk(model, expendable=True), made, start_of(made), allow_efuse=True)
    for region in regions_of(made, start_of(made)):
        assert model.read_flash(region.offset, region.size) == region.content(region.offset, region.size)


def test_what_was_refused_would_have_burnt(model: VirtualBoard, tmp_path: Path) -> None:
    """The counters count: a board that was given up confirms the build, and its secure version is burnt."""
    made = real_anti_rollback(tmp_path)
    unconfirmed = OtaData.erased().switched_to(0, 2, OtaImgState.NEW).to_bytes()
    bring_to_start(desk(model, expendable=True), made, Start(otadata=unconfirmed), allow_efuse=True)
    assert model.status()["efuse_burns"] == []
    model.ask("reset")
    model.wait_until_idle(20)
    assert model.status()["efuse_burns"] != []
    assert model.secure_version() == 1


def test_an_emulated_secure_version_burns_nothing(model: VirtualBoard, tmp_path: Path) -> None:
    made = build(tmp_path, layout="anti_rollback", secure_version=1)
    unconfirmed = OtaData.erased().switched_to(0, 2, OtaImgState.NEW).to_bytes()
    bring_to_start(desk(model), made, Start(otadata=unconfirmed))
    model.ask("reset")
    model.wait_until_idle(20)
    assert model.status()["efuse_burns"] == []
    assert model.secure_version() == 0


def test_it_is_refused_over_an_open_port_as_well(model: VirtualBoard, tmp_path: Path) -> None:
    made = real_anti_rollback(tmp_path)
    reached = desk(model)
    with in_loader(reached) as loader, pytest.raises(UnsafeOperation):
        bring_connected(loader.esp, reached, made, start_of(made))
    assert model.status()["operations"] == 0


@pytest.mark.parametrize("connected", [False, True])
def test_what_the_start_puts_into_another_slot_is_judged_as_well(
    model: VirtualBoard, tmp_path: Path, connected: bool
) -> None:
    """The board may boot it, and then it burns."""
    made, burning = build(tmp_path / "plain"), real_anti_rollback(tmp_path / "burning")
    start = Start(slots={"ota_1": burning.app_path.read_bytes()})
    refused = r"what ota_1 is to hold at the start burns the secure version .* of desk, for ever: only a board with"
    reached = desk(model)
    if connected:
        with in_loader(reached) as loader, pytest.raises(UnsafeOperation, match=refused):
            bring_connected(loader.esp, reached, made, start)
    else:
        with pytest.raises(UnsafeOperation, match=refused):
            bring_to_start(reached, made, start)
    assert model.status()["operations"] == 0
    bring_to_start(desk(model, expendable=True), made, start, allow_efuse=True)
    assert model.read_flash(0x200000, 4096) == burning.app_path.read_bytes()[:4096]


def test_a_build_that_was_copied_is_judged_by_what_it_is(model: VirtualBoard, tmp_path: Path) -> None:
    """The sdkconfig beside a build directory may be another project's: harmless options, harmful images."""
    harmless, harmful = build(tmp_path / "a" / "build"), real_anti_rollback(tmp_path / "b" / "build")
    shutil.copytree(harmless.path / "config", harmful.path / "config", dirs_exist_ok=True)
    made = Build.load(harmful.path)
    assert not made.enabled("BOOTLOADER_APP_ANTI_ROLLBACK")
    with pytest.raises(UnsafeOperation):
        bring_to_start(replace(desk(model)), made, start_of(made))
    assert model.status()["operations"] == 0
