"""Decoded causes: the error codes in a log message, by name."""

from __future__ import annotations

import re

from bench.console.cause_codes import CHIPS, ERRNO, ESP_ERR, MBEDTLS_ERR, PSA_ERROR

__all__ = ["explain"]

# esp_err_t is printed behind one of these words; any other hexadecimal number is an address or a length.
_ESP_ERR = re.compile(
    r"(?:\berr(?:or)?(?: ?[=:] ?| )|\bfailed:? |\breturned |\besp_err_t )\(?0x([0-9a-f]{3,5})\b", re.IGNORECASE
)
_MBEDTLS = re.compile(r"-0x([0-9a-f]{1,4})\b", re.IGNORECASE)
_PSA = re.compile(r"\bpsa_[a-z_]{1,40}(?: \([a-z]{1,20}\))? failed: (-1[0-9]{2})\b")
_ERRNO = re.compile(r"\berrno(?: ?[=:] ?| )([0-9]{1,3})\b")
_CHIP = re.compile(r"[Mm]ismatch chip (?:id|ID), expected ([0-9]{1,5}), found ([0-9]{1,5})")
_MBEDTLS_LOW = 0x7F


def explain(message: str) -> str | None:
    """The names of the error codes in a log message; None where it holds none that is known.

    >>> explain("mbedtls_ssl_handshake returned -0x2700")
    '-0x2700 is MBEDTLS_ERR_X509_CERT_VERIFY_FAILED'
    >>> explain("ESP_HTTPS_OTA upgrade failed 0x1503")
    '0x1503 is ESP_ERR_OTA_VALIDATE_FAILED'
    """
    found: dict[str, None] = {}
    for match in _ESP_ERR.finditer(message):
        name = ESP_ERR.get(int(match[1], 16))
        if name is not None:
            found[f"0x{match[1]} is ESP_ERR_{name}"] = None
    for match in _MBEDTLS.finditer(message):
        names = _mbedtls(int(match[1], 16))
        if names is not None:
            found[f"-0x{match[1]} is {names}"] = None
    for match in _PSA.finditer(message):
        name = PSA_ERROR.get(int(match[1]))
        if name is not None:
            found[f"{match[1]} is PSA_ERROR_{name}"] = None
    for match in _ERRNO.finditer(message):
        name = ERRNO.get(int(match[1]))
        if name is not None:
            found[f"errno {match[1]} is {name}"] = None
    mismatch = _CHIP.search(message)
    if mismatch is not None:
        expected, chip = (CHIPS.get(int(number), f"an unknown chip ({number})") for number in mismatch.groups())
        found[f"an image for {chip} on {expected}"] = None
    return "; ".join(found) or None


def _mbedtls(code: int) -> str | None:
    """Names of a negated Mbed TLS code, which may be the sum of a high-level and a low-level one."""
    whole = MBEDTLS_ERR.get(code)
    if whole is not None:
        return f"MBEDTLS_ERR_{whole}"
    high, low = MBEDTLS_ERR.get(code & ~_MBEDTLS_LOW), MBEDTLS_ERR.get(code & _MBEDTLS_LOW)
    if high is None or low is None:
        return None
    return f"MBEDTLS_ERR_{high} + MBEDTLS_ERR_{low}"
