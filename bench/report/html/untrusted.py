"""JSON of evidence: fast where it is as the bench writes it, and no trap where it is not."""

from __future__ import annotations

import json
from collections.abc import Iterable

import orjson

__all__ = ["DEEPEST", "is_deep", "parse"]

DEEPEST = 50
"""Lists and objects within one another: nothing that the bench writes has more, and whoever shows it calls itself for
each of them."""


def parse(data: bytes, errors: str = "strict") -> object:
    """What the JSON holds, however deep; ValueError where it is none.

    Args:
        data: in UTF-8
        errors: what becomes of bytes that are not, see `bytes.decode`
    """
    try:
        return orjson.loads(data)
    except ValueError:
        try:
            return json.loads(data.decode("utf-8-sig", errors))  # which knows half of a surrogate pair, too
        except RecursionError as error:
            raise ValueError(str(error)) from error


def is_deep(told: object) -> bool:
    """Is it nested deeper than anything that the bench writes?"""
    level = [told]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _inner(one)]
        if not level:
            return False
    return True


def _inner(told: object) -> Iterable[object]:
    if isinstance(told, dict):
        return told.values()
    return told if isinstance(told, list) else ()
