"""Releases that are not for everybody: credentials (RFC 7617, RFC 7616), and a token in the URL that may expire."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import parse_http_list, parse_keqv_list

from bench.server.faults.base import Fault
from bench.server.faults.status import answer
from bench.server.plan import Asked, Plan

__all__ = ["Credentials", "Token"]

_REALM = "ota-bench"


@dataclass(frozen=True)
class Credentials(Fault):
    """the release is served to who gives these credentials; the URL holds them

    Attributes:
        scheme: Basic or Digest (MD5 with qop=auth)
        user, password: letters, digits, ``-``, ``_`` and ``.``, since they stand in a URL
    """

    name = "credentials"
    scheme: str = "Basic"
    user: str = "board"
    password: str = field(default="let-me-in", repr=False)

    def __post_init__(self) -> None:
        if self.scheme not in ("Basic", "Digest"):
            raise ValueError(f"credentials are Basic or Digest, not {self.scheme!r}")
        for text in (self.user, self.password):
            if not text or quote(text, safe="") != text:
                raise ValueError("credentials are letters, digits, '-', '_' and '.', because they stand in a URL")

    def plan(self, plan: Plan, asked: Asked) -> Plan:
        """What was planned for who has the credentials, a challenge for who has not."""
        scheme, _, given = asked.headers.get("authorization", "").partition(" ")
        if scheme.lower() == self.scheme.lower() and self._right(given, asked):
            return plan
        challenge = f'{self.scheme} realm="{_REALM}"'
        if self.scheme == "Digest":
            challenge += f', qop="auth", nonce="{self._nonce}", algorithm=MD5'
        return answer(self, plan, asked, 401, ("WWW-Authenticate", challenge))

    def address(self, url: str) -> str:
        """The URL with the credentials in it."""
        parts = urlsplit(url)
        return urlunsplit(parts._replace(netloc=f"{self.user}:{self.password}@{parts.netloc}"))

    @property
    def _nonce(self) -> str:
        return hashlib.sha256(f"{_REALM}:{self.user}".encode()).hexdigest()[:32]

    def _right(self, given: str, asked: Asked) -> bool:
        if self.scheme == "Basic":
            wanted = base64.b64encode(f"{self.user}:{self.password}".encode())
            return hmac.compare_digest(_bytes(given.strip()), wanted)
        parts = [part for part in parse_http_list(given) if "=" in part]
        # parse_keqv_list raises IndexError for `name=` with nothing behind it, which is no parameter (RFC 9110, 11.2).
        if not all(part.partition("=")[2] for part in parts):
            return False
        return self._right_digest(parse_keqv_list(parts), asked)

    def _right_digest(self, given: dict[str, str], asked: Asked) -> bool:
        """RFC 7616, section 3.4.1."""
        uri = quote(asked.path) + (f"?{asked.query}" if asked.query else "")
        if (given.get("username"), given.get("nonce"), given.get("uri")) != (self.user, self._nonce, uri):
            return False
        first = _md5(f"{self.user}:{_REALM}:{self.password}")
        second = _md5(f"{asked.method}:{uri}")
        middle = ":".join(given.get(name, "") for name in ("nc", "cnonce", "qop"))
        wanted = _md5(f"{first}:{self._nonce}:{middle}:{second}")
        return hmac.compare_digest(_bytes(given.get("response", "")), wanted.encode())


@dataclass(frozen=True)
class Token(Fault):
    """the release is served to who has the token, which stands in the URL; 403 for everybody else

    Attributes:
        token: letters, digits, ``-``, ``_`` and ``.``
        requests: it is good for so many requests, then it has expired; 0: it never does
    """

    name = "token"
    token: str = field(default="b3nch", repr=False)
    requests: int = 0

    def __post_init__(self) -> None:
        if not self.token or quote(self.token, safe="") != self.token:
            raise ValueError("a token is letters, digits, '-', '_' and '.', because it stands in a URL")
        if self.requests < 0:
            raise ValueError(f"a token is good for 0 (for ever) or more requests, not {self.requests}")

    def plan(self, plan: Plan, asked: Asked) -> Plan:
        """What was planned for who has the token while it is good."""
        given = f"token={self.token}" in asked.query.split("&")
        if given and (not self.requests or asked.nth < self.requests):
            return plan
        return answer(self, plan, asked, 403)

    def address(self, url: str) -> str:
        """The URL with the token in it."""
        return f"{url}{'&' if '?' in url else '?'}token={self.token}"


def _md5(text: str) -> str:
    return hashlib.md5(_bytes(text), usedforsecurity=False).hexdigest()


def _bytes(text: str) -> bytes:
    """What a client sent, as it came: it need not have been UTF-8."""
    return text.encode("utf-8", "surrogateescape")
