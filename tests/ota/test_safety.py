"""Nothing irreversible by accident."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from bench.boards.board import Board
from bench.builds import Build, VirtualBuild, write_build
from bench.errors import UnsafeOperation
from bench.ota.safety import burnt_by, refuse_unsafe


def build(folder: Path, *, emulated: bool, anti_rollback: bool = True) -> Build:
    layout = "anti_rollback" if anti_rollback else "two_ota"
    ca = trustme.CA().cert_pem.bytes()
    spec = VirtualBuild("esp32c3", "advanced_https_ota", "1", ca, layout=layout, efuse_virtual=emulated)
    write_build(spec, folder)
    return Build.load(folder)


def board(*, driver: str = "serial", expendable: bool = False) -> Board:
    return Board(name="desk", chip="esp32c3", driver=driver, port="/dev/ttyUSB0", expendable=expendable)


def test_real_anti_rollback_is_refused_on_a_board_that_is_to_be_kept(tmp_path: Path) -> None:
    real = build(tmp_path, emulated=False)
    assert burnt_by(real) == ("BOOTLOADER_APP_ANTI_ROLLBACK",)
    for allowed in (False, True):
        with pytest.raises(UnsafeOperation, match=r"the secure version .* of desk, for ever: only a board with"):
            refuse_unsafe(real, board(), allowed=allowed)


def test_an_expendable_board_also_needs_the_word_of_the_command_line(tmp_path: Path) -> None:
    real = build(tmp_path, emulated=False)
    with pytest.raises(UnsafeOperation, match="say --allow-efuse to do it"):
        refuse_unsafe(real, board(expendable=True), allowed=False)
    refuse_unsafe(real, board(expendable=True), allowed=True)


def test_a_model_has_nothing_to_lose(tmp_path: Path) -> None:
    refuse_unsafe(build(tmp_path, emulated=False), board(driver="virtual"), allowed=False)


@pytest.mark.parametrize("anti_rollback", [True, False])
def test_what_burns_nothing_is_never_refused(tmp_path: Path, anti_rollback: bool) -> None:
    harmless = build(tmp_path, emulated=anti_rollback, anti_rollback=anti_rollback)
    assert burnt_by(harmless) == ()
    refuse_unsafe(harmless, board(), allowed=False)
