"""What of a request may be kept: secrets in it never reach the timeline, a log or a report."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

__all__ = ["HIDDEN", "is_secret", "kept_headers", "redacted_query", "redacted_url"]

HIDDEN = "***"

_SECRET = re.compile(r"tok|sig|secret|passw|pwd|auth|cred|key|session|jwt|cookie|policy", re.IGNORECASE)
"""What the name of a parameter with a secret looks like: `token`, `X-Amz-Signature`, `sig`, `AWSAccessKeyId` ..."""

_KEPT = frozenset(
    (
        *("accept", "accept-encoding", "connection", "content-length", "content-type", "expect", "host"),
        *("if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "range"),
        *("te", "transfer-encoding", "upgrade", "user-agent"),
    )
)
_SECRET_HEADERS = frozenset(("authorization", "proxy-authorization", "cookie"))


def redacted_query(query: str) -> str:
    """A query string with the values of secret parameters hidden, and with what has no name hidden whole."""
    return "&".join(_redacted(part) for part in query.split("&"))


def redacted_url(url: str) -> str:
    """A URL with its credentials hidden, and its secret parameters as `redacted_query` does."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{HIDDEN}@{host}" if host != parts.netloc else host
    return urlunsplit(parts._replace(netloc=netloc, query=redacted_query(parts.query) if parts.query else ""))


def is_secret(name: str) -> bool:
    """Does the name of a parameter or field look like one that holds a secret?"""
    return _SECRET.search(name) is not None


def _redacted(part: str) -> str:
    name, equals, _ = part.partition("=")
    if not equals:
        return HIDDEN if part else part
    return f"{name}={HIDDEN}" if _SECRET.search(name) or "%" in name else part


def kept_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers that a report may show, names in lower case; of those with secrets only that they were there."""
    kept: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in _SECRET_HEADERS:
            scheme, space, _ = value.partition(" ")
            kept[lower] = f"{scheme} {HIDDEN}" if space and lower.endswith("authorization") else HIDDEN
        elif lower in _KEPT:
            kept[lower] = f"{kept[lower]}, {value}" if lower in kept else value
    return dict(sorted(kept.items()))
