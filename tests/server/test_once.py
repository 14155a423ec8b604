"""Releases that are withheld, and releases that are gone once somebody has them."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request

import pytest

from bench.server import Authority, OtaServer
from bench.timeline import Timeline

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
