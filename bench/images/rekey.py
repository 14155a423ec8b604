"""Re-keying: certificate, URL or private key that a prebuilt image embeds, replaced by the bench's own and re-sealed.

EMBED_TXTFILES (tools/cmake) puts a text file and a NUL into read-only data, and the code takes either the string or
the file's whole length up to the NUL. So a shorter text is padded with NULs, which mbedTLS's PEM reader passes over,
and a longer one does not fit: nothing in an image can be moved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.errors import FormatError
from bench.images.bundle import find_bundle, with_bundle
from bench.images.image import Image
from bench.images.keys import load_private

__all__ = [
    "Embedded",
    "embedded",
    "with_broken_private_key",
    "with_certificate",
    "with_private_key",
    "with_trust",
    "with_url",
]

_PATTERNS = {
    "certificate": re.compile(rb"-----BEGIN CERTIFICATE-----\r?\n[^\0]*(?=\0)"),
    "private key": re.compile(rb"-----BEGIN (?:RSA |EC )?PRIVATE KEY-----\r?\n[^\0]*(?=\0)"),
    "URL": re.compile(rb"(?<![^\0])https?://[!-~]+(?=\0)"),
}


@dataclass(frozen=True)
class Embedded:
    """One text in an image: what it is, segment number and offset in its data, and the text without its NUL."""

    kind: str
    segment: int
    at: int
    text: bytes

    def __repr__(self) -> str:
        # A private key must not reach a log.
        return f"Embedded({self.kind!r}, segment {self.segment} at 0x{self.at:x}, {len(self.text)} bytes)"


def embedded(image: Image, kind: str) -> tuple[Embedded, ...]:
    """Every text of that kind: ``"certificate"``, ``"private key"`` or ``"URL"``."""
    return tuple(_found(image, kind))


def _found(image: Image, kind: str) -> Iterator[Embedded]:
    for number, segment in enumerate(image.segments):
        for match in _PATTERNS[kind].finditer(segment.data):
            yield Embedded(kind, number, match.start(), match[0])


def with_certificate(image: Image, pem: bytes, *, number: int | None = None) -> Image:
    """The CA certificate replaced by `pem`; a certificate is kept whole, comments around it may go.

    Args:
        number: which of several, from 0, in the order of `embedded`

    Raises:
        FormatError: `pem` is no certificate; none there, several and no number, or it does not fit; with the sizes
    """
    _check_certificate(pem)
    return _replaced(image, "certificate", (pem, _bare(pem)), number)


def with_trust(image: Image, pem: bytes, *, number: int | None = None) -> Image:
    """The CA that the image trusts replaced, be it embedded as a certificate or as ESP-IDF's certificate bundle.

    Raises:
        FormatError: as `with_certificate` and `bench.images.bundle.with_bundle`
    """
    if embedded(image, "certificate") or find_bundle(image) is None:
        return with_certificate(image, pem, number=number)
    return with_bundle(image, pem)


def with_private_key(image: Image, key: bytes, *, number: int | None = None) -> Image:
    """The private key (of pre-encrypted images) replaced by `key`, in the form of PEM that fits.

    Raises:
        FormatError: as `with_certificate`, or no RSA-3072 or P-256 private key
    """
    private = load_private(key)
    forms = [
        private.private_bytes(Encoding.PEM, form, NoEncryption())
        for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
    ]
    # Keys of one size differ by some bytes, so one in four would not fit where ESP-IDF's own example key was.
    return _replaced(image, "private key", (*forms, _in_long_lines(forms[-1])), number)


def with_broken_private_key(image: Image) -> Image:
    """The private key made unreadable, as one that was never put in: its first line says something else.

    Raises:
        FormatError: there is none
    """
    there = embedded(image, "private key")
    if not there:
        raise FormatError("ESP-IDF image", 0, "no embedded private key", "one to break: build it with one")
    for found in there:
        image = image.with_patch(found.segment, found.at, b"-----LOST!")
    return image


def with_url(image: Image, url: str, *, number: int | None = None) -> Image:
    """The URL replaced.

    Raises:
        FormatError: as `with_certificate`, or one that is no http(s) URL in ASCII
    """
    text = url.encode("ascii", "replace")
    if not re.fullmatch(rb"https?://[!-~]+", text):
        raise FormatError("URL", 0, repr(url), "http://… or https://… in ASCII")
    return _replaced(image, "URL", (text,), number)


def _replaced(image: Image, kind: str, forms: tuple[bytes, ...], number: int | None) -> Image:
    there = embedded(image, kind)
    if not there:
        raise FormatError("ESP-IDF image", 0, f"no embedded {kind}", "one to replace: build it with one")
    if number is None and len(there) > 1:
        raise FormatError("ESP-IDF image", 0, f"{len(there)} embedded {kind}s", f"which one, 0 to {len(there) - 1}")
    if number is not None and not 0 <= number < len(there):
        raise FormatError("ESP-IDF image", 0, f"{len(there)} embedded {kind}s", f"a number below that, not {number}")
    old = there[number or 0]
    room = len(old.text)
    fitting = [form for form in forms if len(form) <= room]
    if not fitting:
        shortest = min(map(len, forms))
        offset = image.segments[old.segment].data_offset + old.at
        raise FormatError(
            "ESP-IDF image", offset, f"room for a {kind} of {room} bytes", f"{shortest} bytes: it does not fit"
        )
    # Any of them will do for the firmware; the first is the one that was given.
    return image.with_patch(old.segment, old.at, fitting[0].ljust(room, b"\0"))


def _check_certificate(pem: bytes) -> None:
    """A device with anything else in the place of its CA never connects again."""
    expected = "certificates alone, in PEM (-----BEGIN CERTIFICATE-----)"
    if b"PRIVATE KEY-----" in pem:
        raise FormatError(
            "certificate", pem.index(b"PRIVATE KEY-----"), "a private key, which all could read", expected
        )
    try:
        x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise FormatError("certificate", 0, "no readable certificate", expected) from None


def _in_long_lines(pem: bytes) -> bytes:
    """One PEM block in lines of 128 characters in place of 64, which mbedTLS reads as well, and OpenSSL."""
    first, *lines, last = pem.splitlines()
    text = b"".join(lines)
    return b"\n".join([first, *(text[at : at + 128] for at in range(0, len(text), 128)), last, b""])


def _bare(pem: bytes) -> bytes:
    """The PEM blocks alone, without what people write between and around them."""
    blocks = re.findall(rb"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----\r?\n?", pem, re.DOTALL)
    return b"".join(block.replace(b"\r\n", b"\n") for block in blocks)
