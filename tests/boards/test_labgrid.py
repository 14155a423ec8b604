"""The labgrid driver against labgrid's own coordinator and exporter, on loopback, with two virtual boards."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import serial

from bench.boards.board import Board, LabgridPlace, NetworkPower
from bench.boards.console_port import ConsolePort
from bench.boards.drivers import attach
from bench.boards.drivers.labgrid import LabgridBoard
from bench.boards.labgrid_python import labgrid_python
from bench.boards.labgrid_side import place
from bench.boards.power import switch_of
from bench.errors import BenchError, BoardBusy, BoardLost
from tests.boards.labgrid_lab import LIMIT, Lab, Relays, lab_on_loopback, until

CLIENT = """
import sys
from bench.boards.board import Board, LabgridPlace
from bench.boards.drivers.labgrid import LabgridBoard

wanted = LabgridPlace(sys.argv[1], "", (("board", "virtual"),))
with LabgridBoard(Board(name="any", chip="esp32c3", driver="labgrid", labgrid=wanted), wait=60) as board:
    print(board.place, board._process.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def python() -> str:
    """labgrid's."""
    try:
        return labgrid_python()
    except BenchError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def lab(python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Started once: labgrid takes seconds to start. Every test leaves it with nothing held."""
    with lab_on_loopback(python, tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test may leave a place held or reserved."""
    yield
    if "lab" in request.fixturenames:
        lab: Lab = request.getfixturevalue("lab")
        until(lab.free, "every place to be released")


def test_a_place_is_acquired_reached_switched_and_released(lab: Lab) -> None:
    with attach(lab.board("alpha")) as board:
        assert isinstance(board, LabgridBoard)
        owner = lab.held()["alpha"]
        assert "/ota-bench-" in owner
        assert "power_cycle" in board.board.capabilities
        heard, seen = bytearray(), threading.Event()

        def feed(data: bytes) -> None:
            heard.extend(data)
            if heard.count(b"rst:0x1 (POWERON)") >= 2:
                seen.set()

        with ConsolePort(board.port, feed) as port:
            port.reset()
            until(lambda: b"rst:0x1 (POWERON)" in heard, "the board's ROM to speak")
            board.supply.power(False)
            assert lab.boards["alpha"].status()["powered"] is False
            assert lab.relays.on == {"1": False}
            board.supply.power(True)
            assert seen.wait(LIMIT)
    assert lab.free()


def test_a_place_without_power_port_lacks_the_ability(lab: Lab) -> None:
    with attach(lab.board("beta")) as board:
        assert "power_cycle" not in board.board.capabilities
        with pytest.raises(BenchError, match="lacks power_cycle"):
            board.supply.power(False)


def test_a_reservation_by_tags_finds_a_place(lab: Lab) -> None:
    with LabgridBoard(lab.board(board="virtual", name="beta")) as board:
        assert board.place == "beta"
        assert lab.held().keys() == {"beta"}


def test_it_is_released_when_the_scenario_raises(lab: Lab) -> None:
    with pytest.raises(KeyboardInterrupt), LabgridBoard(lab.board("beta")):
        raise KeyboardInterrupt
    assert lab.free()


def test_it_is_switched_on_before_it_is_released(lab: Lab) -> None:
    with LabgridBoard(lab.board("alpha")) as board:
        board.power(False)
        assert lab.relays.on == {"1": False}
    assert lab.relays.on == {"1": True}
    assert lab.free()


def test_a_taken_place_is_told_with_its_holder(lab: Lab) -> None:
    with LabgridBoard(lab.board("beta")) as holder:
        assert holder.place == "beta"
        with (
            pytest.raises(BoardBusy, match=r"lab-beta: place beta is held by \S+/ota-bench-\S+ since 20"),
            LabgridBoard(lab.board("beta"), wait=0),
        ):
            pass
        with (
            pytest.raises(BoardBusy, match="no place with the tags board=virtual, name=beta is free"),
            LabgridBoard(lab.board(board="virtual", name="beta"), wait=0),
        ):
            pass
        assert lab.held().keys() == {"beta"}


def test_an_unknown_place_and_a_silent_coordinator_are_told(lab: Lab, python: str) -> None:
    assert python
    with (
        pytest.raises(BenchError, match=r"no place 'gamma'; its places: alpha, beta"),
        LabgridBoard(lab.board("gamma")),
    ):
        pass
    nobody = LabgridPlace("127.0.0.1:9", "alpha")
    board = Board(name="lost", chip="esp32c3", driver="labgrid", labgrid=nobody)
    with (
        pytest.raises(BenchError, match=r"lost: no labgrid coordinator answers at 127\.0\.0\.1:9"),
        LabgridBoard(board),
    ):
        pass


def test_three_clients_share_two_places_and_a_killed_one_gives_its_place_back(lab: Lab) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(_Client(lab)) for _ in range(3)]
        until(lambda: len([client for client in clients if client.told]) == 2, "two of three to have a place")
        first, second = (client for client in clients if client.told)
        (third,) = (client for client in clients if not client.told)
        assert {first.place, second.place} == {"alpha", "beta"} == set(lab.held())
        first.process.send_signal(signal.SIGKILL)
        until(lambda: bool(third.told), "the third to have the dead one's place")
        assert third.place == first.place
        assert set(lab.held()) == {"alpha", "beta"}
        second.leave()
        third.leave()


def test_a_place_whose_holder_was_killed_too_is_taken_over(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    with _Client(lab) as client:
        until(lambda: bool(client.told), "a place")
        os.kill(client.helper, signal.SIGKILL)
        client.process.kill()
        client.process.wait()
    assert client.place in lab.held()
    with caplog.at_level(logging.WARNING), LabgridBoard(lab.board(client.place), wait=0) as board:
        assert board.place == client.place
    assert f"place {client.place} released for " in caplog.text


def test_a_place_that_is_lost_is_told(lab: Lab) -> None:
    with LabgridBoard(lab.board("beta")) as board:
        assert board._process is not None
        board._process.terminate()
        board._process.wait(LIMIT)
        with pytest.raises(BoardLost, match="place beta is no longer held"):
            board.supply.power(False)


def test_labgrids_own_console_driver_talks_to_the_virtual_board(lab: Lab, python: str, tmp_path: Path) -> None:
    host, port = lab.boards["beta"].url.removeprefix("rfc2217://").split(":")
    script = tmp_path / "console.py"
    script.write_text(
        "from labgrid import Target\n"
        "from labgrid.driver import SerialDriver\n"
        "from labgrid.resource import NetworkSerialPort\n"
        "target = Target('main')\n"
        f"NetworkSerialPort(target, None, host={host!r}, port={port}, protocol='rfc2217')\n"
        "console = SerialDriver(target, None)\n"
        "target.activate(console)\n"
        "print('ready', flush=True)\n"
        "_, _, match, _ = console.expect(r'rst:0x1 \\((\\w+)\\)', timeout=60)\n"
        "print(match[1].decode(), flush=True)\n"
        "target.deactivate(console)\n"
    )
    with subprocess.Popen([python, str(script)], stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "ready\n"
        lab.boards["beta"].power(False)
        lab.boards["beta"].power(True)
        assert driver.stdout.readline() == "POWERON\n"
        assert driver.wait(LIMIT) == 0


def test_an_outlet_is_switched_and_asked(python: str) -> None:
    assert python
    relays = Relays()
    with relays.served() as url:
        switch = switch_of(NetworkPower("simplerest", url, "3"))
        switch.switch(False)
        assert relays.on == {"3": False}
        switch.switch(True)
        assert relays.on == {"3": True}
        relays.stuck = True
        with pytest.raises(BenchError, match="was switched off, but says that it is on"):
            switch.switch(False)
    with pytest.raises(BenchError, match=r"No module named 'labgrid\.driver\.power\.no_such_model'"):
        switch_of(NetworkPower("no_such_model", "http://127.0.0.1:9", "3")).switch(True)
    with pytest.raises(BenchError, match="Connection refused"):
        switch_of(NetworkPower("simplerest", "http://127.0.0.1:9/{index}/{value}", "3")).switch(True)


def test_only_a_process_of_this_very_machine_is_known_to_be_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines may have one hostname, and the first namespace of processes has one number on all of them."""
    host, here = socket.gethostname(), tmp_path / "machine-id"
    here.write_text("0123456789abcdef0123456789abcdef\n")
    monkeypatch.setattr(place, "MACHINE_ID", here)
    with subprocess.Popen(["sleep", "1000"]) as process:
        owner = f"{host}/{place.owner_of(process.pid)}"
        assert not place._is_dead(owner)
        process.kill()
    assert place._is_dead(owner)
    assert not place._is_dead(owner.replace(host, "another", 1))
    machine = owner.split("-")[-4]
    assert re.fullmatch("m[0-9a-f]{12}", machine)
    assert not place._is_dead(owner.replace(f"-{machine}-", "-")), "a name of an older bench says no machine"
    for other in ("f" * 32, "uninitialized", "", "\N{DEGREE SIGN}"):
        here.write_text(f"{other}\n")
        assert not place._is_dead(owner)
    here.unlink()
    assert not place._is_dead(owner)
    nowhere = owner.replace(f"-{machine}-", "-m-")
    assert place._is_dead(nowhere)
    here.write_text("0123456789abcdef0123456789abcdef\n")
    assert not place._is_dead(nowhere)


ANSWER = {"place": "p", "user": "u", "host": "fe80::1", "port": 4000, "power": False, "took_over": []}


def test_raw_ports_are_for_boards_that_need_no_lines_only() -> None:
    board = Board(name="raw", chip="esp32c3", driver="labgrid", labgrid=LabgridPlace("127.0.0.1:9", "p"))
    raw = {**ANSWER, "protocol": "raw"}
    with pytest.raises(BenchError, match=r"raw: place p serves its serial port as raw bytes.* by rfc2217"):
        LabgridBoard(board)._holds(raw)
    assert LabgridBoard(replace(board, reset_by="power"))._holds(raw).port == "socket://[fe80::1]:4000"
    assert LabgridBoard(board)._holds({**ANSWER, "protocol": "rfc2217"}).port.startswith("fast2217://[fe80::1]:4000?")


@pytest.mark.parametrize("said", ["", "not JSON", '"text"', "[1]", "{}"])
def test_a_python_that_answers_something_else_is_told_with_its_last_words(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "python"
    tool.write_text(f"#!/bin/sh\necho '{said}'\necho no module named labgrid >&2\n")
    tool.chmod(0o755)
    monkeypatch.setenv("OTA_BENCH_LABGRID", str(tool))
    board = Board(name="odd", chip="esp32c3", driver="labgrid", labgrid=LabgridPlace("127.0.0.1:9", "p"))
    with (
        pytest.raises(BenchError, match=r"odd: labgrid's client did not answer:\nno module named labgrid"),
        LabgridBoard(board),
    ):
        pass


def test_the_bench_keeps_its_own_pyserial() -> None:
    """labgrid stays out of this process, whichever Python it is in."""
    assert hasattr(serial, "VERSION")
    assert "labgrid.remote" not in sys.modules


class _Client:
    """A bench in a process of its own, which waits for any place."""

    def __init__(self, lab: Lab) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, lab.coordinator], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.told = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.told = self.process.stdout.readline()

    @property
    def place(self) -> str:
        """Which one it was given."""
        return self.told.split()[0]

    @property
    def helper(self) -> int:
        """Process id of what holds the place for it."""
        return int(self.told.split()[1])

    def leave(self) -> None:
        """It is done, and gives back what it has."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(LIMIT) == 0

    def __enter__(self) -> _Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
