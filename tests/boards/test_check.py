"""`bench boards check` and `discover`: what is wrong with a board, and how to mend it."""

from __future__ import annotations

import os
import pty
import socketserver
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from bench.boards.board import Board
from bench.boards.boards_file import BoardsFile
from bench.boards.check import BootHeard, Finding, check_board, check_machine
from bench.boards.discover import Discovered, discover, entry
from bench.boards.drivers import VirtualBoard
from bench.boards.identify import Identity
from bench.boards.lease import FOLDER_VARIABLE, Lease, Owner, lease_folder
from bench.boards.machine import Machine
from bench.boards.ports import Port
from bench.boards.whereabouts import lease_key
from bench.builds import Build, VirtualBuild, write_build
from bench.errors import BenchError, BoardBusy, BoardLost
from bench.server import Authority
from tests.ota.rig import flash

MODEL = Board(name="model", chip="esp32s3", driver="virtual")


@pytest.fixture(autouse=True)
def leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of this test's own: others may check a port of the same name at the same time."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "leases"))
    return lease_folder()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty machine: a tree for /proc, /sys and /etc."""
    return tmp_path / "machine"


def put(root: Path, path: str, text: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.fixture
def lab() -> Iterator[VirtualBoard]:
    """A virtual board that is reached by its port alone, as a real one."""
    with VirtualBoard(MODEL) as board:
        yield board


def remote(board: VirtualBoard, **fields: object) -> Board:
    return Board(**{"name": "desk", "chip": "esp32s3", "driver": "rfc2217", "port": board.url, **fields})  # type: ignore[arg-type]  # the fields of a board by name


def by_step(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {finding.step: finding for finding in findings}


def test_a_board_that_works_passes_every_step(tmp_path: Path) -> None:
    write_build(
        VirtualBuild(chip="esp32s3", app="simple_ota", version="1", ca_pem=Authority.throwaway().ca_pem),
        tmp_path / "build",
    )
    build = Build.load(tmp_path / "build")
    with VirtualBoard(MODEL) as board:
        flash(board, build)
        found = by_step(check_board(remote(board, server_host="127.0.0.2"), listen=20))
    assert {step: finding.verdict for step, finding in found.items()} == {
        "port": "ok",
        "download mode": "ok",
        "console": "ok",
        "address": "ok",
    }
    assert "esp32s3 v0.2, MAC f4:12:fa:b0:f5:a4, flash 8MB" in found["download mode"].told


def test_a_blank_board_is_no_broken_one(lab: VirtualBoard) -> None:
    found = by_step(check_board(remote(lab), listen=20))
    assert (found["console"].verdict, found["console"].told) == ("warning", "its flash holds no bootloader")


ROM = b"ESP-ROM:esp32s3-20210327\r\nrst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)\r\nentry 0x403c8914\r\n"
APP = (
    b"I (26) boot: ESP-IDF v5.5.1 2nd stage bootloader\r\n"
    b"I (150) boot: Loaded app from partition at offset 0x10000\r\n"
    b"I (160) app_init: App version:      1\r\n"
    b"I (161) main_task: Calling app_main()\r\n"
)


def test_a_boot_that_was_under_way_is_not_the_one_after_the_reset() -> None:
    heard = BootHeard()
    heard.feed(APP + ROM)
    assert not heard.whole.is_set()
    heard.feed(APP)
    assert heard.whole.is_set()
    assert heard.judged(115200, 5).verdict == "ok"


@pytest.mark.parametrize(
    ("said", "verdict", "told", "mend"),
    [
        (b"", "broken", "it says nothing within 5 s of a reset", "flash it"),
        (b"invalid header: 0xffffffff\r\n", "warning", "its flash holds no bootloader", "nothing"),
        (bytes(range(128, 256)), "broken", "what it says at 115200 bit/s is noise", "74880"),
        (APP, "warning", "it speaks, but no line of its ROM came", "wire EN to RTS"),
        (ROM + APP, "ok", "it resets, boots and speaks at 115200 bit/s", ""),
    ],
)
def test_each_thing_that_a_console_may_say(said: bytes, verdict: str, told: str, mend: str) -> None:
    heard = BootHeard()
    for at in range(0, len(said), 7):
        heard.feed(said[at : at + 7])
    finding = heard.judged(115200, 5)
    assert (finding.verdict, finding.told[: len(told)]) == (verdict, told)
    assert mend in finding.mend
    assert heard.whole.is_set() == (b"rst:0x" in said or b"invalid header" in said)


@pytest.mark.parametrize(
    ("fields", "step", "mend"),
    [
        ({"chip": "esp32"}, "download mode", "boards.yaml calls it an esp32: mend `chip:`"),
        ({"mac": "01:02:03:04:05:06"}, "download mode", "boards.yaml wants 01:02:03:04:05:06"),
        ({}, "address", "say server_host: "),
        ({"server_host": "192.0.2.77"}, "address", "mend `server_host:`"),
    ],
)
def test_what_boards_yaml_says_wrongly_is_broken(
    lab: VirtualBoard, fields: dict[str, str], step: str, mend: str
) -> None:
    finding = by_step(check_board(remote(lab, **fields), listen=20))[step]
    assert finding.verdict == "broken"
    assert mend in finding.mend


def test_a_port_that_is_not_there_ends_the_check() -> None:
    (finding,) = check_board(Board("desk", "esp32", "serial", "/dev/nonesuch"))
    assert (finding.verdict, finding.told) == ("broken", "/dev/nonesuch is not there")


def test_a_port_that_may_not_be_opened_names_the_group(tmp_path: Path) -> None:
    port = tmp_path / "ttyUSB0"
    port.touch()
    (finding,) = check_board(Board("desk", "esp32", "serial", str(port)), may_open=lambda _: False)
    assert finding.mend.startswith("`sudo usermod -aG ")


_HOLD = "import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); print(flush=True); sys.stdin.read()"


def test_a_port_in_use_names_its_holder() -> None:
    ours, theirs = pty.openpty()
    port = os.ttyname(theirs)
    os.close(theirs)
    with Popen([sys.executable, "-c", _HOLD, port], stdin=PIPE, stdout=PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        (finding,) = check_board(Board("desk", "esp32", "serial", port))
        assert finding.verdict == "broken"
        assert f"pid {holder.pid} (" in finding.told
        assert finding.mend == f"end it: kill {holder.pid}"
        holder.communicate()
    os.close(ours)


def test_a_board_that_somebody_has_leased_is_not_touched(leases: Path) -> None:
    def disturbed(port: str) -> bool:
        raise AssertionError(f"{port} was disturbed")

    theirs = Owner("s3", "ana", 4711, "lab", "2026-03-02T09:15:00Z", "pytest --board s3")
    told = "in use by ana (pid 4711 on lab) since 2026-03-02T09:15:00Z for 'pytest --board s3'"
    board = Board("desk", "esp32", "serial", os.devnull)
    key = lease_key(board)
    assert key is not None
    with Lease(leases, key, theirs) as lease:
        assert lease.take()
        (finding,) = check_board(board, may_open=disturbed)
        assert (finding.verdict, finding.told, finding.mend) == ("broken", told, "wait for it, or end it")
        (found,) = discover([Port(os.devnull)], ask=lambda port: pytest.fail(f"{port} was disturbed"))
        assert (found.identity, found.problem) == (None, told)
    assert next(check_board(board, may_open=lambda _: False)).told == f"you may not open {os.devnull}"


def test_a_board_is_leased_as_long_as_it_is_asked(leases: Path) -> None:
    with Lease(leases, "port /dev/a", Owner.this_process("a", "a test")) as theirs:

        def ask(_port: str) -> Identity:
            assert not theirs.take()
            return Identity("esp32c3", "v0.4", "01:02:03:04:05:06", "4MB")

        (found,) = discover([Port("/dev/a")], ask=ask)
        assert found.identity is not None
        assert theirs.take()


def test_a_url_that_is_none_does_not_end_the_discovery() -> None:
    (found,) = discover([Port("socket://[lab:4000")], ask=lambda port: pytest.fail(f"{port} was asked"))
    assert found.problem == "is no URL: Invalid IPv6 URL"


class _Silent(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while self.request.recv(100):
            pass


def test_a_port_where_nobody_answers_says_how_to_reach_download_mode() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Silent) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        board = Board("desk", "esp32s3", "rfc2217", f"rfc2217://127.0.0.1:{server.server_address[1]}")
        found = by_step(check_board(board))
        server.shutdown()
    assert found["download mode"].verdict == "broken"
    assert "hold BOOT" in found["download mode"].mend


def test_the_machine_is_looked_at(root: Path) -> None:
    assert list(check_machine(Machine(root))) == []
    put(root, "proc/7/comm", "ModemManager\n")
    put(root, "etc/ufw/ufw.conf", "ENABLED=yes\n")
    put(root, "sys/bus/usb/devices/1-2.3/idVendor", "10c4\n")
    put(root, "sys/bus/usb/devices/1-2.3/product", "CP2102N\n")
    found = by_step(check_machine(Machine(root)))
    assert set(found) == {"driver", "ModemManager", "firewall"}
    assert found["driver"].mend == "sudo modprobe cp210x"
    assert "CP2102N at USB 1-2.3" in found["driver"].told
    put(root, "sys/bus/usb/devices/1-2.3/1-2.3:1.0/ttyUSB0/x")
    put(root, "etc/udev/rules.d/99-esp.rules", 'ATTRS{idVendor}=="303a", ENV{ID_MM_DEVICE_IGNORE}="1"\n')
    put(root, "etc/ufw/ufw.conf", "ENABLED=no\n")
    put(root, "proc/8/comm", "firewalld\n")
    assert list(by_step(check_machine(Machine(root)))) == ["firewall"]


def test_a_commented_rule_is_no_rule(root: Path) -> None:
    put(root, "etc/udev/rules.d/99-esp.rules", '# ATTRS{idVendor}=="303a", ENV{ID_MM_DEVICE_IGNORE}="1"\n')
    assert not Machine(root).modem_manager_ignores("303a")


def test_discovery_asks_the_chip_and_its_entry_can_be_pasted(lab: VirtualBoard) -> None:
    (found,) = discover([Port(lab.port)])
    assert found.identity == Identity("esp32s3", "v0.2", "f4:12:fa:b0:f5:a4", "8MB")
    url = Discovered(Port("rfc2217://127.0.0.1:4000"), found.identity)
    file = BoardsFile.parse(("boards:\n" + entry(url)).encode())
    assert file.boards["esp32s3-f5a4"].port == "rfc2217://127.0.0.1:4000"
    assert file.boards["esp32s3-f5a4"].mac == "f4:12:fa:b0:f5:a4"
    assert entry(found) == "", "no driver takes a virtual:// URL"


@pytest.mark.parametrize(
    ("port", "line"),
    [
        (Port("/dev/ttyACM0", 0x303A, 0x1001, "F4:12:FA:B0:F5:A4", "1-2"), '      serial: "F4:12:FA:B0:F5:A4"'),
        (Port("/dev/ttyUSB0", 0x1A86, 0x7523, "", "1-2.3"), "      location: 1-2.3"),
        (Port("/dev/ttyUSB0", 0x10C4, 0xEA60, "0001", "1-2.3"), "      location: 1-2.3"),
        (Port("/dev/ttyS4"), "    port: /dev/ttyS4"),
    ],
)
def test_a_board_is_called_by_what_stays(port: Port, line: str) -> None:
    text = entry(Discovered(port, Identity("esp32s3", "v0.2", "f4:12:fa:b0:f5:a4", "8MB")), {"esp32s3-f5a4"})
    assert line in text.splitlines()
    assert list(BoardsFile.parse(b"boards:\n" + text.encode()).boards) == ["esp32s3-f5a4-2"]


@pytest.mark.parametrize("kind", [BoardLost, BoardBusy, BenchError])
def test_one_port_that_tells_nothing_does_not_end_the_discovery(kind: type[BenchError]) -> None:
    def ask(port: str) -> Identity:
        if port == "/dev/a":
            raise kind("/dev/a: no serial data received")
        return Identity("esp32c3", "v0.4", "01:02:03:04:05:06", "4MB")

    first, second = discover([Port("/dev/a"), Port("/dev/b")], ask=ask)
    assert (first.identity, first.problem) == (None, "/dev/a: no serial data received")
    assert second.identity is not None


def test_a_port_that_is_held_is_not_disturbed(root: Path) -> None:
    ours, theirs = pty.openpty()
    port = os.ttyname(theirs)
    put(root, "proc/4711/cmdline", "minicom\0-D\0")
    (root / "proc/4711/fd").mkdir()
    (root / "proc/4711/fd/3").symlink_to(port)
    assert stat.S_ISCHR(os.stat(port).st_mode)

    def ask(port: str) -> Identity:
        raise AssertionError(f"{port} was disturbed")

    (found,) = discover([Port(port)], ask=ask, proc=root / "proc")
    assert found.problem == "in use by pid 4711 (minicom -D)"
    os.close(ours)
    os.close(theirs)
