"""The OTA server: serves what was published to it over TLS, misbehaves as declared, and tells the timeline all."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ipaddress
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

from bench.errors import ServerError
from bench.server.answer import Published, published_path
from bench.server.authority import Authority
from bench.server.desk import Desk, Patience
from bench.server.faults import Fault, door_of, tell_fault
from bench.server.redact import redacted_url
from bench.timeline import Timeline

__all__ = ["OtaServer", "Release"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class Release:
    """What was put up on the server.

    Attributes:
        url: where a board finds it
        path: the path in that URL, decoded
        size: bytes
        sha256: of these bytes, hexadecimal
    """

    url: str = field(repr=False)
    path: str
    size: int
    sha256: str

    @property
    def told_url(self) -> str:
        """The URL for a log or a report: without the secrets that it may hold."""
        return redacted_url(self.url)


class OtaServer:
    """A server of update images in a thread of its own; a context manager.

    Everything it sees goes to the timeline with source ``server``: ``release`` (something was published), ``tls``
    (a handshake, `ok` or with its `reason`), ``request`` (`withheld` where its path is), ``response`` (`status`,
    `announced` and `sent` bytes of body, `complete`, and who `aborted` it), ``fault`` (one fired), ``rejected`` (bytes
    that are no HTTP request), ``closed`` (a connection is over). `connection` and `request` number them and tie them
    together. Query parameters and headers that look like secrets are hidden.

    Args:
        timeline: where to
        authority: who issues the certificate
        host: the address to listen on; also the name in URLs and in the certificate, unless `name` is given
        port: 0 takes a free one
        name: what a board calls this machine; needed where `host` is a wildcard such as 0.0.0.0
        faults: those of the listener on `port`, e.g. `WrongCertificate()`; a release with others of this kind
            stands behind another port
        patience: how long it waits for its clients
    """

    def __init__(
        self,
        timeline: Timeline,
        authority: Authority,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        name: str | None = None,
        faults: tuple[Fault, ...] = (),
        patience: Patience = Patience(),  # noqa: B008 - a frozen value
    ) -> None:
        if name is None and _is_wildcard(host):
            raise ServerError(
                f"a board cannot connect to {host}: give the address of this machine, as the board sees it"
            )
        self.timeline = timeline
        self.authority = authority
        self.name = name if name is not None else host
        self._host = host
        self._port = port
        self._faults = faults
        self._patience = patience
        self.guard: Callable[[bytes], None] | None = None
        """Sees the bytes of all that is published, and raises where they must not reach the board."""
        self.keep: Callable[[bytes, str], object] | None = None
        """Is given the bytes of all that was published, and their SHA-256, for whoever keeps evidence."""
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._desk: Desk | None = None
        self._stop: asyncio.Event | None = None

    def __enter__(self) -> OtaServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Listen; ServerError with the mend where it cannot."""
        if self._thread is not None:
            raise ServerError("the OTA server runs already")
        up: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live(up)), name="ota-server", daemon=True)
        self._thread.start()
        try:
            up.result()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Drop every connection, stop listening, end the thread. Closing twice is fine."""
        thread, loop, stop = self._thread, self._loop, self._stop
        if thread is None:
            return
        if loop is not None and stop is not None and thread.is_alive():
            # The loop may have ended between the two lines; then there is nobody left to tell.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(stop.set)
        thread.join()
        self._thread = self._loop = self._desk = self._stop = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._running().port_of(door_of(self._faults))

    def publish(
        self,
        path: str,
        data: bytes,
        *faults: Fault,
        chunked: bool = False,
        once: bool = False,
        withheld: bool = False,
    ) -> Release:
        """Put bytes up under a path, in the place of what was there; ServerError for faults that cannot go together.

        Args:
            path: like ``"/app.bin"``
            data: the bytes
            faults: how the server misbehaves when it serves them
            chunked: announce no length and send chunks
            once: withhold it when its last piece is sent to somebody
            withheld: nobody gets it before it is offered

        A release whose faults need a listener of their own stands behind a port of its own, see its `url`.
        """
        if self.guard is not None:
            self.guard(data)
        published = Published(published_path(path), bytes(data), faults, chunked, once)
        told = [tell_fault(fault) for fault in faults]  # before anything is public: a fault may not be tellable
        port = self._call(self._running().put_up(published, withheld=withheld))
        host = f"[{self.name}]" if ":" in self.name else self.name
        url = f"{published.door.scheme}://{host}:{port}{quote(published.path)}"
        for fault in faults:
            url = fault.address(url)
        if self.keep is not None:
            self.keep(published.data, published.sha256)
        release = Release(url, published.path, len(data), published.sha256)
        self.timeline.append(
            "server",
            "release",
            path=release.path,
            url=release.told_url,
            size=release.size,
            sha256=release.sha256,
            chunked=chunked,
            faults=told,
        )
        return release

    def withhold(self, path: str | None = None) -> None:
        """Answer 404 under a path, or under every one, until it is offered or something is published there again."""
        self._call(self._running().withhold(path))

    def offer(self, path: str) -> None:
        """Serve again what was withheld."""
        self._call(self._running().offer(path))

    def _running(self) -> Desk:
        if self._desk is None:
            raise ServerError("the OTA server does not run: use it as a context manager")
        return self._desk

    def _call(self, work: Coroutine[Any, Any, _T]) -> _T:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _live(self, up: concurrent.futures.Future[None]) -> None:
        """The whole life of the server, on its own loop."""
        desk = Desk(self.timeline, self.authority, self._host, self.name, self._patience)
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            try:
                await desk.open(door_of(self._faults), self._faults, self._port)
            except BaseException as error:
                up.set_exception(error)
                return
            self._desk = desk
            up.set_result(None)
            await self._stop.wait()
        finally:
            await desk.close()


def _is_wildcard(host: str) -> bool:
    try:
        return not host or ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
