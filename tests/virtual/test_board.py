"""The board: lives of the processor, EN and IO0 on DTR and RTS, power, and what survives what."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

import pytest

from bench.virtual.board import Board
from bench.virtual.machine import Machine, ResetReason
from tests.virtual.benchtop import PATIENCE


@dataclass(frozen=True)
class Life:
    """What a life saw at its beginning."""

    mode: str
    reason: ResetReason
    rtc: int


class Rig:
    """A board whose firmware reports each life, and restarts when it is sent a line."""

    def __init__(self) -> None:
        self.lives: queue.Queue[Life] = queue.Queue()
        self.machine = Machine.assemble("esp32")
        self.board = Board(self.machine, firmware=self._live("flash"), download=self._live("download"))

    def _live(self, mode: str) -> Callable[[Machine], NoReturn]:
        def live(machine: Machine) -> NoReturn:
            machine.rtc["lives"] = machine.rtc.get("lives", 0) + 1
            self.lives.put(Life(mode, machine.reset_reason, machine.rtc["lives"]))
            machine.uart.read_line()
            machine.restart(ResetReason.SW_CPU)

        return live

    def next(self) -> Life:
        return self.lives.get(timeout=PATIENCE)

    def lines(self, *states: str) -> None:
        """Set DTR and RTS: "10" is DTR on, RTS off."""
        for state in states:
            self.board.set_lines(dtr=state[0] == "1", rts=state[1] == "1")


@contextmanager
def rig() -> Iterator[Rig]:
    made = Rig()
    with made.board:
        assert made.next() == Life("flash", ResetReason.POWERON, 1)
        yield made
        assert made.lives.empty()


COLD_FLASH = Life("flash", ResetReason.POWERON, 1)
COLD_DOWNLOAD = Life("download", ResetReason.POWERON, 1)


def test_opening_a_port_resets_nothing() -> None:
    """pyserial raises DTR, then RTS; leaving drops both at once."""
    with rig() as board:
        board.lines("10", "11", "00", "10", "11", "10", "00")


def test_rts_alone_is_the_reset_button() -> None:
    with rig() as board:
        board.lines("01")
        assert board.lives.empty()
        board.lines("00")
        assert board.next() == COLD_FLASH


def test_io0_is_sampled_as_en_rises() -> None:
    with rig() as board:
        board.lines("01", "10", "00")
        assert board.next() == COLD_DOWNLOAD


def test_one_line_at_a_time_reaches_download_mode() -> None:
    """esptool's classic reset: between "in reset" and "IO0 low" both lines are on, and EN's capacitor holds."""
    with rig() as board:
        board.lines("00", "01", "01", "11", "10", "00")
        assert board.next() == COLD_DOWNLOAD


def test_atomic_changes_reach_download_mode() -> None:
    with rig() as board:
        board.lines("00", "11", "01", "10", "00")
        assert board.next() == COLD_DOWNLOAD


def test_en_rises_in_the_end_with_both_lines_on() -> None:
    with rig() as board:
        board.lines("01", "11")
        assert board.next() == COLD_FLASH


def test_leaving_while_in_reset_lets_the_board_go() -> None:
    with rig() as board:
        board.lines("01", "00")
        assert board.next() == COLD_FLASH


def test_rtc_memory_survives_a_restart_and_not_en() -> None:
    with rig() as board:
        board.board.feed(b"\n")
        assert board.next() == Life("flash", ResetReason.SW_CPU, 2)
        board.board.feed(b"\n")
        assert board.next() == Life("flash", ResetReason.SW_CPU, 3)
        board.board.reset()
        assert board.next() == COLD_FLASH


def test_a_restart_in_download_mode_leaves_it() -> None:
    with rig() as board:
        board.lines("01", "10", "00")
        assert board.next() == COLD_DOWNLOAD
        board.board.feed(b"\n")
        assert board.next() == Life("flash", ResetReason.SW_CPU, 2)


def test_power() -> None:
    with rig() as board:
        board.board.set_power(False)
        board.board.set_power(False)
        board.lines("01", "00")
        board.board.reset()
        board.board.feed(b"unheard\n")
        assert board.lives.empty()
        board.board.set_power(True)
        assert board.next() == COLD_FLASH


def test_every_reset_is_a_whole_one_however_short() -> None:
    with rig() as board:
        for _ in range(50):
            board.board.reset()
            assert board.next() == COLD_FLASH
        assert board.board.resets == 51


def test_input_does_not_outlive_a_reset() -> None:
    with rig() as board:
        board.board.feed(b"half a line")
        board.board.reset()
        assert board.next() == COLD_FLASH
        board.board.feed(b"\n")
        assert board.next() == Life("flash", ResetReason.SW_CPU, 2)


def test_renewing_puts_new_memories_in() -> None:
    with rig() as board:
        board.machine.flash.poke(0, b"old")
        board.board.renew()
        assert board.next() == COLD_FLASH
        assert board.machine.flash.peek(0, 3) == b"\xff\xff\xff"


def test_a_reset_ends_a_wait_on_the_network() -> None:
    """The server never answers; the firmware's read ends with the life, and the connection with it."""
    connected, ended = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)

        def firmware(machine: Machine) -> NoReturn:
            if connected.is_set():
                ended.set()
                machine.idle()
            host, port = server.getsockname()
            connection = machine.network.connect(host, port, 3_600_000)
            connected.set()
            try:
                connection.recv(1)
                machine.check()
            finally:
                connection.close()
            machine.idle()

        machine = Machine.assemble("esp32", realtime=True)
        with Board(machine, firmware=firmware, download=firmware) as board:
            peer, _ = server.accept()
            with peer:
                assert connected.wait(PATIENCE)
                board.reset()
                assert ended.wait(PATIENCE)
                peer.settimeout(PATIENCE)
                assert peer.recv(1) == b""


def test_no_connection_without_a_network() -> None:
    machine = Machine.assemble("esp32")
    machine.network.set_up(False)
    with pytest.raises(OSError, match="unreachable"):
        machine.network.connect("127.0.0.1", 9, 1000)


def test_an_error_of_the_model_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the processor's thread, is reported, and reaches the thread's own exception hook."""
    hooked: list[BaseException | None] = []
    failed: queue.Queue[BaseException] = queue.Queue()
    monkeypatch.setattr(threading, "excepthook", lambda args: hooked.append(args.exc_value))

    def firmware(machine: Machine) -> NoReturn:  # noqa: ARG001
        raise LookupError("a fault of the model")

    with Board(Machine.assemble("esp32"), firmware=firmware, download=firmware, failed=failed.put):
        error = failed.get(timeout=PATIENCE)
    assert isinstance(error, LookupError)
    assert hooked == [error]
