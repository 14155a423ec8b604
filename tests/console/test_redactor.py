"""Secrets are hidden whatever the chunks, and nothing else is changed or kept back."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bench.console.redactor import Redactor

SECRETS = {"wifi ssid": b"labnet", "wifi password": b"labnet-secret", "short": b"ab"}


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def hidden(parts: list[bytes]) -> bytes:
    redactor = Redactor(SECRETS)
    return b"".join(map(redactor.feed, parts)) + redactor.close()


def test_the_longest_secret_is_the_one_that_is_named() -> None:
    assert hidden([b"joined labnet with labnet-secret, ab\n"]) == b"joined [wifi ssid] with [wifi password], ab\n"


@given(st.lists(st.sampled_from([b"labnet-secret", b"labnet", b"lab", b"net", b"-", b"\n", b"x", b"\xff"])), st.data())
def test_no_chunking_lets_a_secret_through(pieces: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(pieces)
    cut = data.draw(st.lists(st.integers(0, 1000), max_size=20))
    found = hidden(chunks(whole, cut))
    assert b"labnet" not in found
    assert found == hidden([whole])
    assert found.replace(b"[wifi password]", b"labnet-secret").replace(b"[wifi ssid]", b"labnet") == whole


@given(st.binary(max_size=60))
def test_what_holds_no_secret_passes_unchanged(data: bytes) -> None:
    assert hidden([data]) == data.replace(b"labnet-secret", b"[wifi password]").replace(b"labnet", b"[wifi ssid]")


def test_a_complete_line_is_never_kept_back() -> None:
    redactor = Redactor(SECRETS)
    assert redactor.feed(b"the lab\n") == b"the lab\n"
    assert redactor.feed(b"the lab") == b"the "
    assert redactor.close() == b"lab"


def test_without_secrets_nothing_is_kept_back() -> None:
    assert Redactor({}).feed(b"labnet") == b"labnet"
