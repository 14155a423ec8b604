"""Releases that are withheld, and releases that are gone once somebody has them."""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from bench.server import Authority, Cut, Gzip, HtmlPage, OtaServer, PlainHttp, Release
from bench.timeline import Timeline
from tests.server.conftest import DEADLINE, Client

DATA = bytes(range(256)) * 300


def get(url: str, authority: Authority, **headers: str) -> tuple[int, bytes]:
    """Status and body."""
    context = ssl.create_default_context(cadata=authority.ca_pem.decode())
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), context=context) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, b""


def test_what_is_withheld_is_not_found_until_it_is_offered(authority: Authority) -> None:
    with Timeline() as timeline, OtaServer(timeline, authority) as server:
        one, other = server.publish("/one.bin", DATA), server.publish("/other.bin", DATA)
        server.withhold(one.path)
        assert [get(release.url, authority)[0] for release in (one, other)] == [404, 200]
        asked = [entry for entry in timeline.entries if entry.kind == "request"]
        assert [entry.get("withheld") for entry in asked] == [True, None]
        server.offer(one.path)
        server.withhold()
        assert [get(release.url, authority)[0] for release in (one, other)] == [404, 404]
        server.offer(one.path)
        assert get(one.url, authority) == (200, DATA)
        server.withhold()
        server.publish("/one.bin", DATA)
        assert get(one.url, authority)[0] == 200


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ([{}], 404),
        ([{"Range": "bytes=0-999"}], 200),
        ([{"Range": "bytes=0-999"}, {"Range": f"bytes=1000-{len(DATA) - 1}"}], 404),
    ],
)
def test_a_release_for_once_is_gone_with_its_last_byte(
    authority: Authority, asked: list[dict[str, str]], left: int
) -> None:
    with Timeline() as timeline, OtaServer(timeline, authority) as server:
        release = server.publish("/one.bin", DATA, once=True)
        for headers in asked:
            assert get(release.url, authority, **headers)[0] in (200, 206)
        assert get(release.url, authority)[0] == left


@pytest.mark.parametrize(
    ("asked", "left"),
    [({}, 404), ({"Range": "bytes=0-99"}, 200), ({"Range": "bytes=100-"}, 404)],
)
def test_a_compressed_release_for_once_is_gone_with_the_last_byte_of_what_is_sent(
    authority: Authority, asked: dict[str, str], left: int
) -> None:
    with Timeline() as timeline, OtaServer(timeline, authority) as server:
        release = server.publish("/one.bin", DATA, Gzip(), once=True)
        assert get(release.url, authority, **asked)[0] in (200, 206)
        assert get(release.url, authority)[0] == left


def test_what_is_served_instead_of_a_release_for_once_does_not_take_it(authority: Authority) -> None:
    with Timeline() as timeline, OtaServer(timeline, authority) as server:
        release = server.publish("/one.bin", DATA, HtmlPage(), once=True)
        assert [get(release.url, authority)[0] for _ in range(2)] == [200, 200]


BIG = bytes(5_000_000)
"""More than both kernels hold: its last piece is not sent while the client does not read."""


@contextmanager
def reading(release: Release) -> Iterator[socket.socket]:
    """A client that has begun to read the release, and resets its connection in the end."""
    parts = urlsplit(release.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=DEADLINE) as peer:
        peer.sendall(f"GET {release.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert peer.recv(2048).startswith(b"HTTP/1.1 200 ")
        yield peer
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def status(release: Release) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(release.url).port or 0, timeout=DEADLINE)
    try:
        connection.request("GET", release.path)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def test_a_download_broken_off_does_not_undo_that_its_path_is_withheld(server: OtaServer, client: Client) -> None:
    release = server.publish("/a.bin", BIG, PlainHttp(), once=True, withheld=True)
    server.offer(release.path)
    with reading(release):
        server.withhold()
        assert status(release) == 404
    client.told("response", aborted="peer")
    assert status(release) == 404
    server.offer(release.path)
    assert status(release) == 200


def test_a_download_broken_off_does_not_give_away_what_is_published_there_by_then(
    server: OtaServer, client: Client
) -> None:
    release = server.publish("/a.bin", BIG, PlainHttp(), once=True)
    with reading(release):
        new = server.publish("/a.bin", b"NEW", PlainHttp(), once=True, withheld=True)
    client.told("response", aborted="peer")
    assert status(new) == 404


def test_a_release_that_one_client_took_stays_gone_when_another_breaks_off(server: OtaServer, client: Client) -> None:
    release = server.publish("/a.bin", BIG, PlainHttp(), once=True)
    with reading(release):
        assert [status(release), status(release)] == [200, 404]
    client.told("response", aborted="peer")
    assert status(release) == 404


def test_a_download_that_ends_late_takes_nothing_from_what_is_published_there_by_then(
    server: OtaServer, client: Client
) -> None:
    release = server.publish("/a.bin", BIG, PlainHttp(), once=True)
    with reading(release) as peer:
        new = server.publish("/a.bin", b"NEW", PlainHttp(), once=True)
        while peer.recv(1 << 20):
            pass
    client.told("response", complete=True)
    assert [status(new), status(new)] == [200, 404]


def test_a_release_for_once_whose_answer_was_cut_is_there_again(server: OtaServer, client: Client) -> None:
    """The last piece that was planned did go out, but nobody has the release."""
    release = server.publish("/a.bin", DATA, PlainHttp(), Cut(after=100), once=True)
    for _ in range(2):
        after = client.timeline.last_index
        with reading(release):
            assert client.told("response", after, aborted="fault").data["status"] == 200
