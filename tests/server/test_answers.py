"""Faults of framing, content, ranges, redirections and access, as http.client, urllib and curl meet them."""

from __future__ import annotations

import gzip
import http.client
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bench.server import (
    Abrupt,
    Chunked,
    Closing,
    Credentials,
    Cut,
    Detour,
    Fault,
    Gzip,
    HeadRefused,
    HtmlPage,
    Late,
    ManyHeaders,
    NoLength,
    NoLocation,
    OffByOne,
    OtaServer,
    RangesIgnored,
    RedirectLoop,
    Release,
    Replaced,
    Status,
    Token,
    Unauthorized,
    WrongContentRange,
    WrongLength,
)
from tests.server.conftest import Client


def test_without_a_length_the_body_ends_with_the_connection(server: OtaServer, client: Client, data: bytes) -> None:
    response, body = client.ask(server.publish("/app.bin", data, NoLength()))
    assert body == data
    assert response.headers["Content-Length"] is None
    assert response.headers["Transfer-Encoding"] is None
    assert response.headers["Connection"] == "close"
    told = client.told("response")
    assert (told.data["announced"], told.data["complete"]) == (None, True)


def test_a_length_that_is_too_long_leaves_the_client_waiting_for_more(
    server: OtaServer, client: Client, data: bytes
) -> None:
    with pytest.raises(http.client.IncompleteRead) as caught:
        client.ask(server.publish("/app.bin", data, WrongLength(by=10)))
    assert (caught.value.partial, caught.value.expected) == (data, 10)
    assert client.told("response").data["announced"] == len(data) + 10


def test_a_length_that_is_too_short_is_followed_by_the_rest(server: OtaServer, client: Client, data: bytes) -> None:
    with client.raw(server.publish("/app.bin", data, WrongLength(by=-10))) as peer:
        peer.sendall(b"GET /app.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        got = bytearray()
        _read_all(peer, got)
    assert f"Content-Length: {len(data) - 10}\r\n".encode() in got
    assert got.endswith(b"\r\n\r\n" + data)


def test_chunks(server: OtaServer, client: Client, data: bytes) -> None:
    response, body = client.ask(server.publish("/app.bin", data, Chunked()))
    assert (body, response.headers["Transfer-Encoding"]) == (data, "chunked")
    with pytest.raises(http.client.IncompleteRead) as caught:
        client.ask(server.publish("/app.bin", data, Chunked(), Cut(after=20_000)))
    assert caught.value.partial == data[:20_000]
    assert {entry.data["fault"] for entry in client.timeline.entries if entry.kind == "fault"} == {"chunked", "cut"}


def test_closing_closes_properly(server: OtaServer, client: Client, data: bytes) -> None:
    with client.raw(server.publish("/app.bin", data, Closing())) as peer:
        peer.suppress_ragged_eofs = False  # type: ignore[attr-defined]  # else a bare FIN would look the same
        peer.sendall(b"GET /app.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        got = bytearray()
        _read_all(peer, got)
    assert got.endswith(data)
    assert b"Connection: close\r\n" in got


ABRUPT = {"length": ((), b""), "chunks": ((Chunked(),), b"\r\n0\r\n\r\n")}


@pytest.mark.parametrize(("others", "last"), ABRUPT.values(), ids=ABRUPT)
def test_an_abrupt_end_has_no_close_notify(
    server: OtaServer, client: Client, data: bytes, others: tuple[Fault, ...], last: bytes
) -> None:
    with client.raw(server.publish("/app.bin", data, *others, Abrupt()), strict=True) as peer:
        peer.suppress_ragged_eofs = False  # type: ignore[attr-defined]  # else a bare FIN would look the same
        peer.sendall(b"GET /app.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        got = bytearray()
        with pytest.raises(ssl.SSLError, match=r"(?i)eof"):
            _read_all(peer, got)
    assert got.endswith(data[-1000:] + last)


def _read_all(peer: ssl.SSLSocket, into: bytearray) -> None:
    while part := peer.recv(65536):
        into += part


@pytest.mark.parametrize("size", [64, 4096])
def test_a_page_instead_of_an_image(server: OtaServer, client: Client, data: bytes, size: int) -> None:
    response, body = client.ask(server.publish("/app.bin", data, HtmlPage(size=size)))
    assert (response.status, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert len(body) == size == int(response.headers["Content-Length"])
    assert body.startswith(b"<!DOCTYPE html>")


def test_a_compressed_body_says_so(server: OtaServer, client: Client, data: bytes) -> None:
    release = server.publish("/app.bin", data, Gzip())
    response, body = client.ask(release)
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == data
    if shutil.which("curl") is not None:
        done = subprocess.run(["curl", "-sk", "--compressed", release.url], capture_output=True, timeout=20)
        assert done.stdout == data


def test_many_headers(server: OtaServer, client: Client, data: bytes) -> None:
    response, body = client.ask(server.publish("/app.bin", data, ManyHeaders(size=8192)))
    assert body == data
    assert sum(len(name) + len(value) + 4 for name, value in response.headers.items()) > 8192


@pytest.mark.parametrize(
    ("size", "added"), [(1, 16), (16, 16), (100, 100), (1000, 1000), (1001, 1001), (8192, 8192), (20_001, 20_001)]
)
def test_as_many_bytes_of_headers_as_was_said(server: OtaServer, client: Client, size: int, added: int) -> None:
    blocks = []
    for faults in ((), (ManyHeaders(size=size),)):
        with client.raw(server.publish("/app.bin", b"x", *faults)) as peer:
            peer.sendall(b"GET /app.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            got = bytearray()
            _read_all(peer, got)
        blocks.append(bytes(got).partition(b"\r\n\r\n")[0])
    assert len(blocks[1]) - len(blocks[0]) == added
    assert max(len(line) for line in blocks[1].split(b"\r\n")) <= 1000


def test_a_late_answer(server: OtaServer, client: Client) -> None:
    assert client.ask(server.publish("/app.bin", b"x", Late(seconds=0.01)))[1] == b"x"
    with client.raw(server.publish("/app.bin", b"x", Late())) as peer:
        peer.sendall(b"GET /app.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        peer.settimeout(0.05)
        with pytest.raises(TimeoutError):
            peer.recv(1)
    assert client.told("response", aborted="peer")


def test_a_status_may_pass(server: OtaServer, client: Client) -> None:
    release = server.publish("/app.bin", b"x", Status(503, times=2))
    assert [client.ask(release)[0].status for _ in range(4)] == [503, 503, 200, 200]


# -- ranges


def test_ranges_ignored(server: OtaServer, client: Client, data: bytes) -> None:
    response, body = client.ask(server.publish("/app.bin", data, RangesIgnored()), Range="bytes=5-9")
    assert (response.status, body, response.headers["Content-Range"]) == (200, data, None)
    assert client.told("fault", fault="ranges-ignored")


def test_a_wrong_content_range(server: OtaServer, client: Client, data: bytes) -> None:
    release = server.publish("/app.bin", data, WrongContentRange())
    response, body = client.ask(release, Range="bytes=5-9")
    assert (response.status, body) == (206, data[5:10])
    assert response.headers["Content-Range"] == f"bytes 6-10/{len(data)}"


@pytest.mark.parametrize(("by", "told"), [(-1, "1-100"), (-5, "5-104"), (2, "2-101")])
def test_a_content_range_of_the_first_part_is_wrong_too(
    server: OtaServer, client: Client, data: bytes, by: int, told: str
) -> None:
    release = server.publish("/app.bin", data, WrongContentRange(by=by))
    response, body = client.ask(release, Range="bytes=0-99")
    assert (response.headers["Content-Range"], body) == (f"bytes {told}/{len(data)}", data[:100])


def test_a_length_of_nothing_cannot_be_less(server: OtaServer, client: Client) -> None:
    response, _ = client.ask(server.publish("/app.bin", b"", WrongLength(by=-1)))
    assert response.headers["Content-Length"] == "0"
    client.told("response")
    assert not [entry for entry in client.timeline.entries if entry.kind == "fault"]


def test_a_status_without_a_body_that_is_not_known_to_have_none_says_so(server: OtaServer, client: Client) -> None:
    """RFC 9112, section 6.3: a client knows it of 1xx, 204 and 304; of 205 it would wait for the end."""
    release = server.publish("/app.bin", b"x", Status(205))
    with client.raw(release) as peer:
        for _ in range(2):
            peer.sendall(b"GET /app.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"\r\nContent-Length: 0\r\n" in peer.recv(4096)


def test_off_by_one(server: OtaServer, client: Client, data: bytes) -> None:
    release = server.publish("/app.bin", data, OffByOne())
    response, body = client.ask(release, Range="bytes=5-9")
    assert (body, response.headers["Content-Range"]) == (data[6:11], f"bytes 5-9/{len(data)}")
    assert client.ask(release, Range=f"bytes={len(data) - 2}-")[1] == data[-1:] + b"\xff"
    assert client.ask(release, Range="bytes=0-4")[1] == data[:5]


def test_a_file_replaced(server: OtaServer, client: Client, data: bytes) -> None:
    release = server.publish("/app.bin", data, Replaced(after=1))
    first, before = client.ask(release, Range="bytes=0-99")
    second, after = client.ask(release, Range="bytes=100-199")
    assert before == data[:100]
    assert len(after) == 100
    assert after != data[100:200]
    assert first.headers["ETag"] != second.headers["ETag"]


REPLACED = {
    "no if-range": (None, 206, "bytes 50-99/300001"),
    "the first file": ("first", 200, None),
    "the other file": ("other", 206, "bytes 50-99/300001"),
}


@pytest.mark.parametrize(("names", "status", "content_range"), REPLACED.values(), ids=REPLACED)
def test_a_part_of_a_file_replaced_is_given_to_who_knows_which_file_it_is(
    server: OtaServer, client: Client, data: bytes, names: str | None, status: int, content_range: str | None
) -> None:
    """RFC 9110, section 13.1.5: where If-Range names another file, the whole new one is sent."""
    release = server.publish("/app.bin", data, Replaced(after=1))
    first, _ = client.ask(release, "HEAD")
    other, replaced = client.ask(release)
    assert len(replaced) == len(data)
    assert replaced != data
    tags = {"first": first.headers["ETag"], "other": other.headers["ETag"]}
    if_range = {"If-Range": tags[names]} if names is not None else {}
    response, body = client.ask(release, Range="bytes=50-99", **if_range)
    assert (response.status, response.headers["Content-Range"]) == (status, content_range)
    assert body == (replaced if status == 200 else replaced[50:100])
    assert response.headers["ETag"] == tags["other"]


def test_head_refused(server: OtaServer, client: Client, data: bytes) -> None:
    release = server.publish("/app.bin", data, HeadRefused())
    assert client.ask(release, "HEAD")[0].status == 403
    assert client.ask(release)[1] == data


# -- elsewhere


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("form", ["url", "path"])
@pytest.mark.parametrize("hops", [1, 2])
def test_a_detour_arrives(server: OtaServer, client: Client, code: int, form: str, hops: int) -> None:
    release = server.publish("/app.bin", b"image", Detour(code=code, form=form, hops=hops))
    assert _follow(client, release.url) == b"image"
    client.told("response", status=200)  # it comes when the client has it all already
    told = [entry for entry in client.timeline.entries if entry.kind == "response"]
    assert [entry.data["status"] for entry in told] == [code] * hops + [200]


def _follow(client: Client, url: str) -> bytes:
    """urllib follows redirections by its own rules; 308 it knows since 3.11."""
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=client.context()))
    with opener.open(url, timeout=10) as answer:
        body: bytes = answer.read()
    return body


def test_a_location_may_be_long_or_a_bare_name(server: OtaServer, client: Client) -> None:
    response, _ = client.ask(server.publish("/a/app.bin", b"x", Detour(form="path", padding=900)))
    assert len(response.headers["Location"]) == 900
    response, _ = client.ask(server.publish("/a/app.bin", b"x", Detour(form="name")))
    assert response.headers["Location"] == "app.bin?hop=1"


def test_a_loop_and_a_redirect_to_nowhere(server: OtaServer, client: Client) -> None:
    release = server.publish("/app.bin", b"x", RedirectLoop(code=307))
    with pytest.raises(urllib.error.HTTPError, match="infinite loop"):
        _follow(client, release.url)
    response, _ = client.ask(server.publish("/app.bin", b"x", NoLocation(code=301)))
    assert (response.status, response.headers["Location"]) == (301, None)


# -- access


@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
def test_credentials_open_and_are_never_told(server: OtaServer, client: Client, scheme: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl: apt-get install curl")
    release = server.publish("/app.bin", b"image", Credentials(scheme=scheme, user="board", password="s3cret"))
    assert "board:s3cret@" in release.url
    ca = tmp_path / "ca.pem"
    ca.write_bytes(client.authority.ca_pem)
    command = ["curl", "-sS", "--cacert", str(ca), f"--{scheme.lower()}"]
    assert subprocess.run([*command, release.url], capture_output=True, timeout=20).stdout == b"image"
    wrong = release.url.replace("s3cret", "guess")
    assert subprocess.run([*command, wrong], capture_output=True, timeout=20).stdout == b"401\n"
    assert client.told("fault", fault="credentials", password="***")
    assert "s3cret" not in client.timeline.to_jsonl() + repr(release)
    assert client.ask(release)[0].headers["WWW-Authenticate"].startswith(scheme)


@pytest.mark.parametrize(
    ("scheme", "given"),
    [
        ("Digest", b"Digest username="),
        ("Digest", b"Digest"),
        ("Digest", b'Digest username="board", =, nonce'),
        ("Digest", b'Digest username="board", uri="/app.bin", nonce="%s", cnonce="\xff"'),
        ("Digest", b'Digest username="board", uri="/app.bin", nonce="%s", response="\xff"'),
        ("Basic", b"Basic"),
        ("Basic", b"Basic \xff"),
    ],
)
def test_credentials_that_are_malformed_are_not_the_right_ones(
    server: OtaServer, client: Client, scheme: str, given: bytes
) -> None:
    release = server.publish("/app.bin", b"image", Credentials(scheme=scheme))
    challenge = client.ask(release)[0].headers["WWW-Authenticate"] or ""
    given = given.replace(b"%s", challenge.partition('nonce="')[2].partition('"')[0].encode())
    with client.raw(release) as peer:
        peer.sendall(b"GET /app.bin HTTP/1.1\r\nHost: x\r\nAuthorization: " + given + b"\r\n\r\n")
        assert peer.recv(4096).startswith(b"HTTP/1.1 401 ")


def test_urllib_answers_the_digest_too(server: OtaServer, client: Client) -> None:
    release = server.publish("/app.bin", b"image", Credentials(scheme="Digest", user="u", password="p"))
    url = release.url.replace("u:p@", "")
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, url, "u", "p")
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=client.context()), urllib.request.HTTPDigestAuthHandler(passwords)
    )
    with opener.open(url, timeout=10) as answer:
        assert answer.read() == b"image"


def test_a_token_opens_until_it_expires_and_is_never_told(server: OtaServer, client: Client) -> None:
    release = server.publish("/app.bin", b"image", Token(token="s3cret", requests=2))
    there = _target(release)
    assert [client.ask(release, path=there)[0].status for _ in range(3)] == [200, 200, 403]
    assert client.ask(release, path="/app.bin?token=guess")[0].status == 403
    assert "s3cret" not in client.timeline.to_jsonl() + repr(release)
    assert client.told("release").data["url"] == release.told_url


def _target(release: Release) -> str:
    parts = urlsplit(release.url)
    return f"{parts.path}?{parts.query}"


@pytest.mark.parametrize("scheme", ["Basic", "Digest", ""])
def test_no_credentials_satisfy(server: OtaServer, client: Client, scheme: str) -> None:
    response, _ = client.ask(server.publish("/app.bin", b"x", Unauthorized(scheme)), Authorization="Basic eA==")
    assert response.status == 401
    assert (response.headers["WWW-Authenticate"] or "").partition(" ")[0] == scheme


BAD: list[tuple[type[Fault], dict[str, object]]] = [
    (Detour, {"code": 304}),
    (Detour, {"hops": 0}),
    (Detour, {"form": "x"}),
    (Detour, {"padding": -1}),
    (WrongLength, {"by": 0}),
    (WrongContentRange, {"by": 0}),
    (Replaced, {"after": -1}),
    (HtmlPage, {"size": 1}),
    (ManyHeaders, {"size": 0}),
    (HeadRefused, {"code": 200}),
    (Unauthorized, {"scheme": "NTLM"}),
    (Credentials, {"scheme": "NTLM"}),
    (Credentials, {"password": "a b"}),
    (Token, {"token": ""}),
    (Token, {"requests": -1}),
    (Late, {"seconds": -1.0}),
    (Status, {"code": 500, "times": -1}),
    (RedirectLoop, {"code": 200}),
    (NoLocation, {"code": 200}),
]


@pytest.mark.parametrize(("kind", "fields"), BAD)
def test_what_makes_no_sense_is_refused_when_it_is_said(kind: type[Fault], fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not|right|there is no|letters"):
        kind(**fields)
