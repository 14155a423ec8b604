"""The board's serial port on the network: an RFC 2217 server for one client at a time.

A second client waits in the listening socket's queue until the first has left. Nothing that a client sends can end
the server; what the processor writes while nobody is connected is lost, as on a wire that ends nowhere.
"""

from __future__ import annotations

import socket
import struct

from bench.virtual import telnet
from bench.virtual.board import Board
from bench.virtual.hub import Channel, Hub
from bench.virtual.telnet import Negotiation, Subnegotiation, TelnetReader

__all__ = ["SerialPort"]

_OUTPUT_LIMIT = 8 * 1024 * 1024
_OPTIONS = (telnet.BINARY, telnet.SGA, telnet.COM_PORT)
_ANSWER = 100
"""What the access server adds to a command's number when it answers."""

_SIGNATURE, _BAUDRATE, _DATASIZE, _PARITY, _STOPSIZE, _CONTROL = range(6)
_LINESTATE_MASK, _MODEMSTATE_MASK, _PURGE = 10, 11, 12
_MODEMSTATE, _SUSPEND, _RESUME = 7, 8, 9
_CTS_DSR_CD = 0x10 | 0x20 | 0x80
_BREAK, _DTR, _RTS = 4, 7, 10
"""SET_CONTROL: a request for the state; the two numbers after it switch on and off."""


class SerialPort:
    """Serves the board's UART0, EN and IO0.

    Args:
        hub: in whose thread all of this runs
        board: whose port it is
        listener: listening socket; owned from here on
    """

    def __init__(self, hub: Hub, board: Board, listener: socket.socket) -> None:
        self._hub = hub
        self._board = board
        self._listener = listener
        self._client: _Client | None = None
        hub.watch(listener, self._accept)

    @property
    def url(self) -> str:
        """What a client opens."""
        host, port = self._listener.getsockname()[:2]
        return f"rfc2217://[{host}]:{port}" if ":" in host else f"rfc2217://{host}:{port}"

    def close(self) -> None:
        """Send the client away and stop listening."""
        if self._client is not None:
            self._client.close()
            self._client = None
        self._hub.forget(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return  # it has left again
        self._hub.forget(self._listener)
        self._client = _Client(self._hub, self._board, sock, self)

    def left(self) -> None:
        """The client is gone: the next one may come."""
        self._client = None
        self._hub.watch(self._listener, self._accept)


class _Client:
    """One connection."""

    def __init__(self, hub: Hub, board: Board, sock: socket.socket, port: SerialPort) -> None:
        self._board = board
        self._port = port
        self._reader = TelnetReader()
        self._settings = {
            _BAUDRATE: struct.pack("!I", 115200),
            _DATASIZE: b"\x08",
            _PARITY: b"\x01",
            _STOPSIZE: b"\x01",
        }
        self._flow = b"\x01"
        self._break = False
        self._masks = {_LINESTATE_MASK: b"\x00", _MODEMSTATE_MASK: b"\xff"}
        self._agreed: set[tuple[int, int]] = set()
        self._channel = Channel(hub, sock, received=self._received, gone=self._gone, limit=_OUTPUT_LIMIT)
        for verb in (telnet.WILL, telnet.DO):
            for option in (telnet.BINARY, telnet.SGA):
                self._offer(verb, option)
        board.machine.uart.listen(self._output)

    def close(self) -> None:
        self._board.machine.uart.listen(None)
        self._channel.close()

    def _gone(self) -> None:
        self._board.machine.uart.listen(None)
        self._board.set_lines(dtr=False, rts=False)  # both at once: leaving does not reset the board
        self._port.left()

    def _output(self, data: bytes) -> None:
        if not self._channel.send(telnet.escape(data), droppable=True):
            self._board.machine.uart.overruns += len(data)

    def _received(self, data: bytes) -> None:
        for token in self._reader.feed(data):
            if isinstance(token, bytes):
                self._board.feed(token)
            elif isinstance(token, Negotiation):
                self._negotiate(token)
            elif token.option == telnet.COM_PORT and token.data:
                self._com_port(token)

    # -- telnet options

    def _offer(self, verb: int, option: int) -> None:
        self._agreed.add((verb, option))
        self._channel.send(telnet.negotiation(verb, option))

    def _negotiate(self, token: Negotiation) -> None:
        """Agree to what the option needs, refuse the rest, and never answer an answer."""
        if token.verb in (telnet.WONT, telnet.DONT):
            yes, no = (telnet.DO, telnet.DONT) if token.verb == telnet.WONT else (telnet.WILL, telnet.WONT)
            if (yes, token.option) in self._agreed:
                self._agreed.remove((yes, token.option))
                self._channel.send(telnet.negotiation(no, token.option))
            return
        yes, no = (telnet.DO, telnet.DONT) if token.verb == telnet.WILL else (telnet.WILL, telnet.WONT)
        if token.option not in _OPTIONS:
            self._channel.send(telnet.negotiation(no, token.option))
        elif (yes, token.option) not in self._agreed:
            self._offer(yes, token.option)
            if (yes, token.option) == (telnet.DO, telnet.COM_PORT):
                self._answer(_MODEMSTATE, bytes((_CTS_DSR_CD,)))

    # -- com port control

    def _answer(self, command: int, value: bytes) -> None:
        self._channel.send(telnet.subnegotiation(telnet.COM_PORT, bytes((command + _ANSWER,)) + value))

    def _com_port(self, token: Subnegotiation) -> None:
        command, value = token.data[0], token.data[1:]
        if command == _SIGNATURE:
            self._answer(command, b"ota-bench virtual board" if not value else b"")
        elif command in self._settings:
            self._set(command, value)
        elif command == _CONTROL and len(value) == 1:
            self._answer(command, bytes((self._control(value[0]),)))
        elif command == _MODEMSTATE:
            self._answer(command, bytes((_CTS_DSR_CD,)))
        elif command in self._masks and len(value) == 1:
            self._masks[command] = value
            self._answer(command, value)
        elif command == _PURGE and len(value) == 1:
            if value[0] in (1, 3):
                self._channel.forget_output()
            self._answer(command, value)
        elif command in (_SUSPEND, _RESUME):
            pass  # output waits in the socket anyhow when the client does not read

    def _set(self, command: int, value: bytes) -> None:
        """Baud rate, data size, parity, stop bits; 0 asks for the present value, which is always the answer."""
        present = self._settings[command]
        if len(value) == len(present) and any(value):
            self._settings[command] = value
            if command == _BAUDRATE:
                self._board.machine.uart.host_baud = struct.unpack("!I", value)[0]
        self._answer(command, self._settings[command])

    def _control(self, value: int) -> int:
        """SET_CONTROL; the answer's value."""
        board = self._board
        if value in (_DTR, _DTR + 1, _DTR + 2):
            if value != _DTR:
                board.set_lines(dtr=value == _DTR + 1, rts=board.rts)
            return _DTR + (1 if board.dtr else 2)
        if value in (_RTS, _RTS + 1, _RTS + 2):
            if value != _RTS:
                board.set_lines(dtr=board.dtr, rts=value == _RTS + 1)
            return _RTS + (1 if board.rts else 2)
        if value in (_BREAK, _BREAK + 1, _BREAK + 2):
            if value != _BREAK:
                self._break = value == _BREAK + 1
            return _BREAK + (1 if self._break else 2)
        if value in (1, 2, 3):
            self._flow = bytes((value,))
        return self._flow[0] if value in (0, 1, 2, 3) else value
