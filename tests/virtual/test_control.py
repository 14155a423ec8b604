"""The control channel: each request, and each way to get one wrong."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.virtual.benchtop import PATIENCE, Benchtop, benchtop


class Hand:
    """A client of the control channel."""

    def __init__(self, bench: Benchtop, sock: socket.socket) -> None:
        self.bench = bench
        self._sock = sock
        self._answers = sock.makefile("rb")

    def send(self, line: bytes) -> Any:
        self._sock.sendall(line + b"\n")
        return json.loads(self._answers.readline())

    def ask(self, do: str, **arguments: object) -> Any:
        answer = self.send(json.dumps({"do": do, **arguments}).encode())
        assert answer.pop("ok"), answer
        return answer

    def close(self) -> None:
        self._answers.close()


@pytest.fixture
def hand() -> Iterator[Hand]:
    with benchtop("esp32c3") as bench, socket.create_connection(bench.control, timeout=PATIENCE) as sock:
        client = Hand(bench, sock)
        yield client
        client.close()


def until_idle(hand: Hand) -> dict[str, Any]:
    while not (status := hand.ask("status"))["idle"]:
        pass
    result: dict[str, Any] = status
    return result


def test_status(hand: Hand) -> None:
    assert until_idle(hand) == {
        "chip": "esp32c3",
        "powered": True,
        "idle": True,
        "download": False,
        "resets": 1,
        "operations": 0,
        "by_purpose": {},
        "lost_bits": 0,
        "overruns": 0,
        "cuts_planned": [],
        "cuts_fired": [],
        "efuse_burns": [],
        "network": True,
    }


def test_power_and_reset(hand: Hand) -> None:
    until_idle(hand)
    hand.ask("power", on=False)
    assert hand.ask("status")["powered"] is False
    hand.ask("power", on=True)
    assert until_idle(hand)["resets"] == 2
    hand.ask("reset")
    assert until_idle(hand)["resets"] == 3


def test_flash(hand: Hand) -> None:
    hand.ask("power", on=False)
    hand.ask("write_flash", offset=4094, data=base64.b64encode(b"across").decode())
    answer = hand.ask("read_flash", offset=4093, length=8)
    assert base64.b64decode(answer["data"]) == b"\xffacross\xff"
    assert hand.ask("status")["operations"] == 0
    assert len(base64.b64decode(hand.ask("read_flash", offset=0, length=8 << 20)["data"])) == 8 << 20


def test_efuse(hand: Hand) -> None:
    hand.bench.board.machine.efuse.advance_secure_version(2)
    answer = hand.ask("efuse")
    assert len(answer["blocks"]) == 11
    assert answer["secure_version"] == 2
    assert answer["mac"] == "7c:df:a1:b0:f5:a4"
    assert answer["revision"] == 3
    assert hand.ask("status")["efuse_burns"] == ["efuse:secure_version"]


def test_renew(hand: Hand) -> None:
    until_idle(hand)
    hand.bench.board.machine.efuse.advance_secure_version(2)
    hand.ask("write_flash", offset=0, data="AAAA")
    hand.ask("network", up=False)
    hand.ask("plan_cut", purpose="*")
    hand.ask("renew")
    status = until_idle(hand)
    assert (status["resets"], status["network"], status["cuts_planned"]) == (2, True, [])
    assert (status["operations"], status["by_purpose"], status["efuse_burns"]) == (0, {}, [])
    assert hand.ask("efuse")["secure_version"] == 0
    assert base64.b64decode(hand.ask("read_flash", offset=0, length=3)["data"]) == b"\xff\xff\xff"


def test_plans(hand: Hand) -> None:
    hand.ask("plan_cut", purpose="otadata:*", phase="middle", nth=3, back=True)
    hand.ask("plan_cut", purpose="rom")
    assert hand.ask("status")["cuts_planned"] == [
        {"purpose": "otadata:*", "phase": "middle", "nth": 3, "back": True},
        {"purpose": "rom", "phase": "before", "nth": 1, "back": False},
    ]
    hand.ask("forget_cuts")
    assert hand.ask("status")["cuts_planned"] == []


WRONG = [
    (b"nonsense", "not JSON"),
    (b"\xff\xfe", "not JSON"),
    (b"[1]", "an object"),
    (b"[" * 100_000, "nested too deeply"),
    (b'{"do": 1}', "an object"),
    (b'{"do": "explode"}', "no request"),
    (b'{"do": "power"}', '"on" is true or false'),
    (b'{"do": "network", "up": 1}', '"up" is true or false'),
    (b'{"do": "read_flash", "offset": 0, "length": true}', '"length" is a whole number'),
    (b'{"do": "read_flash", "offset": 8388607, "length": 2}', "outside"),
    (b'{"do": "read_flash", "offset": -1, "length": 2}', "outside"),
    (b'{"do": "write_flash", "offset": 0, "data": "?"}', "base64"),
    ('{"do": "write_flash", "offset": 0, "data": "ä"}'.encode(), "base64"),
    (b'{"do": "write_flash", "offset": 8388607, "data": "AAAA"}', "outside"),
    (b'{"do": "plan_cut", "purpose": "x", "phase": "never"}', '"phase" is one of'),
    (b'{"do": "plan_cut", "purpose": "x", "nth": 0}', "counts from 1"),
    (b'{"do": "plan_cut"}', '"purpose" is a text'),
]


def test_what_is_wrong_is_said_and_the_channel_goes_on(hand: Hand) -> None:
    for line, why in WRONG:
        answer = hand.send(line)
        assert answer["ok"] is False
        assert why in answer["error"]
    assert hand.ask("status")["operations"] == 0


def test_several_clients_at_once(hand: Hand) -> None:
    with socket.create_connection(hand.bench.control, timeout=PATIENCE) as sock:
        other = Hand(hand.bench, sock)
        hand.ask("power", on=False)
        assert other.ask("status")["powered"] is False
        other.close()
    assert hand.ask("status")["powered"] is False


def test_requests_in_one_packet_are_answered_one_by_one(hand: Hand) -> None:
    first = hand.send(b'{"do": "power", "on": false}\n\n{"do": "status"}')
    assert first == {"ok": True}
    assert json.loads(hand._answers.readline())["powered"] is False


def test_efuses_are_burnt_past_the_door(hand: Hand) -> None:
    """What is burnt so stays, adds up, and is refused where there is no such block."""
    hand.ask("burn_efuse", block=4, data=base64.b64encode(b"\x01\x80").decode())
    hand.ask("burn_efuse", block=4, data=base64.b64encode(b"\x02").decode())
    told = hand.ask("efuse")
    assert bytes.fromhex(told["blocks"][4])[:2] == b"\x03\x80"
    assert told["burns"] == []
    for request in ({"block": 99, "data": "AA=="}, {"block": 4, "data": "*"}):
        with pytest.raises(AssertionError, match="error"):
            hand.ask("burn_efuse", **request)
