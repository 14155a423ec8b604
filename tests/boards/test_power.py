"""Switches of the supply: what they ask of their tools, and what they believe of the answers."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.boards.board import Board, HubPort, NetworkPower, PowerCommands
from bench.boards.drivers import attach
from bench.boards.power import switch_of
from bench.boards.power_command import CommandSwitch, run_tool
from bench.boards.power_hub import HubSwitch, port_states
from bench.errors import BenchError
from tests.boards import uhubctl_stand_in

BRIDGE = "10c4:ea60 Silicon Labs CP2102N USB to UART Bridge Controller power off 0001"
USB2 = {
    "description": "2109:2817 VIA Labs, Inc. USB2.0 Hub, USB 2.10, 4 ports, ppps",
    "super_speed": False,
    "ports": {"1": {"status": 0x0100, "device": ""}, "2": {"status": 0x0103, "device": BRIDGE}},
}
USB3 = {
    "description": "2109:0817 VIA Labs, Inc. USB3.0 Hub, USB 3.20, 4 ports, ppps",
    "super_speed": True,
    "dual": "1-1.4",
    "ports": {"2": {"status": 0x02A0, "device": ""}},
}

Hubs = Callable[[dict[str, Any]], Path]


@pytest.fixture
def hubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hubs:
    """Puts hubs and a uhubctl that sees them on this machine."""

    def put(found: dict[str, Any]) -> Path:
        state = tmp_path / "hubs.json"
        state.write_text(json.dumps(found))
        monkeypatch.setenv("UHUBCTL_HUBS", str(state))
        tool = tmp_path / "bin" / "uhubctl"
        tool.parent.mkdir()
        tool.write_text(f'#!/bin/sh\nexec {sys.executable} {uhubctl_stand_in.__file__} "$@"\n')
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", str(tool.parent), prepend=":")
        return state

    return put


def test_a_hub_switches_both_of_its_speeds_off_and_on(hubs: Hubs) -> None:
    hubs({"1-1.4": USB2, "2-1.4": USB3, "1-2": USB2})
    switch = switch_of(HubPort("1-1.4", 2))
    assert isinstance(switch, HubSwitch)
    assert switch.states() == {"1-1.4": True, "2-1.4": True}
    switch.switch(False)
    assert switch.states() == {"1-1.4": False, "2-1.4": False}
    assert HubSwitch(HubPort("1-1.4", 1)).states() == {"1-1.4": True}
    assert HubSwitch(HubPort("1-2", 2)).states() == {"1-2": True}
    switch.switch(True)
    assert switch.states() == {"1-1.4": True, "2-1.4": True}


@pytest.mark.parametrize("on", [True, False])
def test_a_hub_that_acknowledges_and_does_nothing_is_not_believed(hubs: Hubs, on: bool) -> None:
    half = {**USB3, "obeys": False, "ports": {"2": {"status": 0x0000 if on else 0x02A0, "device": ""}}}
    hubs({"1-1.4": USB2, "2-1.4": half})
    with pytest.raises(BenchError, match=rf"hub 2-1\.4 says that it is {'off' if on else 'on'}: this hub cannot"):
        HubSwitch(HubPort("1-1.4", 2)).switch(on)


def test_a_port_or_hub_that_is_not_there_is_named(hubs: Hubs) -> None:
    hubs({"1-1.4": USB2})
    with pytest.raises(BenchError, match=r"nothing of port 7 of hub 1-1\.4.*run `uhubctl`"):
        HubSwitch(HubPort("1-1.4", 7)).switch(False)
    with pytest.raises(BenchError, match=r"exit code 1\):\nNo compatible devices detected at location 9-9"):
        HubSwitch(HubPort("9-9", 1)).switch(False)


def test_a_user_without_rights_is_told_the_udev_rule(hubs: Hubs, monkeypatch: pytest.MonkeyPatch) -> None:
    hubs({})
    monkeypatch.setenv("UHUBCTL_FORBIDDEN", "1")
    with pytest.raises(BenchError, match=r"udev rule .*SUBSYSTEM"):
        HubSwitch(HubPort("1-1.4", 2)).switch(False)


def test_a_missing_uhubctl_is_told_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match="apt-get install uhubctl"):
        HubSwitch(HubPort("1-1", 1)).switch(True)


# From uhubctl's README (2.6.0), with a third hub after it.
README = """\
Current status for hub 1-1 [0424:9514]
  Port 1: 0503 power highspeed enable connect [0424:ec00]
  Port 2: 0100 power
  Port 3: 0000 off
Sent power off request
New status for hub 1-1 [0424:9514]
  Port 2: 0000 off
Current status for hub 2 [1d6b:0003 Linux 5.15 xhci-hcd xHCI Host Controller 0000:01:00.0, USB 3.00, 4 ports, ppps]
  Port 2: 02a0 power 5gbps Rx.Detect
"""


def test_the_last_that_is_said_of_a_port_counts() -> None:
    assert port_states(README, 1) == {"1-1": True}
    assert port_states(README, 2) == {"1-1": False, "2": True}
    assert port_states(README, 3) == {"1-1": False}
    assert port_states(README, 4) == {}


@given(st.text(st.characters(exclude_characters="\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=60))
def test_what_a_device_calls_itself_changes_nothing(name: str) -> None:
    ports = [f"  Port 1: 0103 power enable connect [{name}]", f"  Port 2: 0000 off [{name}]"]
    lines = "\n".join([f"Current status for hub 1-1 [{name}]", *ports])
    assert port_states(lines, 1) == {"1-1": True}
    assert port_states(lines, 2) == {"1-1": False}


@given(st.text())
def test_no_output_is_too_odd(text: str) -> None:
    assert isinstance(port_states(text, 1), dict)


def test_commands_of_the_users_own_are_run_by_their_words(tmp_path: Path) -> None:
    told = tmp_path / "two words"
    commands = PowerCommands(on=f"sh -c 'echo on > \"$0\"' '{told}'", off=f"rm '{told}'")
    switch = switch_of(commands)
    switch.switch(True)
    assert told.read_text() == "on\n"
    switch.switch(False)
    assert not told.exists()
    with pytest.raises(BenchError, match=r"exit code 1\):\nrm: "):
        switch.switch(False)


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("ota-bench-no-such-tool --on", r"No such file.*check power\.command"),
        ("sh -c 'echo relay says no >&2; exit 3'", r"exit code 3\):\nrelay says no"),
        ("false", "it said nothing"),
        ("'unfinished", "cannot be split into words"),
        ("  ", "the command is empty"),
    ],
)
def test_a_command_that_fails_says_why(command: str, complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint):
        CommandSwitch(PowerCommands(on=command, off="true")).switch(True)


def test_a_command_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    with pytest.raises(BenchError, match=r"did not end within 3 s"):
        run_tool(["sh", "-c", f"sleep 1000 & echo $! > {told}; wait"], mend="", seconds=3)
    status = Path(f"/proc/{told.read_text().strip()}/stat")
    ends = time.monotonic() + 30
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] not in "ZX":
        assert time.monotonic() < ends, "the child outlived the command"
        time.sleep(0.01)


def test_a_board_with_a_switch_can_be_switched_and_one_without_says_so(tmp_path: Path) -> None:
    told = tmp_path / "told"
    bare = Board(name="bare", chip="esp32", driver="rfc2217", port="rfc2217://127.0.0.1:1")
    with attach(replace(bare, power=PowerCommands(on=f"touch '{told}'", off="true"))) as board:
        assert "power_cycle" in board.board.capabilities
        board.supply.power(True)
        assert told.exists()
    with (
        attach(bare) as board,
        pytest.raises(BenchError, match="lacks power_cycle"),
    ):
        board.supply.power(True)


@pytest.fixture
def relay(tmp_path: Path) -> tuple[Board, Path]:
    """A board behind a relay, and what the relay was told; it does not switch on while there is a file `stuck`."""
    told, terminal = tmp_path / "told", tmp_path / "port"
    terminal.touch()
    commands = PowerCommands(
        on=f"sh -c 'echo on >> {told}; test ! -e {tmp_path}/stuck'", off=f"sh -c 'echo off >> {told}'"
    )
    return Board(name="desk", chip="esp32", driver="serial", port=str(terminal), power=commands), told


def broken_off(board: Board) -> None:
    """A use of the board that a Ctrl-C ends while it is off."""
    with attach(board) as held:
        held.supply.power(False)
        raise KeyboardInterrupt


@pytest.mark.parametrize("driver", ["serial", "rfc2217"])
def test_a_board_whose_use_is_broken_off_while_it_is_off_is_given_back_switched_on(
    relay: tuple[Board, Path], driver: str
) -> None:
    board, told = relay
    if driver == "rfc2217":
        board = replace(board, driver=driver, port="rfc2217://127.0.0.1:1")
    with pytest.raises(KeyboardInterrupt):
        broken_off(board)
    assert told.read_text().split() == ["off", "on"]
    with attach(board) as held:
        held.supply.power(False)
        held.supply.power(True)
    assert told.read_text().split() == ["off", "on"] * 2, "one that is on is not switched on again"


def test_a_switching_off_that_failed_counts_as_one(relay: tuple[Board, Path]) -> None:
    board, told = relay
    assert isinstance(board.power, PowerCommands)
    half = replace(board.power, off=f"sh -c 'echo off >> {told}; exit 1'")
    with attach(replace(board, power=half)) as held, pytest.raises(BenchError, match="exit code 1"):
        held.supply.power(False)
    assert told.read_text().split() == ["off", "on"]


def test_the_next_scenario_on_the_same_board_finds_it_switched_on(relay: tuple[Board, Path]) -> None:
    board, told = relay
    with attach(board) as held:
        held.supply.renew()
        held.supply.power(False)
        held.supply.renew()
        held.supply.renew()
        assert told.read_text().split() == ["off", "on"]


def test_a_board_that_stays_off_is_told_and_hides_no_other_cause(
    relay: tuple[Board, Path], caplog: pytest.LogCaptureFixture
) -> None:
    board, told = relay
    (told.parent / "stuck").touch()
    with (
        pytest.raises(BenchError, match=r"desk is given back switched off; switch it on before it is used again: `sh"),
        attach(board) as held,
    ):
        held.supply.power(False)
    assert not caplog.records
    with pytest.raises(KeyboardInterrupt):
        broken_off(board)
    assert "desk is given back switched off" in caplog.text


def test_an_outlet_without_labgrid_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OTA_BENCH_LABGRID", str(tmp_path / "python"))
    with pytest.raises(BenchError, match=r"OTA_BENCH_LABGRID is .* no executable; .*pip install labgrid"):
        switch_of(NetworkPower("simplerest", "http://127.0.0.1/{index}/{value}", "1")).switch(True)
