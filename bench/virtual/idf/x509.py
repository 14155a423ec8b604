"""Certificate checks in mbedTLS's terms: flags, their texts, and which names mbedTLS lets pass.

Sources: mbedtls/include/mbedtls/x509.h and library/x509_crt.c (x509_crt_verify_strings, x509_crt_verify_name).
The check itself is OpenSSL's; what OpenSSL objects to is translated.
"""

from __future__ import annotations

import ipaddress
from typing import Any

__all__ = [
    "BAD_SIGNATURE",
    "NAME_MISMATCHES",
    "SELF_SIGNED_LEAF",
    "common_name_matches",
    "flags_of_openssl",
    "is_address",
    "verify_info",
]

EXPIRED = 0x01
CN_MISMATCH = 0x04
NOT_TRUSTED = 0x08
KEY_USAGE = 0x0800
EXT_KEY_USAGE = 0x1000
FUTURE = 0x0200
BAD_MD = 0x4000
BAD_KEY = 0x010000

BAD_SIGNATURE = 7
"""X509_V_ERR_CERT_SIGNATURE_FAILURE"""

SELF_SIGNED_LEAF = 18
"""X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT"""

NAME_MISMATCHES = (62, 63, 64)
"""X509_V_ERR_HOSTNAME_MISMATCH, …EMAIL…, …IP_ADDRESS…"""

# X509_V_ERR_* of openssl/x509_vfy.h. Not listed: mbedTLS would call it untrusted.
_OF_OPENSSL = {
    9: FUTURE,
    10: EXPIRED,
    26: EXT_KEY_USAGE,
    62: CN_MISMATCH,
    63: CN_MISMATCH,
    64: CN_MISMATCH,
    66: BAD_KEY,
    67: BAD_KEY,
    68: BAD_MD,
    79: NOT_TRUSTED,
}

_TEXTS = {
    EXPIRED: "The certificate validity has expired",
    CN_MISMATCH: "The certificate Common Name (CN) does not match with the expected CN",
    NOT_TRUSTED: "The certificate is not correctly signed by the trusted CA",
    FUTURE: "The certificate validity starts in the future",
    KEY_USAGE: "Usage does not match the keyUsage extension",
    EXT_KEY_USAGE: "Usage does not match the extendedKeyUsage extension",
    BAD_MD: "The certificate is signed with an unacceptable hash.",
    BAD_KEY: "The certificate is signed with an unacceptable key (eg bad curve, RSA too short).",
}


def flags_of_openssl(verify_code: int) -> int:
    """MBEDTLS_X509_BADCERT_* for an OpenSSL verification error."""
    return _OF_OPENSSL.get(verify_code, NOT_TRUSTED)


def verify_info(flags: int, prefix: str = "  ! ") -> str:
    """mbedtls_x509_crt_verify_info: a line for each flag."""
    return "".join(f"{prefix}{text}\n" for flag, text in _TEXTS.items() if flags & flag)


def common_name_matches(certificate: dict[str, Any], host: str) -> bool:
    """Would mbedTLS accept `host`, an IP address, by the Common Name alone, as OpenSSL never does?

    mbedTLS looks at the Common Name only where the certificate has no subject alternative names, and then
    compares texts; a self-signed certificate made as the examples' README says passes this way.

    Args:
        certificate: as `ssl.SSLSocket.getpeercert` gives it
        host: from the URL
    """
    if certificate.get("subjectAltName"):
        return False
    return any(
        key == "commonName" and value.lower() == host.lower()
        for names in certificate.get("subject", ())
        for key, value in names
    )


def is_address(host: str) -> bool:
    """Is it an IP address, not a name?"""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
