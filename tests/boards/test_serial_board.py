"""The `serial` driver: the right board is found, waited for, followed to another name, and never mistaken."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.boards.board import Board, UsbIdentity
from bench.boards.console_port import Away, ConsolePort
from bench.boards.drivers import SerialBoard, VirtualBoard
from bench.boards.drivers.console import console_of
from bench.boards.lease import FOLDER_VARIABLE, Lease, Owner, lease_folder
from bench.boards.opening import open_port
from bench.boards.ports import SysfsPorts
from bench.boards.whereabouts import lease_key
from bench.console import Console
from bench.errors import BenchError, BoardBusy, BoardLost
from bench.server import Authority
from bench.timeline import Deadline, Timeline
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
from tests.boards.usb_board import Terminal, UsbBoard, UsbIds, UsbTree

NATIVE = UsbIds.native(MAC)
READY = b"Starting Advanced OTA example"
OTHER_MAC = "f4:12:fa:00:00:01"


def desk(**fields: object) -> Board:
    return Board(name="desk", chip=CHIP, driver="serial", **fields)  # type: ignore[arg-type]  # of any field


def unasked(_port: str) -> str:
    raise AssertionError("this chip must not be asked")


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


@pytest.fixture
def tree(tmp_path: Path) -> UsbTree:
    return UsbTree(tmp_path / "machine")


def at(tree: UsbTree, board: Board, **arguments: object) -> SerialBoard:
    return SerialBoard(board, ports=SysfsPorts(tree.root), **{"arrival": 0.0, **arguments})  # type: ignore[arg-type]


# -- finding


@pytest.mark.parametrize(
    "named",
    [
        {"usb": UsbIdentity(serial=MAC.upper())},
        {"usb": UsbIdentity(location="1-2")},
        {"usb": UsbIdentity(serial=MAC.upper(), location="1-2")},
        {"mac": MAC},
    ],
)
def test_a_native_board_is_found_by_serial_number_location_or_mac(
    tree: UsbTree, terminal: Terminal, named: dict[str, object]
) -> None:
    tree.plug("ttyACM0", "/dev/null", usb=UsbIds.native(OTHER_MAC), location="1-1")
    node = tree.plug("ttyACM1", terminal.path, usb=NATIVE, location="1-2")
    tree.plug("ttyUSB0", "/dev/null", usb=UsbIds.bridge(), location="1-3")
    with at(tree, desk(**named), ask_mac=unasked) as board:
        assert board.port == str(node)
        assert board.native
    with pytest.raises(BoardLost, match="not attached"):
        assert board.port


def test_a_board_is_found_by_its_path_or_a_link_to_it(tree: UsbTree, terminal: Terminal, tmp_path: Path) -> None:
    node = tree.plug("ttyACM0", terminal.path, usb=NATIVE)
    link = tmp_path / "by-id"
    link.symlink_to(node)
    for path in (node, link):
        with at(tree, desk(port=str(path))) as board:
            assert board.port == str(node)


def test_a_path_that_is_no_usb_device_stays_as_it_is(tree: UsbTree, terminal: Terminal) -> None:
    with at(tree, desk(port=terminal.path)) as board:
        assert board.port == terminal.path
        assert not board.native


def test_nothing_there_is_a_lost_board_and_what_is_there_is_told(tree: UsbTree) -> None:
    tree.plug("ttyACM0", "/dev/null", usb=UsbIds.native(OTHER_MAC), location="1-1")
    with pytest.raises(BoardLost, match=r"desk: nothing at USB serial number 77; USB ports there are: .*ttyACM0 \(USB"):
        at(tree, desk(usb=UsbIdentity(serial="77"))).__enter__()


def test_a_board_that_comes_a_moment_later_is_waited_for(tree: UsbTree, terminal: Terminal) -> None:
    late = threading.Timer(0.2, lambda: tree.plug("ttyACM4", terminal.path, usb=NATIVE))
    late.start()
    with at(tree, desk(mac=MAC), arrival=20.0) as board:
        assert board.port.endswith("ttyACM4")
    late.join()


def test_two_ports_that_fit_are_never_guessed_between(tree: UsbTree, terminal: Terminal) -> None:
    tree.plug("ttyUSB0", "/dev/null", usb=UsbIds.bridge(), location="1-1")
    tree.plug("ttyUSB1", terminal.path, usb=UsbIds.bridge(), location="1-2")
    with pytest.raises(BenchError, match=r"2 ports fit USB serial number 0001: .*ttyUSB0.*ttyUSB1.*by-path"):
        at(tree, desk(usb=UsbIdentity(serial="0001"))).__enter__()
    with at(tree, desk(usb=UsbIdentity(serial="0001", location="1-2"))) as board:
        assert board.port.endswith("ttyUSB1")


# -- the right chip


def test_another_chip_in_the_boards_place_is_refused(tree: UsbTree) -> None:
    tree.plug("ttyACM0", "/dev/null", usb=UsbIds.native(OTHER_MAC))
    with pytest.raises(BoardLost, match=rf"MAC {OTHER_MAC}, and boards.yaml says {MAC}; nothing was written"):
        at(tree, desk(usb=UsbIdentity(location="1-2"), mac=MAC), ask_mac=unasked).__enter__()


def test_the_chip_behind_a_bridge_is_asked_by_esptool(tree: UsbTree) -> None:
    with VirtualBoard(MODEL) as model:
        bridge = UsbBoard(tree, model.port, usb=UsbIds.bridge(), vanishes=False, prefix="ttyUSB")
        with bridge:
            with at(tree, desk(usb=UsbIdentity(location="1-2"), mac=MAC)) as board:
                assert board.port == bridge.node
            with pytest.raises(BoardLost, match=rf"MAC {MAC}, and boards.yaml says {OTHER_MAC}"):
                at(tree, desk(usb=UsbIdentity(location="1-2"), mac=OTHER_MAC)).__enter__()


def test_a_bare_mac_is_looked_for_at_bridges_that_nobody_uses(
    tree: UsbTree, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "leases"))

    def lease(location: str) -> Lease:
        return Lease(lease_folder(), f"usb {location}", Owner.this_process("another", "a test"))

    with ExitStack() as stack:
        assert stack.enter_context(lease("1-3")).take()
        macs = {}
        for number, mac in enumerate(("silent", OTHER_MAC, "leased", MAC)):
            one = Terminal()
            stack.callback(one.close)
            macs[str(tree.plug(f"ttyUSB{number}", one.path, usb=UsbIds.bridge(), location=f"1-{number + 1}"))] = mac
        tree.plug("ttyUSB9", terminal.path, usb=UsbIds.bridge(), location="1-9")
        tree.plug("ttyACM0", "/dev/null", usb=UsbIds.native(OTHER_MAC), location="2-1")
        asked = []

        def ask(port: str) -> str:
            asked.append(macs[port])
            if macs[port] == "silent":
                raise BoardLost("no answer")
            return macs[port]

        stack.enter_context(Monitor(terminal.path))
        with at(tree, desk(mac=MAC), ask_mac=ask) as board, lease("1-4") as theirs:
            assert macs[board.port] == MAC
            assert not theirs.take()
        with lease("1-4") as free:
            assert free.take()
        assert asked == ["silent", OTHER_MAC, MAC]
        with pytest.raises(BoardBusy, match=r"USB0: no answer; .*USB2: in use, not asked; .*USB9: in use, not asked"):
            at(tree, desk(mac="00:00:00:00:00:00"), ask_mac=ask).__enter__()
        assert asked[3:] == ["silent", OTHER_MAC, MAC]


@pytest.fixture
def bridges(tree: UsbTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Two bridges, by their nodes, and what stands behind them; leases are in a folder of the test's own."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "leases"))
    with ExitStack() as stack:
        macs = {}
        for number, mac in enumerate((OTHER_MAC, "silent")):
            one = Terminal()
            stack.callback(one.close)
            macs[str(tree.plug(f"ttyUSB{number}", one.path, usb=UsbIds.bridge(), location=f"1-{number + 1}"))] = mac
        yield macs


def test_a_bare_mac_that_no_bridge_has_is_a_lost_board(tree: UsbTree, bridges: dict[str, str]) -> None:
    def ask(port: str) -> str:
        if bridges[port] == "silent":
            raise BoardLost("no answer")
        return bridges[port]

    with pytest.raises(BoardLost, match=rf"no chip with the MAC {MAC}; .*USB0: {OTHER_MAC}; .*USB1: no answer"):
        at(tree, desk(mac=MAC), ask_mac=ask).__enter__()


def test_a_bare_mac_waits_for_a_bridge_in_use_and_resets_no_other_board_again(
    tree: UsbTree, bridges: dict[str, str]
) -> None:
    asked = []

    def ask(port: str) -> str:
        asked.append(bridges[port])
        if bridges[port] == "silent":
            raise BoardBusy("held by a process of another user, which only the opening tells")
        return bridges[port]

    board = at(tree, desk(mac=MAC), ask_mac=ask)
    for _ in range(2):
        with pytest.raises(BoardBusy, match=rf"no chip with the MAC {MAC}; .*{OTHER_MAC}; .*USB1: in use, not asked"):
            board.__enter__()
    assert asked == [OTHER_MAC, "silent", "silent"]
    silent = next(port for port, mac in bridges.items() if mac == "silent")
    bridges[silent] = MAC
    with board:
        assert board.port == silent
    assert asked[3:] == [MAC]


# -- somebody else's


class Monitor:
    """Another process that has a port open, for as long as the context lasts."""

    def __init__(self, port: str) -> None:
        self._port = port

    def __enter__(self) -> subprocess.Popen[bytes]:
        script = "import sys; port = open(sys.argv[1], 'rb', 0); print(flush=True); sys.stdin.read()"
        command = [sys.executable, "-c", script, self._port]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def test_a_port_that_another_process_has_open_is_busy(tree: UsbTree, terminal: Terminal) -> None:
    tree.plug("ttyACM0", terminal.path, usb=NATIVE)
    with Monitor(terminal.path) as process:
        with pytest.raises(BoardBusy, match=rf"held by pid {process.pid} \(.*python.*import sys"):
            at(tree, desk(mac=MAC)).__enter__()
        ended = threading.Timer(0.2, process.terminate)
        ended.start()
        with at(tree, desk(mac=MAC), arrival=20.0) as board:
            assert board.port.endswith("ttyACM0")
        ended.join()


def test_a_port_that_only_the_opening_finds_taken_is_busy_as_well(tree: UsbTree, terminal: Terminal) -> None:
    """As other users' processes are, which /proc does not show. This process's own are not looked for there either."""
    tree.plug("ttyUSB0", terminal.path, usb=UsbIds.bridge())
    with (
        open_port(terminal.path, baud=115200, timeout=0.1),
        pytest.raises(BoardBusy, match="is held by another process, which only its user or root can see"),
    ):
        at(tree, desk(usb=UsbIdentity(location="1-2"), mac=MAC)).__enter__()


@pytest.mark.parametrize(
    "named",
    [{"usb": UsbIdentity(serial=MAC.upper())}, {"mac": MAC}, {"port": "ttyACM3"}],
    ids=["serial number", "MAC", "path"],
)
def test_a_board_that_was_leased_while_its_port_was_away_is_leased_by_its_place_too(
    tree: UsbTree, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: dict[str, str]
) -> None:
    """Its port leaves at each reset; who asks in that moment knows less of it than who asked before."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "leases"))
    wanted = desk(**named) if "port" not in named else desk(port=str(tree.root / "dev" / named["port"]))
    away = lease_key(wanted, SysfsPorts(tree.root))
    assert away not in (None, "usb 1-2")
    tree.plug("ttyACM3", terminal.path, usb=NATIVE, location="1-2")

    def place() -> Lease:
        return Lease(lease_folder(), "usb 1-2", Owner.this_process("another", "a test"))

    late = at(tree, wanted, leased=away)
    with place() as theirs:
        assert theirs.take()
        with pytest.raises(BoardBusy, match=r"desk: the board at .*ttyACM3 is held by .* for 'a test'"):
            late.__enter__()
    with late, place() as theirs:
        assert not theirs.take()
    with place() as theirs:
        assert theirs.take()
        with at(tree, wanted, leased=lease_key(wanted, SysfsPorts(tree.root))) as known:
            assert known.port.endswith("ttyACM3")  # that is the lease that its owner has


# -- the port leaves and returns


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.load_or_create(tmp_path / "ca")


def test_a_whole_scenario_on_a_board_whose_port_leaves_at_every_reset(
    tree: UsbTree, authority: Authority, tmp_path: Path
) -> None:
    """Flashed by esptool, updated, rolled back: each boot comes in under another name, and none of it is missed."""
    build = a_build(tmp_path / "build", authority)
    gone: list[Away] = []
    with VirtualBoard(MODEL) as model:
        program(model, a_build(tmp_path / "before", authority, version="0"))
        with UsbBoard(tree, model.port, usb=NATIVE) as cable:
            model.power(True)
            wait_until(lambda: cable.returns == 1, "the first boot")
            named = desk(usb=UsbIdentity(serial=MAC.upper()), mac=MAC, reset_by="power")
            with at(tree, named, ask_mac=unasked, arrival=20.0) as board:
                flash_by_esptool(board.port, build)
                board.supply = model  # the switch of its power

                def opened(console: Console, _timeline: Timeline) -> ConsolePort:
                    return console_of(board, console.feed, away=gone.append)

                with updating(build, authority, model, opened) as (ota, timeline):
                    update(ota, build, "2", to="ota_1")
                    update_and_roll_back(ota, build, to="ota_0", back_to="ota_1")
                    boots = [entry.data["app_version"] for entry in timeline.entries if entry.kind == "boot"]
                assert board.port == cable.node
    assert boots == ["1", "2", None, "2"]
    assert [away.back_as.rsplit("/", 1)[1] for away in gone] == [
        f"ttyACM{number}" for number in range(2, 2 + len(gone))
    ]
    assert len(gone) == len(boots)
    assert all(0 < away.seconds < 15 for away in gone)


@pytest.fixture
def running(tree: UsbTree, authority: Authority, tmp_path: Path) -> Iterator[tuple[VirtualBoard, UsbBoard]]:
    """A board that runs, at a port that leaves at each reset."""
    with VirtualBoard(MODEL) as model:
        program(model, a_build(tmp_path / "build", authority))
        with UsbBoard(tree, model.port, usb=NATIVE) as cable:
            model.power(True)
            wait_until(lambda: cable.returns == 1, "the first boot")
            yield model, cable


def test_every_byte_is_heard_through_many_resets(tree: UsbTree, running: tuple[VirtualBoard, UsbBoard]) -> None:
    """The bytes are those that the board says on a wire that never leaves."""
    _model, cable = running
    heard = Heard()
    gone: list[Away] = []
    with at(tree, desk(mac=MAC), arrival=20.0) as board, console_of(board, heard.feed, away=gone.append) as port:
        for times in range(1, 6):
            cable.press_reset()
            heard.wait_for(READY, times)
        assert port.port == cable.node
    assert len(gone) == 5
    boots = heard.data[heard.data.index(b"ESP-ROM") :].split(b"ESP-ROM")[1:]
    assert len(boots) == 5
    said = [re.sub(rb"\(\d+\)", b"", boot[: boot.index(READY)]) for boot in boots]
    assert said == said[:1] * 5


def test_what_is_typed_while_the_port_is_away_waits_for_it(tree: UsbTree, terminal: Terminal) -> None:
    first = Terminal()
    tree.plug("ttyACM0", first.path, usb=NATIVE)
    gone: list[Away] = []
    with at(tree, desk(mac=MAC)) as board, console_of(board, Heard().feed, away=gone.append, away_limit=60.0) as port:
        port.write(b"before")
        wait_until(lambda: first.read() == b"before", "what was typed before")
        tree.unplug("ttyACM0")
        first.close()
        typed = threading.Thread(target=port.write, args=(b"meanwhile",))
        typed.start()
        assert typed.is_alive()
        tree.plug("ttyACM1", terminal.path, usb=NATIVE)
        wait_until(lambda: terminal.read() == b"meanwhile", "what was typed meanwhile")
        typed.join()
        port.write(b"after")
        wait_until(lambda: terminal.read() == b"after", "what was typed after")
    assert len(gone) == 1


def test_a_port_that_goes_when_the_board_is_answered_is_a_lost_board_at_once(tree: UsbTree) -> None:
    """As where Wi-Fi credentials are typed: what answers the console does so in the thread that reads it."""
    terminal, stop, lost = Terminal(), threading.Event(), list[BoardLost]()
    tree.plug("ttyACM0", terminal.path, usb=NATIVE)

    def answer(_data: bytes) -> None:
        tree.unplug("ttyACM0")
        terminal.close()
        port.write(b"an answer")

    with (
        at(tree, desk(mac=MAC)) as board,
        console_of(board, answer, lost=lost.append, away_limit=60.0) as port,
    ):
        terminal.write(b"a question", stop)
        wait_until(lambda: bool(lost), "the loss")
        assert str(lost[0]) == str(port.lost)
        with pytest.raises(BoardLost, match=r"^the port \S+ttyACM0 is gone: while the bench typed: "):
            expect_loss(port)
    assert no_console_left()


def test_a_line_that_breaks_off_is_not_joined_with_what_comes_after(tree: UsbTree, terminal: Terminal) -> None:
    """What the chip said before it left is told as it broke off, then that the port was away, and no text of ours."""
    first, stop = Terminal(), threading.Event()
    tree.plug("ttyACM0", first.path, usb=NATIVE)
    with Timeline() as timeline, at(tree, desk(mac=MAC)) as board:
        console = Console(timeline)

        def away(gone: Away) -> None:
            console.close()
            timeline.append("bench", "port_away", **gone.as_data())

        with console_of(board, console.feed, away=away) as port:
            first.write(b"I (5) wifi: conn", stop)
            wait_until(first.drained, "the reader")
            tree.unplug("ttyACM0")
            first.close()
            terminal.write(b"ESP-ROM:esp32s3-20210327\r\n", stop)  # before anybody has opened it
            tree.plug("ttyACM1", terminal.path, usb=NATIVE)
            wait_until(lambda: port.port.endswith("ttyACM1") and terminal.drained(), "the return")
        console.close()
        told = [(entry.kind, entry.data) for entry in timeline.entries]
    assert [kind for kind, _ in told] == ["record", "port_away", "noise"]
    assert told[0][1]["message"] == "conn"
    assert str(told[1][1]["port"]).endswith("ttyACM0")
    assert str(told[1][1]["back_as"]).endswith("ttyACM1")
    assert told[2][1]["text"] == "ESP-ROM:esp32s3-20210327"


def test_a_port_that_never_returns_is_a_lost_board_with_the_first_cause(
    tree: UsbTree, running: tuple[VirtualBoard, UsbBoard]
) -> None:
    _model, cable = running
    cable.stays_away = True
    with (
        Timeline() as timeline,
        at(tree, desk(mac=MAC), arrival=20.0) as board,
        console_of(board, Console(timeline).feed, lost=timeline.fail, away_limit=0.3) as port,
    ):
        cable.press_reset()
        with pytest.raises(BoardLost, match="did not come back"):
            timeline.wait(lambda entry: entry.kind == "boot", Deadline(60))
        with pytest.raises(BoardLost, match=r"did not come back within 0.3 s; first cause: .*(gone|Input/output)"):
            expect_loss(port)
        with pytest.raises(BoardLost, match="first cause"):
            port.reset()
    assert no_console_left()


def test_another_board_in_its_place_is_not_taken_for_it(tree: UsbTree, running: tuple[VirtualBoard, UsbBoard]) -> None:
    _model, cable = running
    heard = Heard()

    def swap() -> None:
        cable.usb = UsbIds.native(OTHER_MAC)

    cable.before_return = swap
    with at(tree, desk(mac=MAC), arrival=20.0) as board, console_of(board, heard.feed, away_limit=20.0) as port:
        cable.press_reset()
        with pytest.raises(BoardLost, match=rf"another board .*{OTHER_MAC.upper()}.*expected .*{MAC}"):
            expect_loss(port)
    assert no_console_left()
    assert b"ESP-ROM" not in heard.data


def test_the_same_board_at_another_place_is_followed(tree: UsbTree, running: tuple[VirtualBoard, UsbBoard]) -> None:
    _model, cable = running
    heard = Heard()

    def move() -> None:
        cable.location = "2-7"

    cable.before_return = move
    with at(tree, desk(mac=MAC), arrival=20.0) as board, console_of(board, heard.feed, away_limit=20.0) as port:
        cable.press_reset()
        heard.wait_for(READY)
        assert port.port == cable.node


def test_a_twin_that_is_plugged_in_later_is_not_taken_for_it(tree: UsbTree, terminal: Terminal) -> None:
    """Some bridges all have the same serial number; the twin's port comes first in the list."""
    node = tree.plug("ttyUSB1", terminal.path, usb=UsbIds.bridge(), location="1-2")
    with at(tree, desk(usb=UsbIdentity(serial="0001"))) as board:
        tree.plug("ttyUSB0", "/dev/null", usb=UsbIds.bridge(), location="1-1")
        assert board.port == str(node)
        tree.unplug("ttyUSB1")
        assert board.home.now() is None
        back = tree.plug("ttyUSB7", terminal.path, usb=UsbIds.bridge(), location="1-2")
        assert board.port == str(back)


def test_a_tool_may_have_the_port_for_a_while(
    tree: UsbTree, authority: Authority, running: tuple[VirtualBoard, UsbBoard], tmp_path: Path
) -> None:
    model, cable = running
    heard = Heard()
    with at(tree, desk(mac=MAC), arrival=20.0) as board, console_of(board, heard.feed) as port:
        with port.lent() as name:
            flash_by_esptool(name, a_build(tmp_path / "next", authority, version="7"))
        model.power(False)
        model.power(True)
        heard.wait_for(b"App version:      7")
    assert no_console_left()
    assert os.path.exists(cable.node)


def expect_loss(port: ConsolePort) -> None:
    """Wait for the loss of the board, and let it be raised."""
    wait_until(lambda: port.lost is not None, "the loss")
    port.write(b"x")


def no_console_left() -> bool:
    return not [thread for thread in threading.enumerate() if thread.name.startswith("console of")]
