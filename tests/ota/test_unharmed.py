"""A refusal that leaves the board as it was: it neither died of it nor restarted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import scenarios.test_serial_update as serial
from bench.builds import Build, VirtualBuild, write_build
from bench.ota import Draft, dialect_of
from bench.server import Authority
from bench.timeline import Diverged
from tests.ota.by_hand import ByHand, by_hand

WHY = "File not found(404)"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.throwaway()


@pytest.fixture
def build(tmp_path: Path, authority: Authority) -> Build:
    write_build(VirtualBuild(chip="esp32c3", app="advanced_https_ota", version="1", ca_pem=authority.ca_pem), tmp_path)
    return Build.load(tmp_path)


def refuses(board: ByHand, *then: Callable[[], object]) -> Callable[[bytes], None]:
    """What the board does with a URL: it gives the attempt up, and then this."""

    def told(_: bytes) -> None:
        board.says(WHY, level="E", tag="esp_https_ota")
        board.says("ESP HTTPS OTA Begin failed", level="E")
        board.verdict = ("refused", WHY)
        for one in then:
            one()

    return told


def test_a_board_that_stays_up_is_unharmed(build: Build, authority: Authority) -> None:
    with by_hand(build, authority) as (ota, board):
        board.boots("ota_0", "1")
        board.when_told, board.when_reset = refuses(board), lambda: board.boots("ota_0", "1")
        ota.start(Draft(build.image).version("2"))
        ota.expect_refused(WHY)


def test_a_board_that_dies_of_a_refusal_is_not(build: Build, authority: Authority) -> None:
    """It comes back by itself, and the reset behind it changes nothing of that."""
    with by_hand(build, authority) as (ota, board):
        board.boots("ota_0", "1")
        board.when_told = refuses(board, board.panics, lambda: board.boots("ota_0", "1"))
        board.when_reset = lambda: board.boots("ota_0", "1")
        ota.start(Draft(build.image).version("2"))
        with pytest.raises(Diverged, match=r"console panic\(\) must not come"):
            ota.expect_refused(WHY)


@pytest.mark.parametrize("name", ["", "dialect.yaml"], ids=["stock", "own"])
def test_only_a_user_s_own_firmware_may_restart_as_it_gives_up(build: Build, authority: Authority, name: str) -> None:
    stock = dialect_of("advanced_https_ota")
    own = replace(stock, name=name, project_name=stock.tag, like="advanced_https_ota")
    if name:
        own = replace(own, instead={WHY: stock.reason(WHY)})
    with by_hand(build, authority, dialect=own) as (ota, board):
        board.boots("ota_0", "1")
        board.when_told = refuses(board, lambda: board.boots("ota_0", "1"))
        board.when_reset = lambda: board.boots("ota_0", "1")
        ota.start(Draft(build.image).version("2"))
        if name:
            ota.expect_refused(WHY)
        else:
            with pytest.raises(Diverged, match=r"booted\(\) must not come"):
                ota.expect_refused(WHY)


def test_a_board_that_the_bench_itself_restarted_has_stayed_up(build: Build, authority: Authority) -> None:
    with by_hand(build, authority) as (ota, board):
        board.boots("ota_0", "1")
        board.when_told, board.when_reset = refuses(board), lambda: board.boots("ota_0", "1")
        ota.start(Draft(build.image).version("2"))
        ota.expect_gives_up(WHY)
        ota.reset()
        ota.expect_unharmed()


class Neighboured:
    """serial_ota as it should be, but for what it does when a chunk is missing."""

    def __init__(self, board: ByHand, at_a_refusal: Callable[[], object]) -> None:
        self._board = board
        self._at_a_refusal = at_a_refusal
        self._next: int | None = None

    def take(self, data: bytes) -> None:
        """One frame, or none where it was lost."""
        for frame in (data,) if data else ():
            kind, sequence = frame[4], int.from_bytes(frame[8:12], "little")
            if kind == 1:
                self._next = 0
                self._board.says("Writing to partition subtype 17 at offset 0x200000")
            elif self._next is not None and sequence != self._next:
                self._board.says(f"Chunk {sequence} came, and chunk {self._next} was expected", level="E")
                self._board.says("Update refused", level="E")
                self._board.verdict, self._next = ("refused", ""), None
                self._at_a_refusal()
            elif self._next is not None and kind == 2:
                self._next += 1
                self._board.says(f"Chunk {sequence} taken")
            elif self._next is not None:
                self._board.says("Update complete, restarting")
                self._board.verdict = ("updated", None)
                self._board.boots("ota_1", "3")


@pytest.mark.parametrize("dies", [False, True])
def test_an_update_on_the_same_boot_is_one(tmp_path: Path, authority: Authority, dies: bool) -> None:
    """The scenario that promises it fails where the application died of the refusal and came back in between."""
    spec = VirtualBuild(chip="esp32c3", app="serial_ota", version="1", ca_pem=authority.ca_pem, rollback=False)
    write_build(spec, tmp_path)
    build = Build.load(tmp_path)
    with by_hand(build, authority) as (ota, board):

        def at_a_refusal() -> None:
            if dies:
                board.panics()
                board.boots("ota_0", "1")

        board.boots("ota_0", "1")
        board.when_told = Neighboured(board, at_a_refusal).take
        if not dies:
            serial.test_a_lost_chunk_is_made_good_on_the_same_boot(ota, Draft(build.image))
        else:
            with pytest.raises(Diverged, match=r"console panic\(\) must not come"):
                serial.test_a_lost_chunk_is_made_good_on_the_same_boot(ota, Draft(build.image))
