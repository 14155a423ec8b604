"""The `rfc2217` driver: whole scenarios through real servers, and a server that goes away is a lost board."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
import serial

from bench.boards.board import Board
from bench.boards.console_port import ConsolePort
from bench.boards.drivers import Rfc2217Board, VirtualBoard, attach
from bench.boards.drivers.console import console_of
from bench.console import Console
from bench.errors import BoardBusy, BoardLost
from bench.server import Authority
from bench.timeline import Timeline
from tests.boards.rfc2217_servers import SER2NET, esp_server, ser2net
from tests.boards.serial_rig import (
    CHIP,
    MAC,
    MODEL,
    Heard,
    a_build,
    flash_by_esptool,
    program,
    update,
    update_and_roll_back,
    updating,
    wait_until,
)
from tests.boards.usb_board import UsbBoard, UsbIds, UsbTree

Server = Callable[[Path, str], AbstractContextManager[str]]

needs_ser2net = pytest.mark.skipif(
    SER2NET is None, reason="ser2net is not installed; `apt-get install ser2net`, or run .ci/run as root on Debian"
)
SERVERS = [pytest.param(ser2net, marks=needs_ser2net, id="ser2net"), pytest.param(esp_server, id="esp_rfc2217_server")]


def remote(url: str, **fields: object) -> Board:
    return Board(name="remote", chip=CHIP, driver="rfc2217", port=url, **fields)  # type: ignore[arg-type]  # of any field


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.load_or_create(tmp_path / "ca")


@pytest.fixture
def model() -> Iterator[VirtualBoard]:
    with VirtualBoard(MODEL) as model:
        yield model


@pytest.mark.parametrize("server", SERVERS)
def test_a_whole_scenario_through_a_server_that_passes_dtr_and_rts(
    server: Server, model: VirtualBoard, authority: Authority, tmp_path: Path
) -> None:
    """Found by its MAC, flashed by esptool, reset by RTS, updated, rolled back."""
    build = a_build(tmp_path / "build", authority)
    with server(tmp_path, model.url) as url, Rfc2217Board(remote(url, mac=MAC)) as board:
        flash_by_esptool(board.port, build)

        def opened(console: Console, _timeline: Timeline) -> ConsolePort:
            return console_of(board, console.feed)

        with updating(build, authority, model, opened) as (ota, timeline):
            update(ota, build, "2", to="ota_1")
            update_and_roll_back(ota, build, to="ota_0", back_to="ota_1")
            boots = [entry.data["app_version"] for entry in timeline.entries if entry.kind == "boot"]
    assert boots[-4:] == ["1", "2", None, "2"]


@needs_ser2net
def test_a_whole_scenario_through_ser2net_in_front_of_a_terminal(
    model: VirtualBoard, authority: Authority, tmp_path: Path
) -> None:
    """A terminal has no DTR and RTS: the cable sees to download mode, and the board is reset by its power.

    ser2net leaves a change of DTR or RTS unanswered where it could not be made. esptool's server turns every client
    away from a port without these lines.
    """
    build = a_build(tmp_path / "build", authority)
    program(model, a_build(tmp_path / "before", authority, version="0"))
    tree = UsbTree(tmp_path / "machine")
    with ExitStack() as stack:
        cable = stack.enter_context(UsbBoard(tree, model.port, usb=UsbIds.bridge(), vanishes=False, prefix="ttyUSB"))
        url = stack.enter_context(ser2net(tmp_path, cable.node))
        board = stack.enter_context(Rfc2217Board(remote(f"{url}?ign_set_control", reset_by="power")))
        board.supply = model  # the switch of its power
        model.power(True)
        flash_by_esptool(board.port, build)

        def opened(console: Console, _timeline: Timeline) -> ConsolePort:
            return console_of(board, console.feed)

        with updating(build, authority, model, opened) as (ota, _):
            update(ota, build, "2", to="ota_1")
            update_and_roll_back(ota, build, to="ota_0", back_to="ota_1")


def test_another_chip_behind_the_url_is_refused(model: VirtualBoard) -> None:
    with pytest.raises(BoardLost, match=rf"MAC {MAC}, and boards.yaml says 00:00.*nothing was written"):
        Rfc2217Board(remote(model.url, mac="00:00:00:00:00:01")).__enter__()


def test_the_driver_is_chosen_by_boards_yaml_and_connects_to_nothing_by_itself() -> None:
    board = attach(remote("rfc2217://127.0.0.1:1?ign_set_control"))
    assert isinstance(board, Rfc2217Board)
    with board:
        assert board.port == "fast2217://127.0.0.1:1?ign_set_control"
        assert board.url == "rfc2217://127.0.0.1:1?ign_set_control"
        with pytest.raises(BoardLost, match=r"no server at fast2217://127\.0\.0\.1:1"):
            console_of(board, lambda _data: None).__enter__()


@needs_ser2net
def test_a_server_that_goes_away_is_a_lost_board_even_when_it_returns(
    model: VirtualBoard, authority: Authority, tmp_path: Path
) -> None:
    program(model, a_build(tmp_path / "build", authority))
    heard = Heard()
    with ExitStack() as stack:
        first = stack.enter_context(ExitStack())
        url = first.enter_context(ser2net(tmp_path, model.url))
        board = stack.enter_context(Rfc2217Board(remote(url)))
        port = stack.enter_context(console_of(board, heard.feed))
        model.power(True)
        heard.wait_for(b"Starting Advanced OTA example")
        first.close()
        wait_until(lambda: port.lost is not None, "the loss")
        assert stack.enter_context(ser2net(tmp_path, model.url)) == url
        with pytest.raises(BoardLost, match="the server has gone"):
            port.write(b"x")
        with pytest.raises(BoardLost, match="the server has gone"):
            port.reset()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("console of")]


@needs_ser2net
def test_a_second_client_of_ser2net_is_told_that_the_board_is_busy(model: VirtualBoard, tmp_path: Path) -> None:
    with ser2net(tmp_path, model.url) as url, Rfc2217Board(remote(url)) as board:
        with (
            console_of(board, lambda _data: None),
            pytest.raises(BoardBusy, match="another client is connected"),
            console_of(board, lambda _data: None),
        ):
            pass
        with console_of(board, lambda _data: None):
            pass


@needs_ser2net
def test_it_is_busy_as_well_where_its_mac_is_to_be_compared(model: VirtualBoard, tmp_path: Path) -> None:
    with ser2net(tmp_path, model.url) as url:
        named = Rfc2217Board(remote(url, mac=MAC))
        with (
            Rfc2217Board(remote(url)) as board,
            console_of(board, lambda _data: None),
            pytest.raises(BoardBusy, match="another client is connected"),
        ):
            named.__enter__()
        with named:
            pass


def test_a_server_that_says_nothing_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, number = silent.getsockname()
        board = Rfc2217Board(remote(f"rfc2217://{host}:{number}?timeout=0.1"))
        with board, pytest.raises(BoardLost, match="does not answer; is another client connected"):
            console_of(board, lambda _data: None).__enter__()


def test_a_telnet_server_without_serial_ports_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, number = server.getsockname()

        def refuse() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(b"login: \xff\xfe\x2c")  # IAC DONT COM-PORT-OPTION
                while client.recv(100):
                    pass

        thread = threading.Thread(target=refuse)
        thread.start()
        board = Rfc2217Board(remote(f"rfc2217://{host}:{number}"))
        with board, pytest.raises(BoardLost, match="speaks telnet, but not RFC 2217"):
            console_of(board, lambda _data: None).__enter__()
        thread.join()


@pytest.mark.parametrize("url", ["rfc2217://nonsense", "rfc2217://127.0.0.1:1?nonsense=1"])
def test_a_malformed_url_is_named(url: str) -> None:
    with Rfc2217Board(remote(url)) as board, pytest.raises(BoardLost, match=r"expected fast2217|unknown option"):
        console_of(board, lambda _data: None).__enter__()


@pytest.mark.parametrize("server", SERVERS)
def test_opening_the_console_does_not_disturb_the_board(
    server: Server, model: VirtualBoard, authority: Authority, tmp_path: Path
) -> None:
    """pyserial's client sets DTR at opening, which esptool's server takes for the order to go into download mode."""
    program(model, a_build(tmp_path / "build", authority))
    with server(tmp_path, model.url) as url, Rfc2217Board(remote(url)) as board:
        heard = Heard()
        with console_of(board, heard.feed):
            model.power(True)
            heard.wait_for(b"Starting Advanced OTA example")
            wait_until(lambda: bool(model.status()["idle"]), "rest")
        assert b"waiting for download" not in heard.data
        assert heard.data.count(b"ESP-ROM") == 1


@needs_ser2net
def test_it_is_faster_than_pyserials_client(model: VirtualBoard, tmp_path: Path) -> None:
    """As esptool uses a port: the timeout is changed twice for each command."""
    with ser2net(tmp_path, model.url) as url, Rfc2217Board(remote(url)) as board:
        took = {}
        for which in (board.port, board.url):
            with serial.serial_for_url(which, timeout=1) as port:
                began = time.monotonic()
                for _ in range(3):
                    port.timeout = 0.5
                    port.timeout = 1
                took[which] = time.monotonic() - began
    assert took[board.port] < took[board.url] / 2
