"""One thread for all of the board's sockets: a selector loop, and connections whose output waits in a bounded queue."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable

__all__ = ["Channel", "Hub", "listen"]


def listen(address: tuple[str, int]) -> socket.socket:
    """A listening, non-blocking TCP socket; OSError where the address cannot be used."""
    family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
    listener = socket.create_server(address, family=family, backlog=128)
    listener.setblocking(False)
    return listener


class Hub:
    """Calls back, always from its one thread, when a socket can be read; `call` is safe from any thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._calls: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._ending = False
        self._selector.register(self._woken, selectors.EVENT_READ, self._drain)

    def run(self) -> None:
        """Serve until `end`."""
        while not self._ending:
            for key, _ in self._selector.select():
                key.data()
            with self._lock:
                calls, self._calls = self._calls, []
            for call in calls:
                call()

    @property
    def wakeup(self) -> int:
        """A file descriptor; a byte written to it ends the present wait."""
        return self._wake.fileno()

    def end(self) -> None:
        """Have `run` return; from any thread, also from a signal handler."""
        self._ending = True
        self._nudge()

    def call(self, function: Callable[[], None]) -> None:
        """Have a function called in the hub's thread soon."""
        with self._lock:
            self._calls.append(function)
        self._nudge()

    def watch(self, sock: socket.socket, ready: Callable[[], None], *, write: bool = False) -> None:
        """Call `ready` whenever the socket can be read (or, if asked for, written)."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
        if sock in self._selector.get_map():
            self._selector.modify(sock, events, ready)
        else:
            self._selector.register(sock, events, ready)

    def forget(self, sock: socket.socket) -> None:
        """Watch it no more."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(sock)

    def close(self) -> None:
        self._selector.close()
        self._wake.close()
        self._woken.close()

    def _nudge(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            self._wake.send(b"!")

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)


class Channel:
    """A connection that never makes a sender wait.

    Args:
        hub: calls back
        sock: the connected socket; owned from here on
        received: is given bytes as they come
        gone: is called once, when the peer has left
        limit: bytes of output that may wait; what is beyond is lost
    """

    def __init__(
        self,
        hub: Hub,
        sock: socket.socket,
        *,
        received: Callable[[bytes], None],
        gone: Callable[[], None],
        limit: int,
    ) -> None:
        self._hub = hub
        self._sock = sock
        self._received = received
        self._gone = gone
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._size = 0
        self._open = True
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _notice_dead_peer(sock)
        hub.watch(sock, self._ready)

    def send(self, data: bytes, *, droppable: bool = False) -> bool:
        """Send, now or when the peer reads; from any thread. False when the queue was full and it is lost.

        Args:
            droppable: `forget_output` may drop it (whole, and only while none of it was sent)
        """
        with self._lock:
            if not self._open:
                return True
            idle = not self._waiting
            if idle:
                sent = self._push(data)
                if sent == len(data):
                    return True
                data, droppable = data[sent:], droppable and not sent
            if self._size + len(data) > self._limit:
                return False
            self._waiting.append((data, droppable))
            self._size += len(data)
        if idle:
            self._hub.call(self._rewatch)
        return True

    def forget_output(self) -> None:
        """Drop what may be dropped and has not been sent yet."""
        with self._lock:
            self._waiting = deque(item for item in self._waiting if not item[1])
            self._size = sum(len(data) for data, _ in self._waiting)

    def close(self) -> None:
        """Let go of the socket; `gone` is not called for that. In the hub's thread only."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            self._waiting.clear()
        self._hub.forget(self._sock)
        self._sock.close()

    def _push_waiting(self) -> None:
        while self._waiting:
            data, droppable = self._waiting.popleft()
            sent = self._push(data)
            self._size -= sent
            if sent < len(data):
                self._waiting.appendleft((data[sent:], droppable and not sent))
                return
        self._hub.watch(self._sock, self._ready)

    def _push(self, data: bytes) -> int:
        """Send what the socket takes; how much that was. A dead socket takes all: reading will find it dead."""
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)

    def _rewatch(self) -> None:
        with self._lock:
            if self._open:
                self._hub.watch(self._sock, self._ready, write=bool(self._waiting))

    def _ready(self) -> None:
        # what the peer says comes first: it may be that it wants no more of what waits here
        try:
            data = self._sock.recv(1 << 18)
        except BlockingIOError:
            data = None
        except OSError:
            data = b""
        if data:
            self._received(data)
        elif data is not None:
            self.close()
            self._gone()
            return
        with self._lock:
            if self._open and self._waiting:
                self._push_waiting()


def _notice_dead_peer(sock: socket.socket) -> None:
    """A peer whose machine is gone is noticed within a minute."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, seconds in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), seconds)
