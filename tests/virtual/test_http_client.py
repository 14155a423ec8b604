"""The virtual board's HTTP client: the bytes it asks with, and what it makes of answers."""

from __future__ import annotations

import hashlib
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import parse_http_list, parse_keqv_list

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.virtual.idf.err import EspErr, EspError
from bench.virtual.idf.http_client import HttpClient, HttpConfig
from bench.virtual.idf.http_parser import Response, Url, parse_url
from bench.virtual.idf.https_ota_http import OtaHttp
from bench.virtual.idf.tls import Trust
from tests.virtual.lifelike import Life, firmware, live
from tests.virtual.peer import Peer, Script, answering, response, serve

# -- reading responses

MESSAGES = {
    b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world": (200, b"hello world"),
    b"HTTP/1.1 206 Partial Content\r\ncontent-length:5\r\n\r\nhello": (206, b"hello"),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=1\r\n world\r\n0\r\n\r\n": (
        200,
        b"hello world",
    ),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n0\r\nX: y\r\n\r\n": (200, b"h"),
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n": (404, b""),
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n": (304, b""),
}


@pytest.mark.parametrize(("message", "status", "body"), [(m, *value) for m, value in MESSAGES.items()])
def test_a_response_is_read_whole_or_in_pieces_and_no_further(message: bytes, status: int, body: bytes) -> None:
    for pieces in ([message], [message + b"HTTP/1.1 500"], [message[at : at + 1] for at in range(len(message))]):
        answer = Response()
        assert b"".join(answer.feed(piece) for piece in pieces) == body
        assert (answer.status, answer.complete) == (status, True)


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(1, 50))
def test_chunks_come_out_as_they_went_in(chunks: list[bytes], size: int) -> None:
    data = [chunk for chunk in chunks if chunk]
    message = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    message += b"".join(f"{len(chunk):X}\r\n".encode() + chunk + b"\r\n" for chunk in data) + b"0\r\n\r\n"
    answer = Response()
    got = b"".join(answer.feed(message[at : at + size]) for at in range(0, len(message), size))
    assert got == b"".join(data)
    assert answer.complete


@given(st.binary(max_size=300))
def test_rubbish_is_never_a_response_with_a_body(rubbish: bytes) -> None:
    answer = Response()
    if not rubbish.startswith(b"HTTP/"):
        assert answer.feed(rubbish) == b""
        assert not answer.has_headers


_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n",
        b"HTTP/1.1 2000 OK\r\n",
        b"HTTP/2 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    ],
)
def test_headers_that_http_parser_refuses_are_never_complete(head: bytes) -> None:
    answer = Response()
    assert answer.feed(head + b"\r\nhello") == answer.feed(b"HTTP/1.1 200 OK\r\n\r\nhello") == b""
    assert (answer.has_headers, answer.status) == (False, -1)


def test_a_length_may_begin_with_zeros() -> None:
    answer = Response()
    assert answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"0" * 5000 + b"5\r\n\r\nhello") == b"hello"
    assert answer.complete


@pytest.mark.parametrize("size", [b"-5", b"+5", b"0x5", b"5_0", b"\xb5", b"5\t", b";5", b"1" + b"0" * 16])
def test_the_size_of_a_chunk_has_hexadecimal_digits_and_nothing_else(size: bytes) -> None:
    answer = Response()
    assert answer.feed(_CHUNKED + size + b"\r\nhello\r\n0\r\n\r\n") == b""
    assert not answer.complete


_HEADERS_OF = 80 * 1024


@pytest.mark.parametrize(
    ("begin", "line"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 1000 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y" * 1000),
        (_CHUNKED, b"0" * 1000),
        (_CHUNKED + b"5;", b"y" * 1000),
        (_CHUNKED + b"0\r\n", b"X: " + b"y" * 1000 + b"\r\n"),
    ],
)
def test_what_never_ends_is_given_up_after_80_kib(begin: bytes, line: bytes) -> None:
    answer = Response()
    answer.feed(begin)
    broken = []
    for _ in range(_HEADERS_OF // len(line) + 1):
        answer.feed(line)
        broken.append(answer.broken)
    assert broken.index(True) >= len(broken) - 2
    assert answer.feed(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n") == b""
    assert not answer.complete


@pytest.mark.parametrize(("spare", "whole"), [(0, True), (-1, False)])
def test_headers_may_have_80_kib(spare: int, whole: bool) -> None:
    begin, end = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: ", b"\r\n\r\n"
    message = begin + b"y" * (_HEADERS_OF - len(begin) - len(end) - spare) + end + b"hello"
    for size in (512, len(message)):
        answer = Response()
        body = b"".join(answer.feed(message[at : at + size]) for at in range(0, len(message), size))
        assert (body, answer.complete, answer.broken) == ((b"hello", True, False) if whole else (b"", False, True))


def test_a_body_without_length_ends_with_the_connection() -> None:
    answer = Response()
    assert answer.feed(b"HTTP/1.1 200 OK\r\n\r\nabc") == b"abc"
    assert answer.feed(b"def") == b"def"
    assert not answer.complete
    answer.finish()
    assert answer.complete


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://10.0.2.2:8070/a.bin?x=1", Url("https", "10.0.2.2", 8070, "/a.bin", "x=1")),
        ("http://host", Url("http", "host", 0, "", "")),
        ("/moved.bin", Url("", "", 0, "/moved.bin", "")),
        ("moved.bin", None),
        ("https:///x", None),
        ("https://host:port/x", None),
        ("https://host/with space", None),
        ("", None),
        ("//cdn.example/fw.bin", Url("", "", 0, "//cdn.example/fw.bin", "")),
        ("https://my_host/a", None),
        ("https://h/caf\u00e9", None),
        ("https://h:/x", None),
        ("https://h:65536/x", None),
        ("https://a@b@c/x", None),
        ("https://h#x", None),
        ("HTTPS://Host.Example/A", Url("HTTPS", "Host.Example", 0, "/A", "")),
        ("https://u:p:q@h/x", Url("https", "h", 0, "/x", "", "u", "p:q")),
        ("https://@h", Url("https", "h", 0, "", "")),
        ("https://[fe80::1%25eth0]:1/x", Url("https", "fe80::1%25eth0", 1, "/x", "")),
        ("https://h?a?b#c#d", Url("https", "h", 0, "", "a?b")),
        ("/x?", Url("", "", 0, "/x", "")),
        ('/a[1]{2}|\\^`<>"#f?', Url("", "", 0, '/a[1]{2}|\\^`<>"', "")),
        ("https://h/x\n", None),
    ],
)
def test_urls(text: str, url: Url | None) -> None:
    assert parse_url(text) == url


# -- asking


@contextmanager
def client_of(script: Script, *, idf_ver: str = "v5.1.4") -> Iterator[tuple[HttpClient, Peer, Life]]:
    with serve(script) as peer, live() as life:
        running = life.running(firmware(idf_ver=idf_ver))
        config = HttpConfig(peer.url(scheme="http"), Trust(None), timeout_ms=100)
        client = HttpClient(running, config)
        try:
            yield client, peer, life
        finally:
            client.close()


@pytest.mark.parametrize(("release", "length"), [("v5.1.4", "Content-Length: 0\r\n"), ("v5.5", "")])
def test_the_request_is_the_device_s_byte_for_byte(release: str, length: str) -> None:
    with client_of(answering(response(b"")), idf_ver=release) as (client, peer, _):
        client.open()
        client.fetch_headers()
        assert peer.requests == [
            (
                "GET /image.bin HTTP/1.1\r\nUser-Agent: ESP32 HTTP Client/1.0\r\n"
                f"Host: 127.0.0.1:{peer.port}\r\n{length}\r\n"
            ).encode()
        ]


def test_a_range_keeps_its_place_and_a_connection_is_used_again() -> None:
    with client_of(answering(response(b"abc"))) as (client, peer, _):
        for value in ("bytes=0-2", "bytes=3-5"):
            client.set_header("Range", value)
            client.open()
            client.fetch_headers()
            assert client.read(100) == b"abc"
        assert peer.connections == 1
        asked = [request.split(b"\r\n")[3] for request in peer.requests]
        assert asked == [b"Range: bytes=0-2", b"Range: bytes=3-5"]


def test_reading_gives_what_was_asked_for_however_it_came() -> None:
    body = bytes(range(256)) * 20

    def dripping(connection: socket.socket, _request: bytes) -> None:
        whole = response(body)
        for at in range(0, len(whole), 700):
            connection.sendall(whole[at : at + 700])

    with client_of(dripping) as (client, _, _life):
        client.open()
        client.fetch_headers()
        pieces = []
        while piece := client.read(1024):
            assert isinstance(piece, bytes)
            pieces.append(piece)
        assert b"".join(pieces) == body
        assert {len(piece) for piece in pieces} == {1024}
        assert client.is_complete_data_received()


def test_a_redirection_to_another_host_opens_another_connection() -> None:
    """And the Host header then lacks the port, as esp_http_client_set_url leaves it."""
    with serve(answering(response(b"there"))) as other:
        moved = response(b"", f"Location: http://localhost:{other.port}/new", status="301 Moved")
        with client_of(answering(moved)) as (client, peer, _):
            client.perform()
            assert client.status_code == 200
            assert len(peer.requests) == 1
            assert other.requests[0].startswith(b"GET /new HTTP/1.1\r\nUser-Agent: ESP32 HTTP Client/1.0\r\n")
            assert b"Host: localhost\r\n" in other.requests[0]


_REUSE = [("v5.3.1", 1), ("v5.5", 1), ("v6.0", 2), ("v6.0.1", 2), ("v6.0.2", 1)]


@pytest.mark.parametrize(("release", "connections"), _REUSE)
@pytest.mark.parametrize("again", ["Location: /moved", 'WWW-Authenticate: Basic realm="r"'])
def test_v6_0_opens_a_new_connection_whenever_it_asks_again(again: str, release: str, connections: int) -> None:
    """esp_http_client_connect of v6.0 and v6.0.1 forgets the state; the old connection stays open meanwhile."""
    status = "302 Found" if "Location" in again else "401 Unauthorized"
    open_while_answering: list[int] = []
    asked: list[socket.socket] = []

    def script(connection: socket.socket, _request: bytes) -> None:
        open_while_answering.append(sum(not _ended(one) for one in asked if one is not connection))
        asked.append(connection)
        connection.sendall(response(b"abc") if asked[1:] else response(b"", again, status=status))

    with serve(script) as peer, live() as life:
        option = b"CONFIG_ESP_HTTP_CLIENT_ENABLE_BASIC_AUTH=y"
        running = life.running(firmware(idf_ver=release, embedded=(b"FROM_STDIN", option)))
        client = HttpClient(running, HttpConfig(peer.url(scheme="http"), Trust(None), timeout_ms=1000))
        OtaHttp(client, running.log, None, resumes=False).connect()
        assert client.read(100) == b"abc"
        client.close()
        assert (client.status_code, peer.connections) == (200, connections)
        assert open_while_answering == [0, connections - 1]


def _ended(connection: socket.socket) -> bool:
    """Has the client closed it?"""
    return connection.fileno() < 0 or bool(select.select([connection], [], [], 0)[0])


@pytest.mark.parametrize("release", [release for release, _ in _REUSE if release >= "v6"])
def test_v6_asks_for_length_and_later_ranges_on_the_connection_that_is_kept(release: str) -> None:
    """esp_http_client_perform does not connect again where it goes on, nor does _http_connect for a later range."""
    moved, answer = (
        response(b"", "Location: /moved", status="302 Found"),
        response(b"abc", status="206 Partial Content"),
    )
    with serve(answering(moved, response(b"", length=9), answer)) as peer, live() as life:
        running = life.running(firmware(idf_ver=release))
        client = HttpClient(running, HttpConfig(peer.url(scheme="http"), Trust(None), timeout_ms=1000))
        http = OtaHttp(client, running.log, 3, resumes=False)
        assert (http.ask_for_length(), peer.connections) == (9, 1)
        http.begin(0, 9)
        for start in (3, 6):
            assert client.read(3) == b"abc"
            http.ask_for_more(start, 9 - start)
        assert client.read(3) == b"abc"
        client.close()
        assert (len(peer.requests), peer.connections) == (5, 2)


def test_a_later_range_that_is_redirected_to_another_place_is_lost_in_v6() -> None:
    """_http_connect sends the request though esp_http_client_set_url has closed the connection."""
    away = response(b"", "Location: http://localhost:1/moved", status="302 Found")
    with serve(answering(response(b"abc", status="206 Partial Content"), away)) as peer, live() as life:
        running = life.running(firmware(idf_ver="v6.0.2"))
        client = HttpClient(running, HttpConfig(peer.url(scheme="http"), Trust(None), timeout_ms=1000))
        http = OtaHttp(client, running.log, 3, resumes=False)
        http.begin(0, 9)
        assert client.read(3) == b"abc"
        with pytest.raises(EspError):
            http.ask_for_more(3, 6)
        assert life.console.lines[-3:] == [
            "E HTTP_CLIENT: Error write request",
            "E esp_https_ota: Failed to open HTTP connection: ESP_ERR_HTTP_WRITE_DATA",
            "E esp_https_ota: Failed to establish HTTP connection",
        ]


def test_redirections_end_after_ten() -> None:
    with client_of(answering(response(b"", "Location: /again", status="302 Found"))) as (client, peer, life):
        with pytest.raises(EspError) as failed:
            client.perform()
        assert failed.value.code == EspErr.ESP_ERR_HTTP_MAX_REDIRECT
        assert len(peer.requests) == 11
        assert life.console.lines == [
            "E HTTP_CLIENT: Error, reach max_redirection_count count=10",
            "E HTTP_CLIENT: Error response",
        ]


def test_no_answer_is_a_timeout() -> None:
    with client_of(lambda _connection, _request: None) as (client, _, life):
        client.open()
        with pytest.raises(EspError) as failed:
            client.fetch_headers()
        assert failed.value.code == -EspErr.ESP_ERR_HTTP_EAGAIN
        assert life.console.lines == ["W HTTP_CLIENT: Connection timed out before data was ready!"]


def test_a_stall_gives_what_came_and_then_asks_for_patience() -> None:
    with client_of(answering(response(b"abc", length=10))) as (client, _, _life):
        client.open()
        client.fetch_headers()
        assert client.read(1024) == b"abc"
        assert client.read(1024) == -EspErr.ESP_ERR_HTTP_EAGAIN
        assert not client.is_complete_data_received()


def test_an_early_end_without_tls_is_told_twice() -> None:
    """First what came is handed over, with lwIP's errno of a FIN; the next read fails."""

    def cut(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(response(b"abc", length=10))
        connection.shutdown(socket.SHUT_RDWR)

    with client_of(cut) as (client, _, life):
        client.open()
        client.fetch_headers()
        assert client.read(1024) == b"abc"
        assert client.read(1024) == EspErr.ESP_FAIL
        assert life.console.lines == [
            "W HTTP_CLIENT: esp_transport_read returned:-1 and errno:128 ",
            "E transport_base: tcp_read error, errno=Socket is not connected",
            "W HTTP_CLIENT: esp_transport_read returned:-2 and errno:128 ",
            "E HTTP_CLIENT: transport_read: error - 57347 | ESP_ERR_TCP_TRANSPORT_CONNECTION_FAILED",
        ]


@pytest.mark.parametrize(
    ("url", "lines"),
    [
        ("", ["E HTTP_CLIENT: Error parse url ", "E HTTP_CLIENT: Failed to set URL"]),
        ("nonsense", ["E HTTP_CLIENT: Error parse url nonsense", "E HTTP_CLIENT: Failed to set URL"]),
    ],
)
def test_what_is_no_url_is_said(url: str, lines: list[str]) -> None:
    with live() as life:
        running = life.running(firmware())
        with pytest.raises(EspError):
            HttpClient(running, HttpConfig(url, Trust(None)))
        assert life.console.lines == lines


def test_a_scheme_without_transport() -> None:
    with live() as life:
        client = HttpClient(life.running(firmware()), HttpConfig("ftp://host/x", Trust(None)))
        with pytest.raises(EspError) as failed:
            client.open()
        assert failed.value.code == EspErr.ESP_ERR_HTTP_INVALID_TRANSPORT
        assert life.console.lines == ["E HTTP_CLIENT: No transport found"]


@pytest.mark.parametrize("host", ["a..b", "a" * 64])
def test_a_host_that_is_no_name_is_not_resolved(host: str) -> None:
    """Whether it comes with the URL or with a redirection."""
    told = f"E esp-tls: couldn't get hostname for :{host}: getaddrinfo() returns 202, addrinfo=0x0"
    with live() as life:
        client = HttpClient(life.running(firmware()), HttpConfig(f"http://{host}/x", Trust(None)))
        with pytest.raises(EspError) as failed:
            client.open()
        assert failed.value.code == EspErr.ESP_ERR_HTTP_CONNECT
        assert life.console.lines[0] == told
    moved = response(b"", f"Location: http://{host}/x", status="302 Found")
    with client_of(answering(moved)) as (client, _, life):
        with pytest.raises(EspError) as failed:
            client.perform()
        assert failed.value.code == EspErr.ESP_ERR_HTTP_CONNECT
        assert life.console.lines[0] == told


@pytest.mark.parametrize(
    ("total", "size"),
    [("700", 700), ("*", -1), ("0", -1), ("\xb2", -1), ("", -1), ("9" * 10, 0x7FFF_FFFF), ("9" * 5000, 0x7FFF_FFFF)],
)
def test_the_size_in_a_content_range_is_what_strtol_makes_of_it(total: str, size: int) -> None:
    answer = response(b"a").replace(b"\r\n\r\n", f"\r\nContent-Range: bytes 0-0/{total}\r\n\r\n".encode("latin-1"))
    with client_of(answering(answer)) as (client, _, _life):
        client.open()
        client.fetch_headers()
        assert client.content_range == size


# -- requests that do not fit, and credentials


def _asking(
    url_path: str, *, options: tuple[bytes, ...] = (), idf_ver: str = "v5.3.1"
) -> tuple[list[bytes], list[str]]:
    """What the server got of a request for that path, and what the console said."""
    with serve(lambda _connection, _request: None) as peer, live() as life:
        running = life.running(firmware(idf_ver=idf_ver, embedded=(b"FROM_STDIN", *options)))
        client = HttpClient(running, HttpConfig(peer.url(url_path, scheme="http"), Trust(None), timeout_ms=100))
        try:
            client.open()
            with pytest.raises(EspError):
                client.fetch_headers()
        finally:
            client.close()
        return peer.requests, life.console.lines


@pytest.mark.parametrize(
    ("length", "line", "complete"),
    [
        (300, None, True),
        (430, "E HTTP_HEADER: Buffer length is small to fit all the headers", True),  # two pieces
        (480, "E HTTP_HEADER: Buffer length is small to fit all the headers", False),  # nothing at all is sent
    ],
)
def test_a_long_request_goes_out_in_pieces_or_not_at_all(length: int, line: str | None, complete: bool) -> None:
    requests, said = _asking("/" + "x" * (length - 1))
    assert bool(requests) is complete
    assert (line in said) is (line is not None)
    assert said[-1] == "W HTTP_CLIENT: Connection timed out before data was ready!"
    if complete:
        assert requests[0].startswith(b"GET /xxx")
        assert requests[0].count(b"\r\n") == 5


def test_a_longer_first_line_is_out_of_buffer() -> None:
    with serve(answering(response(b""))) as peer, live() as life:
        client = HttpClient(life.running(firmware()), HttpConfig(peer.url("/" + "x" * 496, scheme="http"), Trust(None)))
        with pytest.raises(EspError) as failed:
            client.open()
        client.close()
        assert failed.value.code == EspErr.ESP_FAIL
        assert life.console.lines == ["E HTTP_CLIENT: Out of buffer"]


_DIGEST = 'WWW-Authenticate: Digest realm="r", qop="auth", nonce="n0nce", opaque="op", algorithm=MD5'


@pytest.mark.parametrize(
    ("challenge", "option"),
    [
        ('WWW-Authenticate: Basic realm="r"', b"CONFIG_ESP_HTTP_CLIENT_ENABLE_BASIC_AUTH=y"),
        (_DIGEST, b"CONFIG_ESP_HTTP_CLIENT_ENABLE_DIGEST_AUTH=y"),
    ],
)
@pytest.mark.parametrize("compiled_in", [True, False])
@pytest.mark.parametrize("release", ["v5.1.4", "v5.3.1"])
def test_credentials_of_the_url_are_given_where_they_are_compiled_in(
    challenge: str, option: bytes, compiled_in: bool, release: str
) -> None:
    script = answering(response(b"", challenge, status="401 Unauthorized"), response(b"image"))
    with serve(script) as peer, live() as life:
        running = life.running(firmware(idf_ver=release, embedded=(b"FROM_STDIN", *([option] if compiled_in else []))))
        url = peer.url("/a.bin?x=1", scheme="http").replace("://", "://user:pass@")
        client = HttpClient(running, HttpConfig(url, Trust(None), timeout_ms=1000))
        client.open()
        client.fetch_headers()
        client.add_auth()
        client.flush_response()
        client.open()
        client.fetch_headers()
        client.close()
        assert b"Authorization" not in peer.requests[0]
        given = peer.requests[1].partition(b"Authorization: ")[2].partition(b"\r\n")[0].decode()
        if not compiled_in:
            assert given == ""
            assert "This authentication method is not supported: " in life.console.lines[0]
        elif "Basic" in challenge:
            assert given == "Basic dXNlcjpwYXNz"
        else:
            _check_digest(given, "/a.bin?x=1" if release == "v5.3.1" else "/a.bin")


_BASIC = 'WWW-Authenticate: Basic realm="r"'


def _asked_for_length(
    script: Script, release: str, *options: bytes, credentials: str = "user:pass@"
) -> tuple[int | EspError, list[bytes], list[str]]:
    """What a partial download's HEAD gives, the requests that the server got, and what the console said."""
    with serve(script) as peer, live() as life:
        running = life.running(firmware(idf_ver=release, embedded=(b"FROM_STDIN", *options)))
        url = peer.url(scheme="http").replace("://", f"://{credentials}")
        client = HttpClient(running, HttpConfig(url, Trust(None), timeout_ms=1000))
        try:
            return OtaHttp(client, running.log, 1000, resumes=False).ask_for_length(), peer.requests, life.console.lines
        except EspError as error:
            return error, peer.requests, life.console.lines
        finally:
            client.close()


@pytest.mark.parametrize("release", ["v4.4.8", "v5.3.1", "v5.5", "v6.0.2"])
@pytest.mark.parametrize("closing", [False, True])
def test_a_head_is_asked_again_with_credentials(release: str, closing: bool) -> None:
    refused = response(b"", _BASIC, *["Connection: close"] * closing, status="401 Unauthorized")
    length, requests, said = _asked_for_length(
        answering(refused, response(b"", length=700)), release, b"CONFIG_ESP_HTTP_CLIENT_ENABLE_BASIC_AUTH=y"
    )
    assert (length, [line for line in said if line]) == (700, [])
    assert [request.partition(b" ")[0] for request in requests] == [b"HEAD", b"HEAD"]
    assert [b"Authorization: Basic dXNlcjpwYXNz" in request for request in requests] == [False, True]


@pytest.mark.parametrize(
    ("release", "status", "last"),
    [
        ("v5.3.1", EspErr.ESP_FAIL, ["E esp_https_ota: Received incorrect http status 401"]),
        (
            "v5.5",
            EspErr.ESP_ERR_NOT_SUPPORTED,
            ["E HTTP_CLIENT: Error response", "E esp_https_ota: ESP HTTP client perform failed: 262"],
        ),
    ],
)
@pytest.mark.parametrize(
    ("challenge", "first"),
    [
        ([_BASIC], 'E HTTP_CLIENT: This authentication method is not supported: Basic realm="r"'),
        ([], "W HTTP_CLIENT: This request requires authentication, but does not provide header information for that"),
    ],
)
def test_a_head_whose_challenge_is_not_understood_is_not_asked_again(
    challenge: list[str], first: str, release: str, status: EspErr, last: list[str]
) -> None:
    """Since v5.5 that is an error of esp_http_client_perform, too."""
    refused = answering(response(b"", *challenge, status="401 Unauthorized"))
    length, requests, said = _asked_for_length(refused, release)
    assert isinstance(length, EspError)
    assert (length.code, len(requests), said) == (status, 1, [first, *last])


def test_a_head_without_credentials_is_asked_ten_times_more() -> None:
    """Where the challenge is understood nobody looks whether there is a user to answer it for."""
    refused = answering(response(b"", _BASIC, status="401 Unauthorized"))
    option = b"CONFIG_ESP_HTTP_CLIENT_ENABLE_BASIC_AUTH=y"
    length, requests, said = _asked_for_length(refused, "v5.3.1", option, credentials="")
    assert isinstance(length, EspError)
    assert (length.code, len(requests)) == (EspErr.ESP_ERR_HTTP_MAX_REDIRECT, 11)
    assert said[:2] == [
        "E HTTP_CLIENT: Error, reach max_redirection_count count=10",
        "E HTTP_CLIENT: Error response",
    ]


def _check_digest(given: str, uri: str) -> None:
    """By the words of RFC 7616, section 3.4.1."""

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    parts = parse_keqv_list(parse_http_list(given.removeprefix("Digest ")))
    assert (parts["username"], parts["realm"], parts["uri"], parts["opaque"]) == ("user", "r", uri, "op")
    middle = f"n0nce:{parts['nc']}:{parts['cnonce']}:auth"
    assert parts["response"] == md5(f"{md5('user:r:pass')}:{middle}:{md5(f'GET:{uri}')}")
