"""Clients that are broken, hostile or simply reset in the middle: nobody else is to notice."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.server import Authority, Cut, OtaServer, Patience
from bench.timeline import Timeline
from tests.server.conftest import DEADLINE, Client


@contextmanager
def plain(server: OtaServer) -> Iterator[socket.socket]:
    """A TCP connection, and no TLS on it yet."""
    with socket.create_connection((server.name, server.port), timeout=DEADLINE) as peer:
        yield peer


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def client_hello(client: Client) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = client.context().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        peer.do_handshake()
    return outgoing.read()


def test_boards_reset_in_the_middle_of_the_handshake_block_nobody(server: OtaServer, client: Client) -> None:
    release = server.publish("/app.bin", b"x")
    hello = client_hello(client)
    with ExitStack() as stack:
        for length in (0, 1, 5, len(hello) // 2, len(hello) - 1, len(hello)):
            for _ in range(10):
                stack.enter_context(plain(server)).sendall(hello[:length])
        for _ in range(5):
            assert client.ask(release)[1] == b"x"


def test_who_leaves_with_the_last_byte_of_the_handshake_is_not_worth_a_warning(
    server: OtaServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """As `openssl s_client` at the end of its input; asyncio has no word to say of it on stderr."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client.context().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with plain(server) as peer:
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                peer.sendall(outgoing.read())
                incoming.write(peer.recv(65536))
            else:
                break
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()
        peer.sendall(outgoing.read())  # Finished and close_notify in one piece
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(65536):
            pass
    client.told("tls")
    assert client.ask(server.publish("/app.bin", b"x"))[1] == b"x"
    assert not caplog.records


def test_a_handshake_has_a_deadline(authority: Authority) -> None:
    with Timeline() as timeline, OtaServer(timeline, authority, patience=Patience(handshake=0.05)) as server:
        client = Client(authority, timeline)
        with plain(server) as silent, plain(server) as half:
            half.sendall(client_hello(client)[:30])
            for peer in (silent, half):
                assert peer.recv(1) == b""
        refused = client.told("tls", ok=False)
        assert "longer than 0.05" in str(refused.data["reason"])
        assert client.told("tls", refused.index, ok=False)


def test_the_oldest_of_too_many_unfinished_handshakes_gives_way(server: OtaServer, client: Client) -> None:
    release = server.publish("/app.bin", b"x")
    with ExitStack() as stack:
        first = stack.enter_context(plain(server))
        for _ in range(650):
            stack.enter_context(plain(server)).sendall(b"\x16")
        assert first.recv(1) == b""
        assert "it gave way" in str(client.told("tls", ok=False).data["reason"])
        assert client.ask(release)[1] == b"x"


@pytest.mark.parametrize("part", [0, 1, 40, 10_000])
@pytest.mark.parametrize("end", ["fin", "rst"])
def test_a_handshake_that_ends_early_is_told(server: OtaServer, client: Client, part: int, end: str) -> None:
    with plain(server) as peer:
        peer.sendall(client_hello(client)[:part])
        if end == "rst":
            reset(peer)
    refused = client.told("tls", ok=False)
    assert refused.data["reason"]
    assert client.ask(server.publish("/app.bin", b"x"))[1] == b"x"


def test_http_on_the_tls_port_is_told(server: OtaServer, client: Client) -> None:
    with plain(server) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while peer.recv(4096):
            pass
    assert client.told("tls", ok=False).data["reason"] == "HTTP_REQUEST"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(garbage=st.binary(min_size=1, max_size=300))
def test_garbage_before_tls(server: OtaServer, client: Client, garbage: bytes) -> None:
    after = client.timeline.last_index
    with plain(server) as peer:
        peer.sendall(garbage)
        peer.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while peer.recv(4096):
                pass
    assert client.told("tls", after, ok=False)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\xff\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nNo colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"H%d: x\r\n" % n for n in range(5000)) + b"\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_http_request_is_rejected_and_told(server: OtaServer, client: Client, request_bytes: bytes) -> None:
    release = server.publish("/app.bin", b"x")
    with client.raw(release) as peer:
        try:
            peer.sendall(request_bytes)
            answer = b"".join(iter(lambda: peer.recv(65536), b""))
        except (ConnectionError, ssl.SSLEOFError):  # it was refused before all of it was sent
            answer = b""
    assert b" 200 " not in answer.partition(b"\r\n")[0]
    assert client.told("rejected").data["status"] == 400
    assert not [entry for entry in client.timeline.entries if entry.kind == "request"]
    assert client.ask(release)[1] == b"x"


@pytest.mark.parametrize(
    "target",
    [
        b"/../../../../etc/passwd",
        b"/app.bin/../../etc/passwd",
        b"/%2e%2e/%2e%2e/etc/passwd",
        b"/..%2f..%2fetc%2fpasswd",
        b"/....//....//etc/passwd",
        b"/etc/passwd%00.bin",
        b"//etc/passwd",
        b"/app.bin%2f..",
        b"\\..\\..\\etc\\passwd",
        b"file:///etc/passwd",
        b"https://elsewhere.invalid/etc/passwd",
        b"/app.bin;/etc/passwd",
        b"*",
        b"/%ff%fe",
        b"/" + b"a" * 4000,
    ],
)
def test_no_path_leads_out(server: OtaServer, client: Client, target: bytes) -> None:
    release = server.publish("/app.bin", b"x")
    with client.raw(release) as peer:
        peer.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    assert answer.split(b" ")[1] in (b"404", b"400")
    assert b"root:" not in answer


def test_a_request_that_never_ends_blocks_nobody(server: OtaServer, client: Client) -> None:
    release = server.publish("/app.bin", b"x")
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(client.raw(release)).sendall(b"GET /app.bin HTTP/1.1\r\nX-Slow: ")
        assert client.ask(release)[1] == b"x"
        server.close()


def test_a_body_nobody_asked_for_is_not_read_for_ever(server: OtaServer, client: Client) -> None:
    release = server.publish("/app.bin", b"x")
    with client.raw(release) as peer:
        peer.sendall(b"POST /app.bin HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        assert b"405" in peer.recv(4096)
    assert client.told("closed")


def test_a_client_that_resets_in_the_middle_of_a_download(server: OtaServer, client: Client) -> None:
    data = bytes(20_000_000)
    release = server.publish("/app.bin", data)
    with client.raw(release) as peer:
        peer.sendall(b"GET /app.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        read = len(peer.recv(1000))
        reset(peer)
    told = client.told("response")
    assert told.data["aborted"] == "peer"
    assert isinstance(told.data["sent"], int)
    assert read > 0
    assert told.data["sent"] < len(data)
    assert client.told("closed").data["error"]


def test_a_client_that_does_not_read_is_counted_by_what_left_and_blocks_nobody(
    server: OtaServer, client: Client
) -> None:
    release = server.publish("/big.bin", bytes(20_000_000))
    other = server.publish("/app.bin", b"x")
    with client.raw(release) as peer:
        peer.sendall(b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        client.told("request", path="/big.bin")
        assert client.ask(other)[1] == b"x"
        server.close()
        told = client.told("response", announced=20_000_000)
        assert told.data["complete"] is False
        got = bytearray()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while part := peer.recv(65536):
                got += part
    body = bytes(got).partition(b"\r\n\r\n")[2]
    # The kernel delivers what it took before the socket was closed; a TLS record that it took in part opens for nobody.
    assert 0 < len(body) < 20_000_000
    assert told.data["sent"] == len(body)


def test_a_client_that_does_not_close_its_side_after_a_cut_is_reset(authority: Authority, timeline: Timeline) -> None:
    client = Client(authority, timeline)
    with (
        OtaServer(timeline, authority, patience=Patience(linger=0.05)) as server,
        client.raw(server.publish("/app.bin", bytes(100), Cut(after=50))) as peer,
    ):
        peer.sendall(b"GET /app.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.told("fault").index < client.told("closed").index
        assert client.told("response").data["sent"] == 50


def test_nothing_is_left_when_it_is_closed(authority: Authority, timeline: Timeline) -> None:
    before = threading.active_count()
    client = Client(authority, timeline)
    with ExitStack() as stack:
        with OtaServer(timeline, authority) as server:
            release = server.publish("/app.bin", b"x")
            stack.enter_context(plain(server))
            stack.enter_context(client.raw(release)).sendall(b"GET /app.bin HT")
            assert client.ask(release)[1] == b"x"
            port = server.port
        assert threading.active_count() == before
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    accepted = {entry.data["connection"] for entry in timeline.entries if entry.kind == "tls" and entry.data["ok"]}
    over = {entry.data["connection"] for entry in timeline.entries if entry.kind == "closed"}
    assert accepted == over
