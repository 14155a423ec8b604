"""Telnet: every stream whole and byte by byte, with anything behind it; hostile bytes are no error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.virtual.telnet import (
    COM_PORT,
    DO,
    WILL,
    Negotiation,
    Subnegotiation,
    TelnetReader,
    Token,
    escape,
    negotiation,
    subnegotiation,
)

CASES: list[tuple[bytes, list[Token]]] = [
    (b"data", [b"data"]),
    (b"a\xff\xffb", [b"a\xffb"]),
    (negotiation(WILL, COM_PORT), [Negotiation(WILL, COM_PORT)]),
    (b"x" + negotiation(DO, 255) + b"y", [b"x", Negotiation(DO, 255), b"y"]),
    (subnegotiation(COM_PORT, b"\x01\xff\x00"), [Subnegotiation(COM_PORT, b"\x01\xff\x00")]),
    (b"a" + subnegotiation(COM_PORT, b"\x05\x08") + b"b", [b"a", Subnegotiation(COM_PORT, b"\x05\x08"), b"b"]),
    (b"a\xff\xf1b", [b"ab"]),  # NOP
    (b"a\xff\xf0b", [b"ab"]),  # an end without a beginning
    (b"\xff\xfa\xff\xf0b", [b"b"]),  # a subnegotiation of nothing
]


def joined(tokens: list[Token]) -> list[Token]:
    """Neighbouring pieces of data put together."""
    result: list[Token] = []
    for token in tokens:
        if isinstance(token, bytes) and result and isinstance(result[-1], bytes):
            result[-1] += token
        else:
            result.append(token)
    return result


@pytest.mark.parametrize(("stream", "tokens"), CASES)
@pytest.mark.parametrize("behind", [b"", b"more", b"\xff\xff", negotiation(DO, 1)])
def test_streams(stream: bytes, tokens: list[Token], behind: bytes) -> None:
    expected = joined(tokens + TelnetReader().feed(behind))
    assert joined(TelnetReader().feed(stream + behind)) == expected
    reader = TelnetReader()
    assert joined([token for byte in stream + behind for token in reader.feed(bytes((byte,)))]) == expected


@given(st.binary())
def test_data_comes_through(data: bytes) -> None:
    assert b"".join(token for token in TelnetReader().feed(escape(data)) if isinstance(token, bytes)) == data


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_hostile_bytes_are_no_error_and_can_be_got_over(portions: list[bytes]) -> None:
    reader = TelnetReader()
    for portion in portions:
        reader.feed(portion)
    # whatever state that left it in, two ends of a subnegotiation and a command end it
    reader.feed(b"\xff\xf0\xff\xf0\xff\xf0")
    assert reader.feed(b"fine")[-1:] == [b"fine"]


def test_a_subnegotiation_without_end_is_not_kept() -> None:
    reader = TelnetReader()
    for _ in range(100):
        assert reader.feed(b"\xff\xfa" + bytes(10_000)) == []
    assert reader.feed(b"\xff\xf0data") == [b"data"]
