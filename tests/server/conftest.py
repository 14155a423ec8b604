"""A running server with an authority of the moment, and an independent client for it."""

from __future__ import annotations

import http.client
import random
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from bench.server import Authority, OtaServer, Release
from bench.timeline import Deadline, Entry, Timeline, happened

DEADLINE = 10.0


@dataclass(frozen=True)
class Client:
    """http.client with the authority trusted; it shares no code with the server."""

    authority: Authority
    timeline: Timeline

    def context(self, version: ssl.TLSVersion | None = None, *, strict: bool = False) -> ssl.SSLContext:
        """A strict one tells a bare FIN from close_notify in every build of Python (an SSLError that speaks of EOF)."""
        context = ssl.create_default_context(cadata=self.authority.ca_pem.decode())
        if strict:
            context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context

    def connect(self, release: Release, version: ssl.TLSVersion | None = None) -> http.client.HTTPSConnection:
        parts = urlsplit(release.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=DEADLINE, context=self.context(version))

    def ask(
        self, release: Release, method: str = "GET", path: str | None = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = self.connect(release)
        try:
            connection.request(
                method, path or release.path, headers={name.replace("_", "-"): text for name, text in headers.items()}
            )
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    @contextmanager
    def raw(self, release: Release, *, strict: bool = False) -> Iterator[ssl.SSLSocket]:
        """A TLS connection without any HTTP on it."""
        parts = urlsplit(release.url)
        with (
            socket.create_connection((parts.hostname, parts.port), timeout=DEADLINE) as plain,
            self.context(strict=strict).wrap_socket(plain, server_hostname=parts.hostname) as peer,
        ):
            yield peer

    def told(self, kind: str, after: int = -1, /, **wanted: object) -> Entry:
        """The next entry of the server of that kind."""
        return self.timeline.wait(happened("server", kind, **wanted), Deadline(DEADLINE), after)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority.throwaway("the tests trust this")


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    with Timeline() as timeline:
        yield timeline


@pytest.fixture
def server(timeline: Timeline, authority: Authority) -> Iterator[OtaServer]:
    with OtaServer(timeline, authority) as server:
        yield server


@pytest.fixture
def client(timeline: Timeline, authority: Authority) -> Client:
    return Client(authority, timeline)


@pytest.fixture(scope="session")
def data() -> bytes:
    """300,001 bytes that compress badly: no multiple of a TLS record or a page."""
    return random.Random(20261120).randbytes(300_001)
