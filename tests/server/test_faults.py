"""Faults: what a client meets, what the timeline is told, how they compose and how they are spelled."""

from __future__ import annotations

import dataclasses
import http.client
import socket
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import ServerError
from bench.server import (
    Chunked,
    Cut,
    Drip,
    Fault,
    HeadRefused,
    NotFound,
    OffByOne,
    OtaServer,
    RangesIgnored,
    Redirect,
    Replaced,
    Reset,
    Stall,
    Status,
    WrongCertificate,
    WrongContentRange,
    parse_fault,
)
from bench.server.answer import Published, honest_plan
from bench.server.faults import KNOWN, Door, known_faults
from bench.server.plan import Asked, Fired, HangUp, Send, Wait
from tests.server.conftest import Client


@pytest.mark.parametrize("after", [0, 1, 16383, 16384, 16385, 20_000, 300_000])
def test_a_cut_sends_exactly_so_many_bytes_of_the_length_announced(
    server: OtaServer, client: Client, data: bytes, after: int
) -> None:
    release = server.publish("/app.bin", data, Cut(after=after))
    connection = client.connect(release)
    connection.request("GET", "/app.bin")
    response = connection.getresponse()
    assert response.headers["Content-Length"] == str(len(data))
    with pytest.raises(http.client.IncompleteRead) as caught:
        response.read()
    assert caught.value.partial == data[:after]
    connection.close()
    fault = client.told("fault", fault="cut", after=after, path="/app.bin")
    told = client.told("response", request=fault.data["request"])
    assert fault.index < told.index < client.told("closed").index
    assert (told.data["status"], told.data["announced"], told.data["sent"]) == (200, len(data), after)
    assert (told.data["complete"], told.data["aborted"]) == (False, "fault")


def test_a_cut_ends_with_a_fin_and_no_close_notify(server: OtaServer, client: Client, data: bytes) -> None:
    release = server.publish("/app.bin", data, Cut(after=100))
    with socket.create_connection((server.name, server.port), timeout=10) as plain:
        context = client.context(strict=True)
        with context.wrap_socket(plain, server_hostname=server.name, suppress_ragged_eofs=False) as peer:
            peer.sendall(f"GET {release.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            got = bytearray()
            with pytest.raises(ssl.SSLError, match=r"(?i)eof"):
                _read_all(peer, got)
    assert got.endswith(data[:100])


def _read_all(peer: ssl.SSLSocket, into: bytearray) -> None:
    while part := peer.recv(65536):
        into += part


@pytest.mark.parametrize("fault", [Cut(after=300_001), Cut(after=10**9), Reset(after=300_001), Stall(after=300_001)])
def test_a_fault_beyond_the_end_does_not_fire(server: OtaServer, client: Client, data: bytes, fault: Fault) -> None:
    release = server.publish("/app.bin", data, fault)
    assert client.ask(release)[1] == data
    assert client.ask(release, "HEAD")[0].status == 200
    assert client.told("response").data["complete"] is True
    assert not [entry for entry in client.timeline.entries if entry.kind == "fault"]


def test_a_cut_counts_the_bytes_of_each_answer(server: OtaServer, client: Client, data: bytes) -> None:
    release = server.publish("/app.bin", data, Cut(after=1000))
    assert client.ask(release, Range="bytes=5000-5999")[1] == data[5000:6000]
    with pytest.raises(http.client.IncompleteRead) as caught:
        client.ask(release, Range="bytes=5000-6000")
    assert caught.value.partial == data[5000:6000]


def test_a_cut_of_chunks_leaves_them_without_an_end(server: OtaServer, client: Client, data: bytes) -> None:
    with pytest.raises(http.client.IncompleteRead) as caught:
        client.ask(server.publish("/app.bin", data, Cut(after=20_000), chunked=True))
    assert caught.value.partial == data[:20_000]
    assert client.told("response").data["sent"] == 20_000


def test_a_reset_is_a_reset(server: OtaServer, client: Client, data: bytes) -> None:
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        client.ask(server.publish("/app.bin", data, Reset(after=5000)))
    assert client.told("response").data["sent"] == 5000
    assert client.told("fault", fault="reset")


def test_the_wrong_certificate_stands_behind_a_port_of_its_own(server: OtaServer, client: Client, data: bytes) -> None:
    honest = server.publish("/app.bin", data)
    wrong = server.publish("/app.bin", data, WrongCertificate())
    assert server.publish("/other.bin", data, WrongCertificate()).url.rsplit("/", 1)[0] == wrong.url.rsplit("/", 1)[0]
    assert honest.url != wrong.url
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        after = client.timeline.last_index
        connection = client.connect(wrong, version)
        with pytest.raises(ssl.SSLCertVerificationError):
            connection.request("GET", "/app.bin")
        connection.close()
        fault = client.told("fault", after, fault="wrong-certificate")
        tls = client.told("tls", after, connection=fault.data["connection"])
        assert tls.data["ok"] is False
        assert "UNKNOWN_CA" in str(tls.data["reason"])
    assert not [entry for entry in client.timeline.entries if entry.kind == "request"]
    assert client.ask(honest)[1] == data


def test_a_server_may_have_the_wrong_certificate_on_its_own_port(client: Client) -> None:
    with OtaServer(client.timeline, client.authority, faults=(WrongCertificate(),)) as server:
        wrong = server.publish("/app.bin", b"x", WrongCertificate())
        assert f":{server.port}/" in wrong.url
        with pytest.raises(ssl.SSLCertVerificationError):
            client.ask(wrong)
        assert client.ask(server.publish("/app.bin", b"x"))[1] == b"x"
        assert client.told("fault", fault="wrong-certificate")


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (NotFound(), 404),
        (Status(code=503), 503),
        (Status(code=204), 204),
        (Status(code=205), 205),
        (Status(code=304), 304),
        (Status(code=599), 599),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_another_status(server: OtaServer, client: Client, data: bytes, fault: Fault, status: int, method: str) -> None:
    response, body = client.ask(server.publish("/app.bin", data, fault), method)
    assert response.status == status
    assert body in (b"", f"{status}\n".encode())
    assert client.told("fault", fault=fault.name)
    assert client.told("response", status=status).data["complete"] is True


def test_a_redirect(server: OtaServer, client: Client, data: bytes) -> None:
    there = server.publish("/there.bin", data)
    response, _ = client.ask(server.publish("/here.bin", data, Redirect(location=there.url, code=307)))
    assert (response.status, response.headers["Location"]) == (307, there.url)
    assert client.told("fault", fault="redirect", location=there.url)


def test_a_drip_comes_whole_in_pieces(server: OtaServer, client: Client) -> None:
    release = server.publish("/app.bin", b"0123456789", Drip(piece=3, pause=0.001), Cut(after=8))
    with pytest.raises(http.client.IncompleteRead) as caught:
        client.ask(release)
    assert caught.value.partial == b"01234567"
    assert [entry.data["fault"] for entry in client.timeline.entries if entry.kind == "fault"] == ["drip", "cut"]
    assert client.ask(server.publish("/app.bin", b"0123456789", Drip(piece=3)))[1] == b"0123456789"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("fault", [Drip(piece=10, pause=5.0), Drip(piece=20_000)], ids=str)
def test_a_drip_of_one_piece_is_none(server: OtaServer, client: Client, fault: Fault, method: str) -> None:
    client.ask(server.publish("/app.bin", b"0123456789", fault), method)
    assert client.told("response").data["complete"] is True
    assert not [entry for entry in client.timeline.entries if entry.kind == "fault"]


@pytest.mark.parametrize("piece", [16384, 20_000])
def test_a_drip_in_large_pieces_is_in_pieces(server: OtaServer, client: Client, data: bytes, piece: int) -> None:
    """A client that takes them fast is not served in the longer strides of an honest answer; each piece is a chunk."""
    release = server.publish("/app.bin", data, Chunked(), Drip(piece=piece))
    with client.raw(release) as peer:
        for _ in range(3):
            peer.sendall(b"GET /app.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            got = bytearray()
            while not got.endswith(b"\r\n0\r\n\r\n"):
                got += peer.recv(65536)
            chunk = bytes(got).partition(b"\r\n\r\n")[2]
            assert chunk.startswith(b"%x\r\n" % piece + data[:piece] + b"\r\n")
    assert client.told("fault", fault="drip", piece=piece)


def test_a_stall_lasts_until_the_client_has_had_enough(server: OtaServer, client: Client, data: bytes) -> None:
    with client.raw(server.publish("/app.bin", data, Stall(after=50_000))) as peer:
        peer.sendall(b"GET /app.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        got = b""
        while not got.endswith(data[:50_000]):
            got += peer.recv(65536)
        client.told("fault", fault="stall")
        peer.settimeout(0.05)
        with pytest.raises(TimeoutError):
            peer.recv(1)
        assert client.ask(server.publish("/other.bin", b"x"))[1] == b"x"
    told = client.told("response", announced=len(data))
    assert (told.data["sent"], told.data["aborted"]) == (50_000, "peer")


def test_a_stall_may_end(server: OtaServer, client: Client, data: bytes) -> None:
    assert client.ask(server.publish("/app.bin", data, Stall(after=50_000, seconds=0.01)))[1] == data
    assert client.told("response").data["complete"] is True


def test_a_stalled_answer_does_not_keep_the_server_from_closing(server: OtaServer, client: Client, data: bytes) -> None:
    with client.raw(server.publish("/app.bin", data, Stall(after=0))) as peer:
        peer.sendall(b"GET /app.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        client.told("fault")
        server.close()
    assert client.told("response").data["complete"] is False


@dataclasses.dataclass(frozen=True)
class _Untellable(Fault):
    """its field cannot be told"""

    name = "untellable"
    location: str = "http://[x"


def test_a_fault_that_cannot_be_told_is_not_served(server: OtaServer, client: Client) -> None:
    honest = server.publish("/app.bin", b"old")
    with pytest.raises(ValueError, match="IPv6"):
        server.publish("/app.bin", b"new", _Untellable())
    assert client.ask(honest)[1] == b"old"
    assert len([entry for entry in client.timeline.entries if entry.kind == "release"]) == 1


SOME = [Cut(after=5), Cut(after=3), Stall(after=4), Drip(piece=2), Reset(after=4)]


@given(st.lists(st.sampled_from(SOME), max_size=4))
def test_however_they_are_composed_what_is_sent_is_a_beginning_of_the_body(faults: list[Fault]) -> None:
    data = b"0123456789"
    plan = honest_plan(Asked("GET", "/a", {}), Published("/a", data))
    for fault in faults:
        plan = fault.plan(plan, Asked("GET", "/a", {}))
    sent = b"".join(bytes(action.data) for action in plan.body if isinstance(action, Send))
    assert data.startswith(sent)
    assert plan.length == len(data)
    ends = [fault.after for fault in faults if isinstance(fault, Cut | Reset)]
    assert len(sent) == min([len(data), *ends])
    hang_ups = [at for at, action in enumerate(plan.body) if isinstance(action, HangUp)]
    assert hang_ups == ([len(plan.body) - 1] if ends else [])
    stalled = any(isinstance(action, Wait) for action in plan.body)
    assert not stalled or any(isinstance(action, Fired) for action in plan.body)


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("cut:after=20000", Cut(after=20000)),
        ("not-found", NotFound()),
        ("wrong-certificate", WrongCertificate()),
        ("status:code=503", Status(code=503)),
        ("redirect:location=https://h:1/a?b=c", Redirect(location="https://h:1/a?b=c")),
        ("stall:after=5,seconds=0.5", Stall(after=5, seconds=0.5)),
        ("drip:piece=1", Drip(piece=1)),
        ("reset:after=0", Reset(after=0)),
    ],
)
def test_how_the_command_line_spells_them(spec: str, fault: Fault) -> None:
    assert parse_fault(spec) == fault


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("", "there is no fault ''; known are abrupt, alert:after=..."),
        ("Cut:after=1", "there is no fault 'Cut'"),
        ("cut", "after is missing; it is cut:after=..."),
        ("cut:", "after is missing"),
        ("cut:after", "'after' is not understood"),
        ("cut:after=x", "after is int, not 'x'"),
        ("cut:after=", "after is int, not ''"),
        ("cut:after=-1", "0 or more bytes"),
        ("cut:after=1,after=2", "'after=2' is not understood"),
        ("cut:after=1,before=2", "'before=2' is not understood; it is cut:after=..."),
        ("not-found:x=1", "'x=1' is not understood; it is not-found"),
        ("status:code=99", "200 to 599"),
        ("stall:after=1,seconds=nan", "0 (for ever) or more seconds"),
        ("stall:after=1,seconds=inf", "a stall lasts 0 (for ever) or more seconds, not inf"),
        ("late:seconds=inf", "0 (for ever) or more seconds late, not inf"),
        ("drip:piece=1,pause=inf", "a pause is 0 or more seconds, not inf"),
        ("drip:piece=1,pause=nan", "a pause is 0 or more seconds, not nan"),
        ("redirect:location=", "cannot redirect"),
        ("redirect:location=http://[x", "cannot redirect to 'http://[x': Invalid IPv6 URL"),
        ("drip:piece=0", "at least one byte"),
    ],
)
def test_a_bad_spelling_is_one_line_with_the_mend(spec: str, problem: str) -> None:
    with pytest.raises(ServerError) as caught:
        parse_fault(spec)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", KNOWN)
def test_every_fault_has_a_name_of_its_own_and_is_a_value(kind: type[Fault]) -> None:
    assert [known.name for known in KNOWN].count(kind.name) == 1
    assert kind.name in known_faults()
    one, other = (kind(**{name: SAMPLES[name] for name in _needed(kind)}) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert parse_fault(":".join((kind.name, ",".join(f"{name}={SAMPLES[name]}" for name in _needed(kind))))) == one
    door = one.door(Door())
    assert one.tells_at_the_door == (door != Door())
    plan = one.plan(honest_plan(ASKED, Published("/a", b"0123456789")), ASKED)
    told = [action for action in (*plan.opening, *plan.body) if isinstance(action, Fired)]
    if kind in SPARED:
        assert told == []
    elif door == Door():
        assert told == [Fired(one)]


SAMPLES = {"after": 1, "piece": 1, "location": "/x", "code": 500, "version": "1.3", "by": 1}
ASKED = Asked("GET", "/a", {})
SPARED = (HeadRefused, RangesIgnored, WrongContentRange, OffByOne, Replaced)
"""These have nothing to do with a first GET of the whole file."""


def _needed(kind: type[Fault]) -> list[str]:
    return [field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING]
