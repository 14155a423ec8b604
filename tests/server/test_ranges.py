"""The Range header, against RFC 9110 section 14 and against a slow and obvious reading of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.server.ranges import UNSATISFIABLE, Span, asked_span


@pytest.mark.parametrize(
    ("header", "size", "expected"),
    [
        (None, 10, None),
        ("bytes=0-0", 10, Span(0, 1)),
        ("bytes=0-9", 10, Span(0, 10)),
        ("bytes=0-", 10, Span(0, 10)),
        ("bytes=9-", 10, Span(9, 10)),
        ("bytes=5-99", 10, Span(5, 10)),
        ("bytes=-3", 10, Span(7, 10)),
        ("bytes=-99", 10, Span(0, 10)),
        ("Bytes = 1-2 ", 10, Span(1, 3)),
        ("bytes=0000-0001", 10, Span(0, 2)),
        ("bytes=0-16383", 16384, Span(0, 16384)),
        ("bytes=16384-32767", 16385, Span(16384, 16385)),
        ("bytes=0-" + "9" * 6000, 10, Span(0, 10)),
        ("bytes=-" + "9" * 6000, 10, Span(0, 10)),
        ("bytes=10-", 10, UNSATISFIABLE),
        ("bytes=10-20", 10, UNSATISFIABLE),
        ("bytes=-0", 10, UNSATISFIABLE),
        ("bytes=0-", 0, UNSATISFIABLE),
        ("bytes=-1", 0, UNSATISFIABLE),
        ("bytes=" + "9" * 6000 + "-", 10, UNSATISFIABLE),
        ("bytes=0-1,3-4", 10, None),
        ("bytes=2-1", 10, None),
        ("bytes=-", 10, None),
        ("bytes=", 10, None),
        ("bytes", 10, None),
        ("", 10, None),
        ("=0-1", 10, None),
        ("bytes=a-b", 10, None),
        ("bytes=0x0-1", 10, None),
        ("bytes=--1", 10, None),
        ("bytes=+1-2", 10, None),
        ("bytes=1 - 2", 10, None),
        ("bytes=\u0661-\u0662", 10, None),
        ("lines=0-1", 10, None),
    ],
)
def test_what_a_range_header_asks(header: str | None, size: int, expected: object) -> None:
    assert asked_span(header, size) == expected


@given(st.integers(0, 30), st.none() | st.integers(0, 40), st.none() | st.integers(0, 40))
def test_a_range_holds_the_bytes_that_the_rfc_says(size: int, first: int | None, last: int | None) -> None:
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    if first is None:
        wanted = set() if last is None else set(range(size)[-last:] if last else ())
    else:
        wanted = {at for at in range(size) if first <= at and (last is None or at <= last)}
    span = asked_span(header, size)
    if span is None:
        assert (first is None and last is None) or (first is not None and last is not None and last < first)
    elif isinstance(span, Span):
        assert set(range(span.first, span.stop)) == wanted
        assert wanted
    else:
        assert not wanted


@given(st.text(), st.integers(0, 100))
def test_any_text_is_read_without_an_error(text: str, size: int) -> None:
    asked_span(text, size)
    asked_span("bytes=" + text, size)
