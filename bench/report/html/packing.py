"""Data on its way into a page: JSON, deflated, as Base64 text that no HTML parser can take for anything else."""

from __future__ import annotations

import base64
import json
import zlib

import orjson

__all__ = ["pack"]


def pack(value: object) -> str:
    """The value for `unpack` of page.js: DecompressionStream("deflate") reads what zlib writes."""
    try:
        plain = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:  # half of a surrogate pair, which becomes a question mark
        plain = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    return base64.b64encode(zlib.compress(plain, 3)).decode("ascii")
