"""Bytes to lines: the same lines whatever the chunks, in bounded memory."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.console.lines import LIMIT, Splitter, readable

CASES = [
    (b"", []),
    (b"a\nb\n", [(1, "a"), (2, "b")]),
    (b"a\r\nb\r\n", [(1, "a"), (2, "b")]),
    (b"a\rb\n", [(1, "a"), (1, "b")]),
    (b"a\r\r\nb", [(1, "a"), (2, "b")]),
    (b"a\r\rb\r", [(1, "a"), (1, "b")]),
    (b"\n\n\nx", [(4, "x")]),
    (b"a\0b\0\n", [(1, "ab")]),
    (b"\xff\xfe\n", [(1, "\xff\xfe")]),
    (b"x" * (LIMIT + 1) + b"\ny\n", [(1, "x" * LIMIT), (1, "x"), (2, "y")]),
    (b"x" * LIMIT + b"\r\ny\n", [(1, "x" * LIMIT), (2, "y")]),
]


def lines(chunks: list[bytes]) -> list[tuple[int, str]]:
    """Line numbers and texts, with what the reader does to lone CRs and long lines done here."""
    splitter = Splitter()
    found = [group for chunk in chunks for group in splitter.feed(chunk)] + splitter.close()
    flat = []
    for group in found:
        for number, text in enumerate(group.texts):
            for segment in text.split("\r"):
                flat += [
                    (group.line_no + number * group.step, segment[i : i + LIMIT]) for i in range(0, len(segment), LIMIT)
                ]
    return flat


@pytest.mark.parametrize(("data", "expected"), CASES)
def test_whole_and_byte_by_byte(data: bytes, expected: list[tuple[int, str]]) -> None:
    assert lines([data]) == expected
    assert lines([data[i : i + 1] for i in range(len(data))]) == expected


@given(
    data=st.lists(st.sampled_from([b"\r", b"\n", b"\0", b"a", b"\xc3\xa4", b"x" * 1500, b"\r\n"]), max_size=24),
    cuts=st.lists(st.integers(0, 40_000), max_size=6),
)
def test_any_chunks_give_the_same_lines(data: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(data)
    bounds = sorted({0, len(whole), *(min(cut, len(whole)) for cut in cuts)})
    chunks = [whole[a:b] for a, b in pairwise(bounds)]
    assert lines(chunks) == lines([whole]) == lines([bytes([byte]) for byte in whole])


def test_an_endless_line_is_not_kept() -> None:
    splitter = Splitter()
    handed_out = 0
    for _ in range(100):
        for group in splitter.feed(b"x" * 10_000):
            handed_out += sum(map(len, group.texts))
    assert handed_out >= 1_000_000 - LIMIT


def test_utf8_is_read_and_garbage_is_kept() -> None:
    assert readable("gr\xc3\xbc\xc3\x9fe \xff\xc3") == "grüße \\xff\\xc3"
