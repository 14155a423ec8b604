"""The board's network: real sockets that do not outlive a reset of the processor."""

from __future__ import annotations

import errno
import socket
import ssl
import weakref

from bench.virtual.clock import Clock
from bench.virtual.supply import Supply

__all__ = ["Network"]


class Network:
    """Connections of the running life. All are shut down at reset and power loss, which ends any wait on them.

    Attributes:
        up: is there a network? Set through the control channel; taking it away also shuts what is open.
    """

    def __init__(self, supply: Supply, clock: Clock) -> None:
        self._supply = supply
        self._clock = clock
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._up = True
        supply.at_halt(self.drop)

    @property
    def up(self) -> bool:
        return self._up

    def set_up(self, up: bool) -> None:
        """Plug or pull the cable."""
        self._up = up
        if not up:
            self.drop()

    def connect(self, host: str, port: int, timeout_ms: int) -> socket.socket:
        """Open a TCP connection; its timeout is set to what `timeout_ms` means in real seconds.

        Raises:
            OSError: ENETUNREACH where the network is down; else what connecting raised (`socket.gaierror` where the
                name is unknown, `ConnectionRefusedError`, `TimeoutError`)
        """
        self._supply.check()
        if not self._up:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        try:
            connection = socket.create_connection((host, port), self._clock.wait_limit(timeout_ms))
        except UnicodeError as error:  # a label that is empty or too long: Python does not even ask
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from error
        finally:
            self._supply.check()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.track(connection)
        return connection

    def secure(self, connection: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
        """Do the TLS handshake; the result is tracked, and `connection` is spent.

        Raises:
            ssl.SSLError, OSError: as the handshake fails; the connection is then closed
        """
        secured = context.wrap_socket(connection, server_hostname=host, do_handshake_on_connect=False)
        self.track(secured)
        try:
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        finally:
            self._supply.check()
        return secured

    def track(self, connection: socket.socket) -> None:
        """Have a socket shut down at reset (for one that was not made by `connect` or `secure`)."""
        self._supply.check()
        self._open.add(connection)
        if not self._up:
            self.drop()

    def drop(self) -> None:
        """Shut all connections down; whoever waits on one is woken. They are closed by who opened them."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it was closed or not connected any more: nothing waits on it
