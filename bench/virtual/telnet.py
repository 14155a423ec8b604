"""Telnet as RFC 2217 uses it: bytes to tokens and back, for the board's port and for who connects to it.

RFC 854 (IAC, negotiation), RFC 855 (subnegotiation), RFC 2217 (COM-PORT-OPTION). No I/O here.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "BINARY",
    "COM_PORT",
    "DO",
    "DONT",
    "ECHO",
    "SGA",
    "WILL",
    "WONT",
    "Negotiation",
    "Subnegotiation",
    "TelnetReader",
    "Token",
    "escape",
    "negotiation",
    "subnegotiation",
]

SE, SB, WILL, WONT, DO, DONT, IAC = 240, 250, 251, 252, 253, 254, 255
BINARY, ECHO, SGA, COM_PORT = 0, 1, 3, 44

_LONGEST_SUBNEGOTIATION = 1024


@dataclass(frozen=True)
class Negotiation:
    """WILL, WONT, DO or DONT of an option."""

    verb: int
    option: int


@dataclass(frozen=True)
class Subnegotiation:
    """What stands between IAC SB option and IAC SE, with doubled IACs undone."""

    option: int
    data: bytes


Token = bytes | Negotiation | Subnegotiation


def escape(data: bytes) -> bytes:
    """Data with every IAC doubled."""
    return data.replace(b"\xff", b"\xff\xff")


def negotiation(verb: int, option: int) -> bytes:
    return bytes((IAC, verb, option))


def subnegotiation(option: int, data: bytes) -> bytes:
    return bytes((IAC, SB, option)) + escape(data) + bytes((IAC, SE))


class TelnetReader:
    """Bytes to tokens, in any portions; nothing that a peer sends is an error.

    Telnet commands other than those of a `Token` are dropped, as is a subnegotiation of more than 1,024 bytes.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._inside: bytearray | None = None
        self._verb = 0
        self._after_iac = False

    def feed(self, data: bytes) -> list[Token]:
        """Take bytes; return the tokens they complete, data in as few pieces as possible."""
        tokens: list[Token] = []
        at = 0
        while at < len(data):
            if self._verb:
                self._flush(tokens)
                tokens.append(Negotiation(self._verb, data[at]))
                self._verb = 0
                at += 1
            elif self._after_iac:
                self._after_iac = False
                self._command(data[at], tokens)
                at += 1
            else:
                end = data.find(IAC, at)
                self._plain(data[at : end if end >= 0 else len(data)])
                if end < 0:
                    break
                self._after_iac = True
                at = end + 1
        self._flush(tokens)
        return tokens

    def _plain(self, data: bytes) -> None:
        if self._inside is None:
            self._data += data
        elif len(self._inside) + len(data) <= _LONGEST_SUBNEGOTIATION:
            self._inside += data
        else:
            self._inside = bytearray()  # it cannot be one of ours; its end will find it without an option

    def _command(self, code: int, tokens: list[Token]) -> None:
        if code == IAC:
            self._plain(b"\xff")
        elif code == SB:
            self._flush(tokens)
            self._inside = bytearray()
        elif code == SE:
            if self._inside:
                tokens.append(Subnegotiation(self._inside[0], bytes(self._inside[1:])))
            self._inside = None
        elif code in (WILL, WONT, DO, DONT):
            self._verb = code

    def _flush(self, tokens: list[Token]) -> None:
        if self._data:
            tokens.append(bytes(self._data))
            self._data.clear()
