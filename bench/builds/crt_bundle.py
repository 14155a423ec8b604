"""ESP-IDF's certificate bundle, as its build embeds it in an application: subject names and public keys of roots.

Source: components/mbedtls/esp_crt_bundle/gen_crt_bundle.py. Up to v5.3: the number of certificates, then for each the
lengths of name and key (all uint16, big endian), name and key in DER. From v5.4 on: for each its offset (uint32), and
the lengths are little endian. Sorted by name, because the device searches by halves.
"""

from __future__ import annotations

import struct

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.builds.releases import Line

__all__ = ["certificate_bundle"]

_WITH_OFFSETS: Line = (5, 4)


def certificate_bundle(pem: bytes, line: Line) -> bytes:
    """The bundle of these certificates.

    Args:
        pem: certificates, one behind the other
        line: release line of ESP-IDF, which decides the form
    """
    roots = sorted(
        (
            one.subject.public_bytes(),
            one.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        )
        for one in x509.load_pem_x509_certificates(pem)
    )
    if line < _WITH_OFFSETS:
        entries = b"".join(struct.pack(">HH", len(name), len(key)) + name + key for name, key in roots)
        return struct.pack(">H", len(roots)) + entries
    offsets, entries = [], b""
    for name, key in roots:
        offsets.append(4 * len(roots) + len(entries))
        entries += struct.pack("<HH", len(name), len(key)) + name + key
    return struct.pack(f"<{len(offsets)}L", *offsets) + entries
