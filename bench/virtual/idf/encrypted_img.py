"""Espressif's component esp_encrypted_img: open a pre-encrypted image piece by piece (AES-256-GCM).

Source: idf-extra-components/esp_encrypted_img/src/esp_encrypted_img.c, wording of 2.2 to 2.7.
"""

from __future__ import annotations

from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

from bench.errors import FormatError
from bench.images import Defect
from bench.images.encrypted import EncryptedHeader
from bench.virtual.idf.encrypted_key import opener_of
from bench.virtual.idf.err import EspErr, EspError
from bench.virtual.running import Running

__all__ = ["DecryptHandle"]

_TAG = "esp_encrypted_img"
_BLOCK = 16  # CACHE_BUF_SIZE
_RESERVED_AT = 424


class _Decryptor(Protocol):
    def update(self, data: bytes) -> bytes: ...

    def finalize_with_tag(self, tag: bytes) -> bytes: ...


class DecryptHandle:
    """esp_decrypt_handle_t; making one is esp_encrypted_img_decrypt_start.

    Args:
        private_key: the PEM that the firmware embeds; nothing in the ECIES scheme

    Raises:
        EspError: the key of the scheme is not there, after the line that says so
    """

    def __init__(self, running: Running, private_key: bytes) -> None:
        self._log = running.log
        self._defect = running.defect
        self._header: EncryptedHeader | None = None
        self._decryptor: _Decryptor | None = None
        self._read = 0
        self._cached = b""
        # Of the wordings of several versions the firmware has one compiled in.
        self._log.info(_TAG, "Starting Decryption Process")
        self._log.info(_TAG, "Initializing Decryption Handle")
        self._opener = opener_of(running, private_key)

    def decrypt(self, data: bytes) -> bytes:
        """esp_encrypted_img_decrypt_data: whole blocks of 16 bytes, and at the end what is left.

        Raises:
            EspError: ESP_FAIL where header or key do not fit, after the lines that say so
        """
        if self._decryptor is None or self._header is None:
            data = self._open(data)
        return self._process(data) if self._decryptor is not None else data

    def _open(self, data: bytes) -> bytes:
        """The header. esp_https_ota always gives 1024 bytes first, so it is never split here as it may be there."""
        try:
            header = EncryptedHeader.parse(data[: EncryptedHeader.SIZE])
        except FormatError as error:
            if self._defect is Defect.PLAIN_TOO:
                return data
            self._log.error(_TAG, "Magic Verification failed")
            raise EspError(EspErr.ESP_FAIL) from error
        self._log.info(_TAG, "Magic Verified")
        if self._defect is Defect.RESERVED_COUNTS and any(data[_RESERVED_AT : EncryptedHeader.SIZE]):
            raise EspError(EspErr.ESP_FAIL)
        try:
            key = self._opener.open(header)
        except EspError:
            self._log.error(_TAG, "Failed to process GCM key")  # since 2.4
            if self._defect is not Defect.KEY_OF_ZEROS:
                raise
            key = bytes(32)
        self._header = header
        self._decryptor = Cipher(AES(key), GCM(header.iv)).decryptor()
        return data[EncryptedHeader.SIZE :]

    def _process(self, data: bytes) -> bytes:
        """process_bin."""
        assert self._decryptor is not None
        assert self._header is not None
        self._read += len(data)
        there = self._cached + data
        whole = len(there)
        if self._read != self._header.size:
            whole -= whole % _BLOCK
        self._cached = there[whole:]
        return self._decryptor.update(there[:whole])

    def end(self) -> None:
        """esp_encrypted_img_decrypt_end: is all there, and is the tag right?

        Raises:
            EspError: ESP_FAIL, after the line that says why
        """
        if self._decryptor is None or self._header is None:
            if self._log.has("Decryption process not completed successfully"):
                self._log.error(_TAG, "Decryption process not completed successfully")
                raise EspError(EspErr.ESP_FAIL)
            return
        whole = not self._cached and self._read == self._header.size
        if not whole and self._defect is not Defect.SIZE_NOT_COMPARED:
            self._log.error(_TAG, "Invalid operation")
            raise EspError(EspErr.ESP_FAIL)
        try:
            self._decryptor.finalize_with_tag(self._header.tag)
        except InvalidTag as error:
            if self._defect is Defect.TRUST_ANY_TAG:
                return
            self._log.error(_TAG, "Invalid Auth")
            self._log.error(_TAG, "Invalid Auth Tag")
            raise EspError(EspErr.ESP_FAIL) from error
