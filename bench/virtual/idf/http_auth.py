"""Credentials of esp_http_client: what it answers to a 401, where Kconfig has it answer at all.

Sources: components/esp_http_client/lib/http_auth.c and esp_http_client_add_auth in esp_http_client.c. Both kinds are
off by default since v5.0 (CONFIG_ESP_HTTP_CLIENT_ENABLE_BASIC_AUTH, …_DIGEST_AUTH); v4.4 has Digest on.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass

from bench.virtual.release import Release

__all__ = ["Challenge", "basic", "digest"]


@dataclass(frozen=True)
class Challenge:
    """What a `WWW-Authenticate: Digest …` says; parts that are not there are None."""

    realm: str | None
    nonce: str | None
    algorithm: str
    qop: str | None
    opaque: str | None

    @classmethod
    def parse(cls, header: str) -> Challenge:
        """Read it as the device does: by what stands between two texts, whatever else there is."""
        algorithm = _between(header, "algorithm=", ",")
        if algorithm is None:
            _, found, rest = header.partition("algorithm=")
            algorithm = rest.strip() if found else "MD5"
        return cls(
            _between(header, 'realm="', '"'),
            _between(header, 'nonce="', '"'),
            algorithm,
            _between(header, 'qop="', '"'),
            _between(header, 'opaque="', '"'),
        )


def basic(user: str, password: str | None) -> str:
    """http_auth_basic; newlib prints a password that is not there as ``(null)``."""
    text = f"{user}:{'(null)' if password is None else password}"
    return "Basic " + base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii")


def digest(
    challenge: Challenge, user: str, password: str | None, asked: tuple[str, str], release: Release
) -> str | None:
    """http_auth_digest; None where something that it needs is not there.

    Args:
        asked: method, and path with query
        release: v5.2 and before know MD5 only, and quote its name
    """
    if password is None or challenge.nonce is None or challenge.realm is None:
        return None
    modern = release.at_least(5, 3)
    sha256 = modern and challenge.algorithm.startswith(("SHA256", "SHA-256"))

    def hashed(text: str) -> str:
        data = text.encode("utf-8", "surrogateescape")
        return (hashlib.sha256(data) if sha256 else hashlib.md5(data, usedforsecurity=False)).hexdigest()

    method, uri = asked
    cnonce, count = f"{secrets.randbits(64):016x}", "00000001"
    first = hashed(f"{user}:{challenge.realm}:{password}")
    if challenge.algorithm.lower() == "md5-sess" or (modern and challenge.algorithm.lower() == "sha256"):
        first = hashed(f"{first}:{challenge.nonce}:{cnonce}")
    second = hashed(f"{method}:{uri}")
    if challenge.qop is not None and challenge.qop.lower() == "auth-int":
        second = hashed(f"{second}:entity")
    middle = f"{count}:{cnonce}:{challenge.qop}:" if challenge.qop is not None else ""
    answer = hashed(f"{first}:{challenge.nonce}:{middle}{second}")
    algorithm = challenge.algorithm if modern else '"MD5"'
    told = (
        f'Digest username="{user}", realm="{challenge.realm}", nonce="{challenge.nonce}", uri="{uri}", '
        f'algorithm={algorithm}, response="{answer}"'
    )
    if challenge.qop is not None:
        told += f', qop={challenge.qop}, nc={count}, cnonce="{cnonce}"'
    if challenge.opaque is not None:
        told += f', opaque="{challenge.opaque}"'
    return told


def _between(text: str, begin: str, end: str) -> str | None:
    """http_utils_get_string_between."""
    _, found, rest = text.partition(begin)
    middle, ended, _ = rest.partition(end)
    return middle if found and ended else None
