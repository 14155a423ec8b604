"""components/mbedtls/esp_crt_bundle: the certificate authorities that an application was built with.

The bundle in an image holds subject names and public keys, no certificates. What OpenSSL can trust is made from them:
a certificate with that name and key, whose own signature nobody looks at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from bench.virtual.rodata import Rodata

__all__ = ["Root", "anchors_of", "is_root", "roots_in"]

_NAME = re.compile(rb"\x30(?:[\x08-\x7f]|\x81[\x80-\xff])\x31")
_LENGTHS = 4
_ORDERS: tuple[Literal["big", "little"], ...] = ("big", "little")
_CA = x509.BasicConstraints(ca=True, path_length=None)
_BEGIN, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Root:
    """One entry of a bundle: subject name and SubjectPublicKeyInfo, both in DER."""

    name: bytes
    key: bytes


def roots_in(rodata: Rodata) -> tuple[Root, ...]:
    """Every entry of the bundle that stands in an image, wherever it stands, in either byte order."""
    return tuple(dict.fromkeys(root for part in rodata.parts for root in _roots(part)))


def _roots(part: bytes) -> Iterator[Root]:
    for found in _NAME.finditer(part):
        at = found.start()
        size = _der_size(part, at)
        if at < _LENGTHS or size is None:
            continue
        lengths = part[at - _LENGTHS : at]
        for order in _ORDERS:
            if int.from_bytes(lengths[:2], order) != size:
                continue
            key = part[at + size : at + size + int.from_bytes(lengths[2:], order)]
            if key and _der_size(key, 0) == len(key):
                yield Root(part[at : at + size], key)
                break


def _der_size(data: bytes, at: int) -> int | None:
    """Bytes of the SEQUENCE at `at`, its header included; None where there is none."""
    if data[at : at + 1] != b"\x30" or at + 4 > len(data):
        return None
    first = data[at + 1]
    if first < 0x80:
        return 2 + first
    count = first & 0x7F
    return 2 + count + int.from_bytes(data[at + 2 : at + 2 + count], "big") if 1 <= count <= 2 else None


def anchors_of(roots: tuple[Root, ...]) -> bytes:
    """Certificates with these names and keys, in DER one behind the other, for OpenSSL to trust."""
    signer = ec.generate_private_key(ec.SECP256R1())
    anchors = b""
    for root in roots:
        try:
            name, key = x509.Name.from_bytes(root.name), load_der_public_key(root.key)
            builder = x509.CertificateBuilder(name, name, key, 1, _BEGIN, _END)  # type: ignore[arg-type]
            anchor = builder.add_extension(_CA, critical=True).sign(signer, SHA256())
        except ValueError:
            continue  # a key that OpenSSL does not take would not help it anyway
        anchors += anchor.public_bytes(Encoding.DER)
    return anchors


def is_root(certificate: bytes, roots: tuple[Root, ...]) -> bool:
    """Is this certificate, in DER, itself an authority of the bundle? By name, key and signature, as
    esp_crt_verify_callback compares: OpenSSL trusts a self-signed leaf only where it has all its bytes.
    """
    try:
        own = x509.load_der_x509_certificate(certificate)
        key = own.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        own.verify_directly_issued_by(own)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return Root(own.issuer.public_bytes(), key) in roots
