"""A fast RFC 2217 client as a pyserial port, for the virtual board, ser2net, and esptool's `esp_rfc2217_server`.

Each change of DTR and RTS, each purge and each setting waits for the server's answer, so that what a call does has
happened when it returns. pyserial's own client sleeps instead, 50 to 100 ms at a time.

`esp_rfc2217_server` answers no change of DTR and RTS, and says so in the URL it prints (`?ign_set_control`). It works
off what it is sent in order, so there each change is followed by a question that it does answer.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import threading
import time
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

from serial import PortNotOpenError, SerialBase, SerialException, SerialTimeoutException

from bench.virtual import telnet
from bench.virtual.telnet import Negotiation, Subnegotiation, TelnetReader

__all__ = ["Rfc2217Client"]

_SET_BAUDRATE, _SET_DATASIZE, _SET_PARITY, _SET_STOPSIZE, _SET_CONTROL, _PURGE = 1, 2, 3, 4, 5, 12
_NOTIFY_MODEMSTATE = 107
_ANSWER = 100
_BREAK_ON, _BREAK_OFF, _DTR_ON, _DTR_OFF, _RTS_ON, _RTS_OFF = 5, 6, 8, 9, 11, 12
_PURGE_RECEIVED = b"\x01"
_PARITIES = {"N": 1, "O": 2, "E": 3, "M": 4, "S": 5}
_STOP_BITS = {1: 1, 2: 2, 1.5: 3}
_CTS, _DSR, _RI, _CD = 0x10, 0x20, 0x40, 0x80

_PATIENCE = 5.0
"""Seconds for the server to accept a connection and to answer a request; `?timeout=` says otherwise."""

_SAYS_SO_WITHIN = 1.0
"""Seconds for a server that has a client already to say so."""

_KEEPALIVE = (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3))
"""A server that has gone without a word (a pulled cable) is noticed after 11 seconds of silence."""

_OPTIONS = ("ign_set_control", "logging", "poll_modem", "timeout")
"""Those of pyserial's rfc2217 URLs; `logging` and `poll_modem` change nothing here."""


class Rfc2217Client(SerialBase):
    """A pyserial port whose other end is an RFC 2217 server; heirs say which URLs it is for."""

    SCHEME = ""
    PEER = "server"
    SETS_LINES_AT_OPENING = True
    """Without it DTR and RTS are left as the server has them, unless they were set to off before opening.

    A server on a real port has both on as soon as it opens that. esptool's takes DTR for the order to go into download
    mode.
    """

    BAUDRATES = (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1500000, 2000000)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._socket: socket.socket | None = None
        self._reader: threading.Thread | None = None
        self._news = threading.Condition()
        self._received = bytearray()
        self._answers: Counter[int] = Counter()
        self._modem_state = 0
        self._gone: str | None = None
        self._cancelled = False
        self._sending = threading.Lock()
        self._requesting = threading.Lock()
        self._told: dict[int, bytes] = {}
        self._agreed: bool | None = None
        self._patience = _PATIENCE
        self._unanswered = False
        super().__init__(*args, **kwargs)

    # -- opening and closing

    def open(self) -> None:
        """Connect, agree on RFC 2217, set the line's parameters and DTR and RTS.

        Raises:
            SerialException: no port was set, it is open, the URL is malformed, or there is no board
        """
        if self.port is None:
            raise SerialException("Port must be configured before it can be used.")
        if self.is_open:
            raise SerialException("Port is already open.")
        address = self._address()
        try:
            self._socket = socket.create_connection(address, timeout=self._patience)
        except OSError as error:
            raise SerialException(f"no {self.PEER} at {self.port}: {error}") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            if hasattr(socket, option):  # Linux
                self._socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        self._socket.settimeout(None)
        self._received.clear()
        self._answers.clear()
        self._told.clear()
        self._gone = None
        self._agreed = None
        # esptool looks at a port's name to tell whether both lines can be set at once: not here
        self.name = f"rfc2217:{address[0]}:{address[1]}"
        self.is_open = True
        self._reader = threading.Thread(target=self._read_loop, args=(self._socket,), daemon=True)
        self._reader.start()
        try:
            self._negotiate(address)
            try:
                self._reconfigure_port()
            except SerialException:
                # ser2net turns a second client away at once, and a reset may overtake what it says
                if self._is_taken(address):
                    raise SerialException(errno.EBUSY, f"{self.port}: another client is connected") from None
                raise
            if not self.dsrdtr and (self.SETS_LINES_AT_OPENING or not self.dtr):
                self._update_dtr_state()
            if not self.rtscts and (self.SETS_LINES_AT_OPENING or not self.rts):
                self._update_rts_state()
            self.reset_input_buffer()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave the board to the next client."""
        if not self.is_open:
            return
        self.is_open = False
        if self._socket is not None:
            with contextlib.suppress(OSError):  # the board may have closed it already
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None
        if self._reader is not None and self._reader is not threading.current_thread():
            self._reader.join(_PATIENCE)
        self._reader = None

    def _address(self) -> tuple[str, int]:
        try:
            parts = urlsplit(self.port)
            if parts.scheme != self.SCHEME or not parts.hostname or parts.port is None:
                raise ValueError(f"expected {self.SCHEME}://HOST:PORT")
            options = parse_qs(parts.query, keep_blank_values=True)
            if unknown := set(options) - set(_OPTIONS):
                raise ValueError(f"unknown option {min(unknown)!r}")
            self._patience = float(options.get("timeout", [str(_PATIENCE)])[0])
            self._unanswered = "ign_set_control" in options
            return parts.hostname, parts.port
        except ValueError as error:
            raise SerialException(f"{self.port}: {error}") from error

    def _negotiate(self, address: tuple[str, int]) -> None:
        offer = b"".join(
            telnet.negotiation(telnet.WILL, option) + telnet.negotiation(telnet.DO, option)
            for option in (telnet.BINARY, telnet.SGA)
        )
        with contextlib.suppress(SerialException):  # `_gone` tells
            self._send(offer + telnet.negotiation(telnet.WILL, telnet.COM_PORT))
        with self._news:
            answered = self._news.wait_for(lambda: self._agreed is not None or self._gone, self._patience)
            agreed, gone = self._agreed, self._gone
        if not answered:
            raise SerialException(f"{self.port}: it does not answer; is another client connected?")
        if gone and self._is_taken(address):
            raise SerialException(errno.EBUSY, f"{self.port}: another client is connected")
        if not agreed:
            raise SerialException(f"{self.port}: {gone or 'it speaks telnet, but not RFC 2217'}")

    def _is_taken(self, address: tuple[str, int]) -> bool:
        """Does the server say that it has a client already?

        ser2net says so and hangs up. To a client that has begun to talk by then the words are lost with the connection,
        so this one only listens.
        """
        told = b""
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=_SAYS_SO_WITHIN) as listening:
            while len(told) < 1024 and (data := listening.recv(1024)):
                told += data
        return b"in use" in told

    # -- settings and lines

    def _reconfigure_port(self) -> None:
        """Tell the board of what has changed; the timeout is no concern of the board's."""
        if not self.is_open:
            raise PortNotOpenError()
        if not 0 < self.baudrate < 1 << 32:
            raise ValueError(f"invalid baudrate: {self.baudrate!r}")
        for command, value in (
            (_SET_BAUDRATE, struct.pack("!I", self.baudrate)),
            (_SET_DATASIZE, bytes((self.bytesize,))),
            (_SET_PARITY, bytes((_PARITIES[self.parity],))),
            (_SET_STOPSIZE, bytes((_STOP_BITS[self.stopbits],))),
        ):
            if self._told.get(command) != value:
                self._request(command, value)
                self._told[command] = value

    def _control(self, value: int) -> None:
        if not self.is_open:
            raise PortNotOpenError()
        if self._unanswered:
            self._send(telnet.subnegotiation(telnet.COM_PORT, bytes((_SET_CONTROL, value))))
            self._request(_SET_BAUDRATE, bytes(4))  # 0 asks which it is
        else:
            self._request(_SET_CONTROL, bytes((value,)))

    def _update_dtr_state(self) -> None:
        self._control(_DTR_ON if self.dtr else _DTR_OFF)

    def _update_rts_state(self) -> None:
        self._control(_RTS_ON if self.rts else _RTS_OFF)

    def _update_break_state(self) -> None:
        self._control(_BREAK_ON if self.break_condition else _BREAK_OFF)

    def _modem(self, bit: int) -> bool:
        if not self.is_open:
            raise PortNotOpenError()
        return bool(self._modem_state & bit)

    @property
    def cts(self) -> bool:
        return self._modem(_CTS)

    @property
    def dsr(self) -> bool:
        return self._modem(_DSR)

    @property
    def ri(self) -> bool:
        return self._modem(_RI)

    @property
    def cd(self) -> bool:
        return self._modem(_CD)

    # -- data

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read at once; SerialException where the board has gone and nothing is left."""
        if not self.is_open:
            raise PortNotOpenError()
        waiting = len(self._received)
        if not waiting and self._gone:
            raise SerialException(f"{self.port}: {self._gone}")
        return waiting

    def read(self, size: int = 1) -> bytes:
        """Up to `size` bytes: all of them, or what came until the timeout.

        Raises:
            SerialException: the board has gone, and all it sent was read
        """
        if not self.is_open:
            raise PortNotOpenError()
        with self._news:
            self._cancelled = False
            self._news.wait_for(
                lambda: len(self._received) >= size or self._gone or self._cancelled or not self.is_open,
                self.timeout,
            )
            data = bytes(self._received[:size])
            del self._received[:size]
            if size and not data and self._gone:
                raise SerialException(f"{self.port}: {self._gone}")
        return data

    def cancel_read(self) -> None:
        """Have a `read` in another thread return what it has."""
        with self._news:
            self._cancelled = True
            self._news.notify_all()

    def write(self, data: Any) -> int:
        """Send all of `data`; its length."""
        if not self.is_open:
            raise PortNotOpenError()
        payload = bytes(data)
        self._send(telnet.escape(payload), self.write_timeout)
        return len(payload)

    def flush(self) -> None:
        """What was written is on its way."""
        if not self.is_open:
            raise PortNotOpenError()

    def reset_input_buffer(self) -> None:
        """Drop all that the board sent before it answers this."""
        if not self.is_open:
            raise PortNotOpenError()
        self._request(_PURGE, _PURGE_RECEIVED)

    def reset_output_buffer(self) -> None:
        """Nothing waits here: what was written has been sent."""
        if not self.is_open:
            raise PortNotOpenError()

    # -- RFC 2217

    def _request(self, command: int, value: bytes) -> None:
        with self._requesting:
            answered = self._answers[command + _ANSWER]
            self._send(telnet.subnegotiation(telnet.COM_PORT, bytes((command,)) + value))
            with self._news:
                if not self._news.wait_for(
                    lambda: self._answers[command + _ANSWER] > answered or self._gone, self._patience
                ):
                    raise SerialException(f"{self.port}: no answer to RFC 2217 command {command}")
                if self._gone:
                    raise SerialException(f"{self.port}: {self._gone}")

    def _send(self, data: bytes, patience: float | None = None) -> None:
        sock = self._socket
        if sock is None:
            raise PortNotOpenError()
        began = time.monotonic()
        try:
            with self._sending:
                sock.sendall(data)
        except OSError as error:
            self._gone = self._gone or f"the {self.PEER} has gone: {error}"
            raise SerialException(f"{self.port}: {self._gone}") from error
        if patience is not None and time.monotonic() - began > patience:
            raise SerialTimeoutException("Write timeout")

    def _read_loop(self, sock: socket.socket) -> None:
        reader = TelnetReader()
        why = f"the {self.PEER} has gone"
        while True:
            try:
                data = sock.recv(1 << 18)
            except OSError as error:
                why = f"{why}: {error}"
                data = b""
            with self._news:
                if not data:
                    self._gone = why
                    self._news.notify_all()
                    return
                for token in reader.feed(data):
                    self._take(token)
                self._news.notify_all()

    def _take(self, token: telnet.Token) -> None:
        if isinstance(token, bytes):
            self._received += token
        elif isinstance(token, Subnegotiation) and token.option == telnet.COM_PORT and token.data:
            answer = token.data[0]
            if answer == _PURGE + _ANSWER:
                self._received.clear()
            elif answer == _NOTIFY_MODEMSTATE and len(token.data) > 1:
                self._modem_state = token.data[1]
            self._answers[answer] += 1
        elif isinstance(token, Negotiation):
            self._negotiated(token)

    def _negotiated(self, token: Negotiation) -> None:
        """The server's yes or no to what was offered at opening; whatever else it offers or asks for is refused."""
        if token.option == telnet.COM_PORT and token.verb in (telnet.DO, telnet.DONT):
            self._agreed = token.verb == telnet.DO
        elif token.option not in (telnet.BINARY, telnet.SGA) and token.verb in (telnet.DO, telnet.WILL):
            no = telnet.WONT if token.verb == telnet.DO else telnet.DONT
            with contextlib.suppress(SerialException):  # the reader finds out next
                self._send(telnet.negotiation(no, token.option))
