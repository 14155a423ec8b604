"""Several faults of one release: none undoes what another has done and told, in whatever order they are given."""

from __future__ import annotations

import gzip
import http.client
from itertools import permutations
from urllib.parse import urlsplit

import pytest

from bench.errors import ServerError
from bench.server import (
    Abrupt,
    Chunked,
    Closing,
    Credentials,
    Cut,
    Detour,
    Drip,
    Fault,
    Gzip,
    HtmlPage,
    ManyHeaders,
    NoLength,
    NotFound,
    OffByOne,
    OtaServer,
    RangesIgnored,
    Replaced,
    Stall,
    Status,
    WrongContentRange,
    WrongLength,
)
from tests.server.conftest import Client


def fired(client: Client) -> set[object]:
    return {entry.data["fault"] for entry in client.timeline.entries if entry.kind == "fault"}


def other(data: bytes) -> bytes:
    """What `Replaced` puts in the place of a file."""
    return bytes(value ^ 0x5A for value in data)


def in_any_order(*faults: Fault) -> pytest.MarkDecorator:
    orders = list(permutations(faults))
    return pytest.mark.parametrize("faults", orders, ids=[",".join(fault.name for fault in order) for order in orders])


@in_any_order(Replaced(after=0), Gzip())
def test_another_file_is_compressed(server: OtaServer, client: Client, data: bytes, faults: tuple[Fault, ...]) -> None:
    response, body = client.ask(server.publish("/app.bin", data, *faults))
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == other(data)
    assert fired(client) == {"replaced", "gzip"}


@in_any_order(HtmlPage(size=100), Gzip())
def test_a_page_is_compressed(server: OtaServer, client: Client, data: bytes, faults: tuple[Fault, ...]) -> None:
    response, body = client.ask(server.publish("/app.bin", data, *faults), Range="bytes=5-9")
    assert (response.status, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert len(gzip.decompress(body)) == 100
    assert gzip.decompress(body).startswith(b"<!DOCTYPE html>")
    assert fired(client) == {"html-page", "gzip"}


@in_any_order(Replaced(after=0), RangesIgnored())
def test_another_file_is_served_whole(
    server: OtaServer, client: Client, data: bytes, faults: tuple[Fault, ...]
) -> None:
    response, body = client.ask(server.publish("/app.bin", data, *faults), Range="bytes=5-9")
    assert (response.status, body) == (200, other(data))
    assert fired(client) == {"replaced", "ranges-ignored"}


@in_any_order(Replaced(after=0), OffByOne(), WrongContentRange())
def test_a_part_of_another_file_is_the_wrong_one(
    server: OtaServer, client: Client, data: bytes, faults: tuple[Fault, ...]
) -> None:
    response, body = client.ask(server.publish("/app.bin", data, *faults), Range="bytes=5-9")
    assert (response.status, body) == (206, other(data)[6:11])
    assert response.headers["Content-Range"] == f"bytes 6-10/{len(data)}"
    assert fired(client) == {"replaced", "off-by-one", "wrong-content-range"}


@in_any_order(RangesIgnored(), OffByOne(), WrongContentRange())
def test_what_is_wrong_about_parts_is_not_told_of_a_whole_file(
    server: OtaServer, client: Client, data: bytes, faults: tuple[Fault, ...]
) -> None:
    response, body = client.ask(server.publish("/app.bin", data, *faults), Range="bytes=5-9")
    assert (response.status, body) == (200, data)
    assert fired(client) == {"ranges-ignored"}


@in_any_order(WrongLength(by=-100), Gzip())
def test_the_length_of_a_compressed_file_is_wrong(
    server: OtaServer, client: Client, data: bytes, faults: tuple[Fault, ...]
) -> None:
    with client.raw(server.publish("/app.bin", data, *faults)) as peer:
        peer.sendall(b"GET /app.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        got = bytearray()
        while part := peer.recv(65536):
            got += part
    head, _, body = bytes(got).partition(b"\r\n\r\n")
    assert gzip.decompress(body) == data
    assert f"Content-Length: {len(body) - 100}".encode() in head.split(b"\r\n")
    assert fired(client) == {"wrong-length", "gzip"}


@in_any_order(Cut(after=100), Gzip(), Drip(piece=30))
def test_a_compressed_file_is_cut(server: OtaServer, client: Client, data: bytes, faults: tuple[Fault, ...]) -> None:
    with pytest.raises(http.client.IncompleteRead) as caught:
        client.ask(server.publish("/app.bin", data, *faults))
    assert len(caught.value.partial) == 100
    assert caught.value.partial.startswith(b"\x1f\x8b")
    client.told("response", aborted="fault")
    assert fired(client) == {"cut", "gzip", "drip"}


@in_any_order(Cut(after=100), Drip(piece=100, pause=5.0))
def test_a_drip_of_what_a_cut_leaves_in_one_piece_is_none(
    server: OtaServer, client: Client, data: bytes, faults: tuple[Fault, ...]
) -> None:
    with pytest.raises(http.client.IncompleteRead):
        client.ask(server.publish("/app.bin", data, *faults))
    client.told("response", aborted="fault")
    assert fired(client) == {"cut"}


def test_a_part_of_a_compressed_file_is_one(server: OtaServer, client: Client, data: bytes) -> None:
    """Parts are of what is sent (RFC 9110, section 14.4), and its entity tag is not that of the file (8.8.3.3)."""
    honest, _ = client.ask(server.publish("/app.bin", data))
    release = server.publish("/app.bin", data, Gzip())
    whole, packed = client.ask(release)
    part, body = client.ask(release, Range="bytes=50-99", If_Range=whole.headers["ETag"] or "")
    assert (part.status, body) == (206, packed[50:100])
    assert part.headers["Content-Range"] == f"bytes 50-99/{len(packed)}"
    assert part.headers["Content-Encoding"] == "gzip"
    for tag in (honest.headers["ETag"] or "", '"x"'):
        response, body = client.ask(release, Range="bytes=50-99", If_Range=tag)
        assert (response.status, body) == (200, packed)
    head, _ = client.ask(release, "HEAD")
    assert head.headers["Content-Length"] == str(len(packed))


@in_any_order(Status(503, times=1), Detour(), HtmlPage(), Closing())
def test_the_first_that_answers_is_told_alone(
    server: OtaServer, client: Client, data: bytes, faults: tuple[Fault, ...]
) -> None:
    release = server.publish("/app.bin", data, *faults)
    first = next(fault for fault in faults if isinstance(fault, Status | Detour))
    response, _ = client.ask(release)
    assert response.status == (503 if isinstance(first, Status) else 302)
    client.told("response")
    assert fired(client) == {first.name, "closing"}
    response, body = client.ask(release, path="/app.bin?hop=1")
    assert (response.status, len(body)) == (200, 4096)
    client.told("fault", fault="html-page")


def test_a_challenge_comes_before_what_is_answered_behind_it(server: OtaServer, client: Client) -> None:
    release = server.publish("/app.bin", b"x", Credentials(), NotFound())
    parts = urlsplit(release.url)
    assert client.ask(release)[0].status == 401
    client.told("response", status=401)
    assert fired(client) == {"credentials"}
    given = client.ask(release, Authorization="Basic Ym9hcmQ6bGV0LW1lLWlu")
    assert (parts.username, parts.password) == ("board", "let-me-in")
    assert given[0].status == 404


SENSELESS: list[tuple[Fault, ...]] = [
    (Chunked(), NoLength()),
    (Chunked(), WrongLength(by=1)),
    (NoLength(), Cut(after=5), WrongLength(by=1)),
    (Replaced(after=0), HtmlPage()),
    (Replaced(after=0), Replaced(after=1)),
    (Gzip(), Gzip()),
    (WrongContentRange(by=1), WrongContentRange(by=-1)),
    (ManyHeaders(), ManyHeaders()),
    (Abrupt(), Abrupt()),
]


@pytest.mark.parametrize("faults", [*SENSELESS, *(given[::-1] for given in SENSELESS)], ids=str)
def test_faults_of_which_one_would_undo_the_other_are_refused(
    server: OtaServer, client: Client, faults: tuple[Fault, ...]
) -> None:
    with pytest.raises(ServerError, match=f"{faults[0].name} and {faults[-1].name} cannot go together"):
        server.publish("/app.bin", b"x", *faults)
    assert not client.timeline.entries


@pytest.mark.parametrize("fault", [NoLength(), WrongLength(by=1)], ids=str)
def test_chunks_that_were_asked_for_go_with_no_other_end_of_a_body(server: OtaServer, fault: Fault) -> None:
    with pytest.raises(ServerError, match=f"{fault.name} and chunked cannot go together"):
        server.publish("/app.bin", b"x", fault, chunked=True)


def test_two_stalls_and_chunks_said_twice_make_sense(server: OtaServer, client: Client, data: bytes) -> None:
    stalls = (Stall(after=5, seconds=0.01), Stall(after=10, seconds=0.01))
    response, body = client.ask(server.publish("/app.bin", data, *stalls, Chunked(), chunked=True))
    assert (body, response.headers["Transfer-Encoding"]) == (data, "chunked")
    assert fired(client) == {"stall", "chunked"}
