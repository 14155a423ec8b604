"""How far a download has come, as the timeline is told while it goes on."""

from __future__ import annotations

from bench.server import OtaServer
from bench.server.faults import Drip, Stall
from tests.server.conftest import Client

DATA = bytes(range(256)) * 4


def test_a_slow_download_is_told_while_it_goes_on(server: OtaServer, client: Client) -> None:
    assert client.ask(server.publish("/app.bin", DATA, Drip(piece=256, pause=0.25)))[1] == DATA
    answer = client.told("response")
    told = [entry for entry in client.timeline.entries if entry.kind == "progress"]
    assert [entry.get("sent") for entry in told][-3:] == [512, 768, 1024]
    assert {entry.get("request") for entry in told} == {answer.get("request")}
    assert all(entry.index < answer.index for entry in told)


def test_a_fault_in_the_middle_is_told_where_it_fires(server: OtaServer, client: Client) -> None:
    assert client.ask(server.publish("/app.bin", DATA, Stall(after=300, seconds=0.01)))[1] == DATA
    fault = client.told("fault", fault="stall")
    before = client.timeline.entries[fault.index - 1]
    assert (before.kind, before.get("sent")) == ("progress", 300)
