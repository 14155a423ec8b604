"""How esp_encrypted_img comes to the AES-GCM key in the header of a pre-encrypted image, in either of its schemes.

Source: idf-extra-components/esp_encrypted_img/src/esp_encrypted_img.c, wording of 2.2 to 2.7; the component uses
mbedTLS's own functions up to ESP-IDF v5.5 and PSA from v6.0 on.
"""

from __future__ import annotations

import re
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bench.errors import FormatError
from bench.flash.efuse_fields import BLOCK_KEY0, HMAC_UP
from bench.images import Defect
from bench.images.ecies import device_key
from bench.images.encrypted import EncryptedHeader
from bench.virtual.idf.err import EspErr, EspError
from bench.virtual.running import Running

__all__ = ["KeyOpener", "opener_of"]

_TAG = "esp_encrypted_img"
_RSA_BITS = 3072
_RSA_MS, _ECIES_MS = 110, 160
_KEY_BLOCK = 2  # HMAC_UP_KEY_ID of the example

# mbedTLS error codes, without their sign, and PSA's.
_PEM_INVALID_DATA = 0x112C  # with MBEDTLS_ERR_BASE64_INVALID_CHARACTER
_PK_KEY_INVALID_FORMAT = 0x3D00
_RSA_BAD_INPUT_DATA = 0x4080
_RSA_INVALID_PADDING = 0x4100
_RSA_PRIVATE_FAILED_BAD_INPUT = 0x4304
_ECP_INVALID_KEY = 0x4C80
_PSA_INVALID_ARGUMENT = -135
_PSA_INVALID_PADDING = -150

_NO_HMAC_KEY = "Could not find HMAC key in configured eFuse block!"
_PEM = re.compile(rb"-----BEGIN (?:RSA )?PRIVATE KEY-----(.*?)-----END", re.DOTALL)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\s]")


class KeyOpener(Protocol):
    """One scheme."""

    def open(self, header: EncryptedHeader) -> bytes:
        """The GCM key; EspError where it cannot be had, after the lines that say why."""


def opener_of(running: Running, private_key: bytes) -> KeyOpener:
    """The scheme that the application was built with.

    Args:
        private_key: the PEM that it embeds, where it is that of RSA

    Raises:
        EspError: the scheme's key is not in the eFuses
    """
    if not running.log.has("GCM key derived successfully"):
        return _Rsa(running, private_key)
    return _Ecies(running)


class _Rsa:
    """decipher_gcm_key: PKCS#1 v1.5 padding."""

    def __init__(self, running: Running, private_key: bytes) -> None:
        self._log = running.log
        self._clock = running.machine.clock
        self._pem = private_key.rstrip(b"\0")

    def open(self, header: EncryptedHeader) -> bytes:
        """Open it with the private key."""
        # Of the wordings of several versions the firmware has one compiled in.
        self._log.info(_TAG, "Reading RSA private key")
        self._log.info(_TAG, "Reading RSA private key (PSA)")
        try:
            return self._open(header)
        except _MbedtlsError as error:
            for line in error.lines:
                self._log.error(_TAG, line)
            self._log.error(_TAG, "Unable to decipher GCM key")
            raise EspError(EspErr.ESP_FAIL) from error

    def _open(self, header: EncryptedHeader) -> bytes:
        try:
            key = load_pem_private_key(self._pem, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            code = _parse_error(self._pem)
            raise _MbedtlsError(
                f"failed\n  ! mbedtls_pk_parse_keyfile returned -0x{code:04x}\n",
                f"failed\n  ! mbedtls_pk_parse_key returned -0x{code:04x}\n",
            ) from error
        if not isinstance(key, RSAPrivateKey) or key.key_size != _RSA_BITS:
            raise _failed_decrypt(_RSA_BAD_INPUT_DATA, _PSA_INVALID_ARGUMENT)
        if int.from_bytes(header.encrypted_key, "big") >= key.public_key().public_numbers().n:
            raise _failed_decrypt(_RSA_PRIVATE_FAILED_BAD_INPUT, _PSA_INVALID_ARGUMENT)
        self._clock.sleep(_RSA_MS)
        try:
            return header.open_key(key)
        except FormatError as error:
            raise _failed_decrypt(_RSA_INVALID_PADDING, _PSA_INVALID_PADDING) from error


class _Ecies:
    """derive_gcm_key: the device's key is derived by the HMAC peripheral from a key block that only it can read."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._log = running.log
        self._check_key()

    def _check_key(self) -> None:
        """esp_encrypted_is_hmac_key_burnt_in_efuse."""
        if self._running.machine.efuse.field(f"KEY_PURPOSE_{_KEY_BLOCK}") != HMAC_UP:
            self._log.error(_TAG, _NO_HMAC_KEY)
            raise EspError(EspErr.ESP_FAIL)

    def open(self, header: EncryptedHeader) -> bytes:
        """Agree upon it; a key of another device gives another GCM key, and no error here."""
        self._running.machine.clock.sleep(_ECIES_MS)
        try:
            block = BLOCK_KEY0 + _KEY_BLOCK + (self._running.defect is Defect.WRONG_KEY_BLOCK)
            key = header.open_key(device_key(self._running.machine.efuse.read_block(block)))
        except FormatError as error:
            # A point off the curve. The scheme of the image is not told in its header: an RSA one is such a point, too.
            self._log.error(_TAG, f"failed\n  ! mbedtls_ecp_check_pubkey returned -0x{_ECP_INVALID_KEY:04x}\n")
            self._log.error(_TAG, "Failed to get server public point")
            self._log.error(_TAG, "Failed to derive GCM key")
            raise EspError(EspErr.ESP_FAIL) from error
        self._log.info(_TAG, "ECC key derived successfully")
        self._log.info(_TAG, "GCM key derived successfully")
        return key


class _MbedtlsError(Exception):
    """What is said of it, in the words of several versions."""

    def __init__(self, *lines: str) -> None:
        super().__init__(lines[0])
        self.lines = lines


def _failed_decrypt(code: int, status: int) -> _MbedtlsError:
    return _MbedtlsError(
        f"failed\n  ! mbedtls_pk_decrypt returned -0x{code:04x}\n", f"psa_asymmetric_decrypt failed: {status}"
    )


def _parse_error(pem: bytes) -> int:
    """mbedtls_pk_parse_key: a PEM that cannot be decoded, or else no key in any form that it knows."""
    body = _PEM.search(pem)
    return _PEM_INVALID_DATA if body is not None and _NOT_BASE64.search(body[1]) else _PK_KEY_INVALID_FORMAT
