"""Boards are brought to their start by writing what differs, from any state that they are found in."""

from __future__ import annotations

import re
import select
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import serial
import trustme

from bench.boards.board import Board, UsbIdentity
from bench.boards.drivers import SerialBoard, VirtualBoard
from bench.boards.flashing import (
    BLANK,
    Brought,
    Loader,
    Start,
    bring,
    bring_to_start,
    in_loader,
    recover,
    regions_of,
    start_of,
)
from bench.boards.ports import SysfsPorts
from bench.boards.serialurl import register
from bench.builds import Build, VirtualBuild, write_build
from bench.errors import BenchError, BoardBusy, BoardLost, FlashingFailed
from bench.timeline import Deadline
from bench.virtual.machine import Machine
from tests.boards.usb_board import UsbBoard, UsbIds, UsbTree
from tests.virtual import esp_tools
from tests.virtual.benchtop import benchtop

CHIP = "esp32s3"
TABLE, APP, OTHER, BEHIND = 0x8000, 0x10000, 0x200000, 0x3F0000
CANARY = b"do not touch " * 20


@dataclass(frozen=True)
class Reached:
    """A board that nothing is known of but its port: as far as the bench can tell, a real one."""

    board: Board
    port: str


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("build")
    write_build(VirtualBuild(CHIP, "advanced_https_ota", "1", trustme.CA().cert_pem.bytes()), folder)
    return Build.load(folder)


@pytest.fixture(scope="module")
def process() -> Iterator[VirtualBoard]:
    with VirtualBoard(Board(name="model", chip=CHIP, driver="virtual")) as held:
        yield held


@pytest.fixture
def model(process: VirtualBoard) -> VirtualBoard:
    """The model as delivered: what can be known of the board past its port."""
    process.renew()
    return process


@pytest.fixture
def desk(model: VirtualBoard) -> Reached:
    """The same board, as a real one."""
    return Reached(Board(name="desk", chip=CHIP, driver="rfc2217", port=model.port), model.port)


@contextmanager
def cut_once(board: tuple[str, int], *, after: int) -> Iterator[tuple[tuple[str, int], list[bool]]]:
    """A relay to a board whose first connection is cut after so many bytes to it; later ones are left alone."""
    cuts: list[bool] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, socket.create_connection(board) as far:
                room = 1 << 40 if cuts else after
                while ready := select.select([client, far], [], [])[0]:
                    data = ready[0].recv(4096)
                    if not data:
                        break
                    (far if ready[0] is client else client).sendall(data)
                    room -= len(data) if ready[0] is client else 0
                    if room < 0:
                        cuts.append(True)
                        break

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[:2], cuts
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(20)
        assert not thread.is_alive()


def brought(desk: Reached, build: Build, start: Start | None = None, *, erase_all: bool = False) -> Brought:
    return bring_to_start(desk, build, start_of(build) if start is None else start, erase_all=erase_all)


def assert_holds(model: VirtualBoard, build: Build, start: Start | None = None) -> None:
    for region in regions_of(build, start_of(build) if start is None else start):
        assert model.read_flash(region.offset, region.size) == region.content(region.offset, region.size), region.name


def assert_boots(model: VirtualBoard) -> None:
    """The firmware comes to rest, having written nothing unusual and panicked never."""
    resets = model.status()["resets"]
    model.ask("reset")
    model.wait_until_idle(20)
    assert not model.status()["download"]
    assert model.status()["resets"] == resets + 1


# -- only what differs


def test_a_blank_board_gets_everything_and_then_nothing_more(desk: Reached, model: VirtualBoard, build: Build) -> None:
    first = brought(desk, build)
    assert first.changed == ("bootloader", "partition-table", "ota_0")
    assert first.written == sum(
        -(-file.path.stat().st_size // 4) * 4 for file in build.flash_files if file.part != "otadata"
    )
    assert_holds(model, build)
    operations = model.status()["operations"]
    second = brought(desk, build)
    assert (second.written, second.erased, second.changed) == (0, 0, ())
    assert model.status()["operations"] == operations
    assert_boots(model)


def test_it_writes_what_stock_esptool_would(desk: Reached, model: VirtualBoard, build: Build) -> None:
    files = [word for file in build.flash_files for word in (hex(file.offset), str(file.path))]
    settings = [word for name, value in build.flash_settings.items() for word in (f"--{name}", value)]
    esp_tools.run(
        ["esptool", "--chip", CHIP, "--port", model.port, "--after", "no-reset", "write-flash", *settings, *files]
    )
    operations = model.status()["operations"]
    assert brought(desk, build).changed == ()
    assert model.status()["operations"] == operations


def test_the_size_of_the_flash_goes_into_the_bootloader_where_it_is_to_be_detected(
    desk: Reached, model: VirtualBoard, build: Build
) -> None:
    detected = replace(build, flash_settings={**build.flash_settings, "flash_size": "detect"})
    assert build.bootloader.header.spi_size == 2  # 4 MB
    brought(desk, detected)
    stands = model.read_flash(build.bootloader_offset, 4)[3] >> 4
    assert stands == 3  # 8 MB, as the model has
    assert_boots(model)


def test_after_an_update_only_the_traces_of_it_go(desk: Reached, model: VirtualBoard, build: Build) -> None:
    brought(desk, build)
    image = build.image.with_version("2").to_bytes()
    model.write_flash(OTHER, image)
    model.write_flash(0xD000, b"\x01\x00\x00\x00" + b"\xff" * 28)
    made = brought(desk, build)
    assert made.changed == ("otadata", "ota_1")
    assert made.written == 0
    assert len(image) <= made.erased <= len(image) + 0x10000 + 0x2000
    assert_holds(model, build)


def test_one_changed_byte_costs_one_chunk(desk: Reached, model: VirtualBoard, build: Build) -> None:
    brought(desk, build)
    (byte,) = model.read_flash(APP + 0x12345, 1)
    model.write_flash(APP + 0x12345, bytes([byte ^ 1]))
    assert brought(desk, build).written == 0x10000
    assert_holds(model, build)


def test_changes_far_apart_cost_only_themselves(desk: Reached, model: VirtualBoard, build: Build) -> None:
    brought(desk, build)
    for offset in (APP + 0x100, APP + 0x20100):
        model.write_flash(offset, b"\0\xff" * 8)
    made = brought(desk, build)
    assert (made.changed, made.written) == (("ota_0",), 0x20000)
    assert_holds(model, build)


def test_nothing_is_believed_that_was_not_asked_for(desk: Reached, model: VirtualBoard, build: Build) -> None:
    """What was written a moment ago may have been overwritten over the air since."""
    brought(desk, build)
    model.write_flash(APP, build.image.with_version("2").to_bytes())
    assert brought(desk, build).changed == ("ota_0",)
    assert_holds(model, build)


def test_what_does_not_stick_is_not_believed(desk: Reached, build: Build) -> None:
    """A flash chip that is worn out or write-protected takes the command, and stays as it is."""

    class Worn(Loader):
        def write(self, pieces: Sequence[tuple[int, bytes]], *, encrypted: bool = False) -> None:
            del pieces, encrypted

    with pytest.raises(FlashingFailed, match="bootloader at 0x0 does not hold what was written"), in_loader(desk) as it:
        bring(Worn(it.esp, it.told), regions_of(build, start_of(build)), build.flash_settings)


def test_a_stated_start_is_what_the_board_holds(desk: Reached, model: VirtualBoard, build: Build) -> None:
    start = Start(slots={"ota_1": build.image.with_version("2").to_bytes()}, nvs=BLANK)
    model.write_flash(0x9000, b"ssid and password")
    brought(desk, build, start)
    assert_holds(model, build, start)
    assert model.read_flash(0x9000, 17) == b"\xff" * 17


def test_the_progress_of_a_long_write_is_told(desk: Reached, build: Build) -> None:
    told: list[tuple[int, int]] = []
    made = bring_to_start(desk, build, start_of(build), progress=lambda done, total: told.append((done, total)))
    assert {total for _, total in told} == {made.written}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == made.written
    assert len(told) > 10


# -- never more than the build's own


def test_what_is_outside_the_partitions_survives(desk: Reached, model: VirtualBoard, build: Build) -> None:
    places = {BEHIND: CANARY, 0x7F0000: CANARY, 0x9000: CANARY, 0xF000: CANARY}
    for offset, data in places.items():
        model.write_flash(offset, data)
    model.write_flash(APP, bytes(0x100000))
    model.write_flash(OTHER, bytes(0x1F0000))
    brought(desk, build)
    assert_holds(model, build)
    for offset, data in places.items():
        assert model.read_flash(offset, len(data)) == data


def test_erase_all_spares_nothing(desk: Reached, model: VirtualBoard, build: Build) -> None:
    for offset in (BEHIND, 0x9000):
        model.write_flash(offset, CANARY)
    brought(desk, build, erase_all=True)
    assert_holds(model, build)
    for offset in (BEHIND, 0x9000):
        assert model.read_flash(offset, len(CANARY)) == b"\xff" * len(CANARY)


# -- from any state


def test_a_board_that_is_in_download_mode_already(desk: Reached, model: VirtualBoard, build: Build) -> None:
    with in_loader(desk):
        pass
    assert model.status()["download"]
    brought(desk, build)
    assert_boots(model)


def test_a_board_that_boots_in_a_circle(desk: Reached, model: VirtualBoard, build: Build) -> None:
    brought(desk, build, Start())
    model.write_flash(APP, build.image.crashing_at_boot().to_bytes())
    resets = model.status()["resets"]
    model.ask("reset")
    deadline = Deadline(20)
    while model.status()["resets"] < resets + 3:
        assert not deadline.expired, "it does not circle"
    brought(desk, build)
    assert_holds(model, build)
    assert_boots(model)


def test_a_board_that_lost_its_power_in_the_middle_of_flashing(
    desk: Reached, model: VirtualBoard, build: Build
) -> None:
    slow = replace(desk, board=replace(desk.board, flash_baud=115200))
    model.plan_power_cut("rom", nth=20, phase="middle")
    with pytest.raises((FlashingFailed, BoardLost)):
        bring_to_start(slow, build, start_of(build), attempts=1)
    assert not model.status()["powered"]
    model.power(True)
    made = brought(desk, build)
    assert made.written > 0
    assert_holds(model, build)
    assert_boots(model)


def test_a_wire_that_breaks_is_taken_up_again(desk: Reached, model: VirtualBoard, build: Build) -> None:
    """The first connection is cut in the middle of writing; what was written by then is not lost."""
    host, port = model.url.removeprefix("rfc2217://").split(":")
    with cut_once((host, int(port)), after=60_000) as (address, cuts):
        scheme = model.port.split("://")[0]
        reached = replace(desk, port=f"{scheme}://{address[0]}:{address[1]}")
        bring_to_start(reached, build, start_of(build))
    assert cuts == [True]
    assert_holds(model, build)


def test_a_board_whose_power_can_be_cycled_is_cycled(desk: Reached, model: VirtualBoard, build: Build) -> None:
    model.power(False)
    cycles: list[bool] = []

    def cycle() -> None:
        cycles.append(model.status()["powered"])
        model.power(True)

    bring_to_start(desk, build, start_of(build), power_cycle=cycle, attempts=1)
    assert cycles == [False]
    assert_holds(model, build)


def test_a_board_that_floods_its_console() -> None:
    def flood(machine: Machine) -> None:
        while True:
            machine.uart.write(b"E (1) app: \xc0\x01\x08\xc0 again and again\r\n" * 50)
            machine.supply.check()

    register()
    with benchtop(CHIP, flood) as top:  # type: ignore[arg-type]  # it never returns, but for a power loss
        told = recover(Reached(Board(name="desk", chip=CHIP, driver="rfc2217", port=top.virtual), top.virtual))
    assert re.fullmatch(r"esp32s3, MAC ([0-9a-f]{2}:){5}[0-9a-f]{2}, \d+ MiB of flash", told)


# -- what cannot be


def test_a_board_that_does_not_answer_is_lost_and_the_mend_is_told(desk: Reached, model: VirtualBoard) -> None:
    model.power(False)
    with pytest.raises(BoardLost) as lost:
        recover(desk, attempts=1)
    told = str(lost.value)
    for part in (
        "desk at virtual://",
        "a reset by RTS and DTR (",
        "no reset, as where",
        "hold BOOT, press EN",
        "cable",
    ):
        assert part in told


def test_another_chip_is_never_written_to(desk: Reached, model: VirtualBoard, build: Build) -> None:
    with pytest.raises(BoardLost, match=r"is another chip: This chip is ESP32-S3, not ESP32-C3.* Nothing was written"):
        bring_to_start(replace(desk, board=replace(desk.board, chip="esp32c3")), build, start_of(build))
    assert model.status()["operations"] == 0


def test_the_board_of_another_mac_is_never_written_to(desk: Reached, model: VirtualBoard, build: Build) -> None:
    mac = model.ask("efuse")["mac"]
    with pytest.raises(BoardLost, match=f"has the MAC {mac}, and boards.yaml says 00:00:00:00:00:01; nothing was"):
        bring_to_start(replace(desk, board=replace(desk.board, mac="00:00:00:00:00:01")), build, start_of(build))
    assert model.status()["operations"] == 0
    bring_to_start(replace(desk, board=replace(desk.board, mac=mac)), build, start_of(build))
    assert_holds(model, build)


def test_a_port_that_is_not_there(build: Build) -> None:
    board = Board(name="desk", chip=CHIP, driver="serial", port="/dev/nothing-of-the-kind")
    with pytest.raises(BoardLost, match="/dev/nothing-of-the-kind cannot be opened"):
        bring_to_start(Reached(board, board.port), build, start_of(build))


def test_a_port_that_stays_away_is_lost_when_every_way_was_tried(tmp_path: Path) -> None:
    board = Board(name="desk", chip=CHIP, driver="serial", port=str(tmp_path / "ttyACM0"))
    cycles: list[bool] = []
    with (
        pytest.raises(BoardLost, match=r"^desk: the port .*ttyACM0 cannot be opened: .*; tried: .*; a power cycle"),
        in_loader(Reached(board, board.port), power_cycle=lambda: cycles.append(True), arrival=0.1),
    ):
        pass
    assert cycles == [True]


def test_a_port_that_may_not_be_opened_is_no_lost_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test runs as root, no mode keeps it out."""
    import os

    real = os.open

    def refuse(path: str, *arguments: int, **options: int) -> int:
        if path == str(tmp_path / "ttyACM0"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    board = Board(name="desk", chip=CHIP, driver="serial", port=str(tmp_path / "ttyACM0"))
    with (
        pytest.raises(BenchError, match="may not be opened: permission denied; `sudo") as refused,
        in_loader(Reached(board, board.port), arrival=0.1),
    ):
        pass
    assert not isinstance(refused.value, BoardLost)


def test_a_port_that_leaves_with_the_power_is_waited_for_and_followed(model: VirtualBoard, tmp_path: Path) -> None:
    """As at a hub that feeds the board: its bridge is a new device, and udev may give it another name."""
    board, tree = (
        Board(name="desk", chip=CHIP, driver="serial", usb=UsbIdentity(location="1-2")),
        UsbTree(tmp_path / "m"),
    )
    model.power(False)
    with (
        UsbBoard(tree, model.port, usb=UsbIds.bridge(), vanishes=False, prefix="ttyUSB") as cable,
        SerialBoard(board, ports=SysfsPorts(tree.root)) as held,
    ):
        first, back = held.port, threading.Timer(0.7, cable.come_back)

        def cycle() -> None:
            cable.unplug()
            model.power(True)
            back.start()

        assert recover(held, power_cycle=cycle, attempts=1).startswith(f"{CHIP}, MAC ")
        assert held.port == cable.node != first
        back.join()


def test_a_port_that_somebody_else_has(build: Build, tmp_path: Path) -> None:
    del tmp_path
    import os
    import pty

    primary, secondary = pty.openpty()
    try:
        path = os.ttyname(secondary)
        board = Board(name="desk", chip=CHIP, driver="serial", port=path)
        with serial.Serial(path, exclusive=True), pytest.raises(BoardBusy, match=f"the port {path} is held by"):
            bring_to_start(Reached(board, path), build, start_of(build))
    finally:
        os.close(primary)
        os.close(secondary)


def test_a_build_for_more_flash_than_there_is(desk: Reached, model: VirtualBoard, build: Build) -> None:
    table = build.partition_table
    far = replace(table, partitions=(*table.partitions[:-1], replace(table.partitions[-1], offset=0x7F0000)))
    with pytest.raises(FlashingFailed, match="ota_1 ends at 0x9e0000, and the board has 0x800000 bytes"):
        brought(desk, replace(build, partition_table=far))
    assert model.status()["operations"] == 0
