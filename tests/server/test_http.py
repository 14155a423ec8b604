"""What a well-behaved server says, seen by http.client and curl, and what it tells the timeline."""

from __future__ import annotations

import hashlib
import http.client
import random
import shutil
import socket
import ssl
import subprocess
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.errors import ServerError
from bench.server import Authority, OtaServer
from bench.timeline import Timeline
from tests.server.conftest import Client


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_download_is_whole_and_told(server: OtaServer, client: Client, data: bytes, version: ssl.TLSVersion) -> None:
    release = server.publish("/app.bin", data)
    connection = client.connect(release, version)
    connection.request("GET", "/app.bin")
    response = connection.getresponse()
    assert response.read() == data
    assert response.headers["Content-Length"] == str(len(data))
    assert response.headers["Content-Type"] == "application/octet-stream"
    connection.close()

    tls = client.told("tls", ok=True)
    assert tls.data["version"] == version.name.replace("_", ".")
    request = client.told("request", method="GET", path="/app.bin", range=None, http="1.1")
    told = client.told("response", request=request.data["request"])
    assert (told.data["status"], told.data["announced"], told.data["sent"]) == (200, len(data), len(data))
    assert told.data["complete"] is True
    assert told.data["aborted"] is None
    assert client.told("closed").data["requests"] == 1
    assert release.size == len(data)
    assert release.sha256 == hashlib.sha256(data).hexdigest()


def test_old_tls_is_refused(server: OtaServer, client: Client, data: bytes) -> None:
    release = server.publish("/app.bin", data)
    context = client.context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python discourages it; that is what is tested
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    connection = http.client.HTTPSConnection(server.name, server.port, timeout=10, context=context)
    with pytest.raises(ssl.SSLError):
        connection.request("GET", release.path)
    connection.close()
    assert "PROTOCOL" in str(client.told("tls", ok=False).data["reason"])


def test_head_says_the_same_without_a_body(server: OtaServer, client: Client, data: bytes) -> None:
    release = server.publish("/app.bin", data)
    get, _ = client.ask(release)
    head, body = client.ask(release, "HEAD", Range="bytes=0-9")
    assert (head.status, body) == (200, b"")
    for name in ("Content-Length", "Content-Type", "ETag", "Accept-Ranges"):
        assert head.headers[name] == get.headers[name]
    told = client.told("response", announced=len(data), sent=0)
    assert told.data["complete"] is True


def test_the_partial_download_of_esp_https_ota(server: OtaServer, client: Client, data: bytes) -> None:
    """HEAD, then ranges of 16384 bytes, all on one connection kept alive."""
    release = server.publish("/app.bin", data)
    connection = client.connect(release)
    connection.request("HEAD", "/app.bin")
    size = int(connection.getresponse().read() or b"0") or len(data)
    got = b""
    for start in range(0, size, 16384):
        connection.request("GET", "/app.bin", headers={"Range": f"bytes={start}-{start + 16383}"})
        response = connection.getresponse()
        part = response.read()
        assert response.status == 206
        assert response.headers["Content-Range"] == f"bytes {start}-{start + len(part) - 1}/{size}"
        got += part
    connection.close()
    assert got == data
    requests = 1 + -(-size // 16384)
    assert client.told("closed").data["requests"] == requests
    entries = client.timeline.entries
    assert len([entry for entry in entries if entry.kind == "tls"]) == 1
    answers = [entry.data for entry in entries if entry.kind == "response"]
    assert sum(int(str(answer["sent"])) for answer in answers) == size
    assert all(answer["complete"] and answer["sent"] == answer["announced"] for answer in answers[1:])


@pytest.mark.parametrize(
    ("asked", "status", "first", "stop"),
    [("bytes=5-", 206, 5, None), ("bytes=-7", 206, -7, None), ("bytes=0-1,5-6", 200, 0, None), ("x=1", 200, 0, None)],
)
def test_ranges(
    server: OtaServer, client: Client, data: bytes, asked: str, status: int, first: int, stop: int | None
) -> None:
    response, body = client.ask(server.publish("/app.bin", data), Range=asked)
    assert (response.status, body) == (status, data[first:stop])
    assert client.told("request", range=asked)


def test_a_range_beyond_the_end_is_416(server: OtaServer, client: Client) -> None:
    response, _ = client.ask(server.publish("/app.bin", b"0123456789"), Range="bytes=10-")
    assert response.status == 416
    assert response.headers["Content-Range"] == "bytes */10"


def test_if_range_lets_the_range_through_only_for_the_same_bytes(server: OtaServer, client: Client) -> None:
    release = server.publish("/app.bin", b"old image")
    response, _ = client.ask(release)
    tag = response.headers["ETag"]
    assert client.ask(release, Range="bytes=4-", If_Range=tag)[1] == b"image"
    release = server.publish("/app.bin", b"new image")
    response, body = client.ask(release, Range="bytes=4-", If_Range=tag)
    assert (response.status, body) == (200, b"new image")
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert client.ask(release, Range="bytes=4-", If_Range=date)[0].status == 200


def test_chunks_on_request(server: OtaServer, client: Client, data: bytes) -> None:
    response, body = client.ask(server.publish("/app.bin", data, chunked=True))
    assert body == data
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in response.headers
    told = client.told("response")
    assert (told.data["announced"], told.data["sent"], told.data["complete"]) == (None, len(data), True)


def test_an_empty_file(server: OtaServer, client: Client) -> None:
    for chunked in (False, True):
        response, body = client.ask(server.publish("/empty", b"", chunked=chunked))
        assert (response.status, body) == (200, b"")
    assert client.told("response", announced=0).data["complete"] is True


def test_nothing_but_what_was_published_is_there(server: OtaServer, client: Client) -> None:
    release = server.publish("/dir/app.bin", b"x")
    for path in ("/", "/dir", "/dir/", "/app.bin", "/dir/app.bin/", "//dir/app.bin", "/DIR/app.bin", "/etc/passwd"):
        response, _ = client.ask(release, path=path)
        assert response.status == 404, path
    assert client.ask(release, path="/dir/app.bin?x=1")[1] == b"x"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_405(server: OtaServer, client: Client, method: str) -> None:
    response, _ = client.ask(server.publish("/app.bin", b"x"), method)
    assert response.status == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert client.told("request", method=method)


def test_publishing_again_replaces_and_names_may_be_strange(server: OtaServer, client: Client) -> None:
    for name, path in (("app.bin", "/app.bin"), ("/a b/ü%20+&.bin", "/a b/ü%20+&.bin")):
        for data in (b"first", b"second"):
            release = server.publish(name, data)
            assert release.path == path
            target = release.url.split(str(server.port), 1)[1]
            assert client.ask(release, path=target)[1] == data


@pytest.mark.parametrize("name", ["", "/", "..", "/../x", "/a/./b", "/a//b", "/a/", "a\nb", "/a\\b", "/\ud800"])
def test_names_that_no_client_could_ask_for_are_refused(server: OtaServer, name: str) -> None:
    with pytest.raises(ServerError, match="cannot publish under"):
        server.publish(name, b"x")


def test_secrets_of_a_request_stay_secret(server: OtaServer, client: Client) -> None:
    release = server.publish("/app.bin", b"x")
    secret = "hunter2"
    target = f"/app.bin?v=2&token={secret}&X-Amz-Signature={secret}&{secret}&access_key={secret}&%74oken={secret}"
    headers = {"Authorization": f"Basic {secret}", "Cookie": f"a={secret}", "X_Api_Key": secret}
    assert client.ask(release, path=target, **headers)[1] == b"x"
    request = client.told("request")
    assert request.data["query"] == "v=2&token=***&X-Amz-Signature=***&***&access_key=***&token=***"
    assert secret not in client.timeline.to_jsonl()
    assert "Basic ***" in client.timeline.to_jsonl()


def test_many_at_once_are_all_counted_exactly(server: OtaServer, client: Client, data: bytes) -> None:
    release = server.publish("/app.bin", data)
    with ThreadPoolExecutor(64) as pool:
        bodies = list(pool.map(lambda _: client.ask(release)[1] == data, range(64)))
    assert bodies == [True] * 64
    after = -1
    for _ in range(64):
        after = client.told("closed", after).index
    answers = [entry.data for entry in client.timeline.entries if entry.kind == "response"]
    assert len(answers) == 64
    assert {(answer["sent"], answer["complete"]) for answer in answers} == {(len(data), True)}


def test_a_client_that_goes_away_is_told_and_the_count_is_what_left(server: OtaServer, client: Client) -> None:
    data = bytes(20_000_000)
    release = server.publish("/app.bin", data)
    connection = client.connect(release)
    connection.request("GET", "/app.bin")
    response = connection.getresponse()
    read = len(response.read(100_000))
    response.close()
    connection.close()
    told = client.told("response")
    assert told.data["aborted"] == "peer"
    assert told.data["complete"] is False
    sent = told.data["sent"]
    assert isinstance(sent, int)
    # What the client's and the server's kernel held is between the two.
    assert read <= sent < 10_000_000
    assert client.ask(release, Range="bytes=0-9")[1] == data[:10]


def test_http_1_0_ends_with_the_connection(server: OtaServer, client: Client, data: bytes) -> None:
    for chunked in (False, True):
        release = server.publish("/app.bin", data, chunked=chunked)
        with client.raw(release) as peer:
            peer.sendall(b"GET /app.bin HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: peer.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert body == data
        assert b"chunked" not in head


def test_pipelined_requests_are_answered_in_order(server: OtaServer, client: Client) -> None:
    first = server.publish("/1", b"one")
    server.publish("/2", b"two")
    with client.raw(first) as peer:
        peer.sendall(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    assert answer.index(b"one") < answer.index(b"two")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("options", [["--tls-max", "1.2"], ["--tlsv1.3"], ["--http1.0"], ["-r", "-5000"]])
def test_curl_is_content(
    server: OtaServer, authority: Authority, tmp_path: Path, data: bytes, options: list[str]
) -> None:
    ca, out = tmp_path / "ca.pem", tmp_path / "out"
    ca.write_bytes(authority.ca_pem)
    release = server.publish("/app.bin", data)
    subprocess.run(["curl", "-sS", "--fail", "--cacert", ca, "-o", out, *options, release.url], check=True, timeout=20)
    assert out.read_bytes() == (data[-5000:] if "-r" in options else data)


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_it_listens_where_it_is_told_and_its_certificate_fits(authority: Authority, host: str) -> None:
    if ":" in host and not _has_ipv6():
        pytest.skip("this machine has no IPv6 loopback address; `sysctl net.ipv6.conf.lo.disable_ipv6=0` gives it one")
    with Timeline() as timeline, OtaServer(timeline, authority, host) as server:
        release = server.publish("/app.bin", b"x")
        assert release.url.startswith(f"https://[{host}]:" if ":" in host else f"https://{host}:")
        assert Client(authority, timeline).ask(release)[1] == b"x"


def test_a_wildcard_needs_a_name(authority: Authority) -> None:
    for host in ("0.0.0.0", "::", ""):
        with pytest.raises(ServerError, match="as the board sees it"):
            OtaServer(Timeline(), authority, host)
    with Timeline() as timeline, OtaServer(timeline, authority, "0.0.0.0", name="127.0.0.1") as server:
        assert Client(authority, timeline).ask(server.publish("/app.bin", b"x"))[1] == b"x"


def test_where_it_cannot_listen_it_says_so_and_how_to_mend(server: OtaServer, authority: Authority) -> None:
    for host, port, mend in (
        ("127.0.0.1", server.port, "in use; end the other program, or give port 0"),
        ("192.0.2.1", 0, "no such address"),
        ("127.0.0.1", 70_000, "no port 70000"),
        ("127.0.0.1", -1, "no port -1"),
        ("x" * 64, 0, "neither a host name nor an IP address"),
    ):
        other = OtaServer(Timeline(), authority, host, port, name="127.0.0.1")
        with pytest.raises(ServerError, match=mend):
            other.start()
        other.close()


def test_it_must_run_to_publish_and_can_run_again(authority: Authority) -> None:
    with Timeline() as timeline:
        server = OtaServer(timeline, authority)
        with pytest.raises(ServerError, match="does not run"):
            server.publish("/app.bin", b"x")
        for _ in range(2):
            with server:
                with pytest.raises(ServerError, match="runs already"):
                    server.start()
                assert Client(authority, timeline).ask(server.publish("/app.bin", b"x"))[1] == b"x"
            server.close()
        with pytest.raises(ServerError, match="does not run"):
            server.publish("/app.bin", b"x")


def test_a_fast_client_is_served_in_long_strides_and_gets_the_same(server: OtaServer, client: Client) -> None:
    """After the first long answer the strides change, and after a short one they change back."""
    long, short = random.Random(3).randbytes(1_000_003), b"short"
    releases = {"/long.bin": long, "/short.bin": short}
    for path, data in releases.items():
        server.publish(path, data)
    connection = client.connect(server.publish("/other.bin", b"x"))
    for path in ("/long.bin", "/long.bin", "/short.bin", "/long.bin", "/long.bin"):
        connection.request("GET", path)
        assert connection.getresponse().read() == releases[path]
    connection.close()
    client.told("closed")
    told = [entry.data for entry in client.timeline.entries if entry.kind == "response"]
    assert [(one["sent"], one["complete"]) for one in told] == [(len(long), True)] * 2 + [(5, True)] + [
        (len(long), True)
    ] * 2
