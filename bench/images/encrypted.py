"""Pre-encrypted images: the RSA-3072 scheme of Espressif's esp_encrypted_img component.

512 bytes of header (tools/esp_enc_img_gen.py and README.md of the component), then the content under AES-256-GCM,
without additional data. The GCM key stands in the header under RSA-3072 with PKCS#1 v1.5 padding.

The padding is done here rather than by the cryptography package: OpenSSL 3.2 and later answer a wrong key with
made-up plaintext, where a device says at once that it cannot open the key, and encryption is to be repeatable.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from bench.errors import FormatError
from bench.images.payload import with_flipped_byte

if TYPE_CHECKING:
    import random

__all__ = ["EncryptedHeader", "decrypt", "encrypt", "is_encrypted", "with_flipped_tag"]

_SUBJECT = "pre-encrypted image"
_KEY_BITS = 3072
_GCM_KEY_SIZE = 32
_IV_AT, _SIZE_AT, _TAG_AT = 388, 404, 408


@dataclass(frozen=True)
class EncryptedHeader:
    """The 512 bytes in front: magic, GCM key (encrypted), IV, size of the content in bytes, GCM tag, reserved."""

    SIZE: ClassVar[int] = 512
    MAGIC: ClassVar[int] = 0x0788B6CF
    _LAYOUT: ClassVar[struct.Struct] = struct.Struct("<I384s16sI16s88s")

    encrypted_key: bytes
    iv: bytes
    size: int
    tag: bytes
    reserved: bytes = bytes(88)

    @classmethod
    def parse(cls, data: bytes, *, subject: str = _SUBJECT) -> EncryptedHeader:
        """Read the first 512 bytes of `data`.

        Raises:
            FormatError: too short, or another magic
        """
        if len(data) < 4 or int.from_bytes(data[:4], "little") != cls.MAGIC:
            found = f"magic bytes {data[:4].hex()}" if data else "nothing"
            raise FormatError(subject, 0, found, f"{cls.MAGIC.to_bytes(4, 'little').hex()} (esp_encrypted_img)")
        if len(data) < cls.SIZE:
            raise FormatError(subject, len(data), f"the end after {len(data)} bytes", f"a {cls.SIZE}-byte header")
        _, key, iv, size, tag, reserved = cls._LAYOUT.unpack_from(data)
        return cls(key, iv, size, tag, reserved)

    def to_bytes(self) -> bytes:
        """The 512 bytes."""
        return self._LAYOUT.pack(self.MAGIC, self.encrypted_key, self.iv, self.size, self.tag, self.reserved)

    @property
    def scheme(self) -> str:
        """``"RSA-3072"`` or ``"ECIES-P256"``; the latter leaves the last 288 bytes of the key field zero."""
        return "RSA-3072" if any(self.encrypted_key[96:]) else "ECIES-P256"

    def open_key(self, private_key: bytes | RSAPrivateKey, *, subject: str = _SUBJECT) -> bytes:
        """The 32-byte GCM key.

        Args:
            private_key: RSA-3072, as PEM (a NUL at its end, as firmware embeds it, does no harm) or DER

        Raises:
            FormatError: it is not this private key that the GCM key was encrypted for, or no RSA-3072 private key
        """
        key = _private_key(private_key)
        if self.scheme != "RSA-3072":
            raise FormatError(subject, 4, f"a key of the {self.scheme} scheme", "one of the RSA-3072 scheme")
        clear = _rsa_private(key, int.from_bytes(self.encrypted_key, "big")).to_bytes(_KEY_BITS // 8, "big")
        head, filler, gcm_key = clear[:2], clear[2 : -_GCM_KEY_SIZE - 1], clear[-_GCM_KEY_SIZE:]
        if head != b"\0\2" or 0 in filler or clear[-_GCM_KEY_SIZE - 1] != 0:
            raise FormatError(
                subject, 4, "a GCM key that this private key does not open", "one encrypted for its public key"
            )
        return gcm_key


def is_encrypted(data: bytes) -> bool:
    """Whether `data` starts with the magic of a pre-encrypted image."""
    return data[:4] == EncryptedHeader.MAGIC.to_bytes(4, "little")


def encrypt(plain: bytes, public_key: bytes | RSAPublicKey, *, rng: random.Random) -> bytes:
    """A pre-encrypted image with `plain` in it.

    Args:
        public_key: RSA-3072, PEM or DER; a private key will do, as for Espressif's tool
        rng: where GCM key, IV and RSA padding come from. `random.SystemRandom()` for secrecy, a seeded
            `random.Random` for bytes that are the same each time

    Raises:
        FormatError: no RSA-3072 key
    """
    numbers = _public_key(public_key).public_numbers()
    gcm_key, iv = rng.randbytes(_GCM_KEY_SIZE), rng.randbytes(16)
    filler = bytes(rng.randrange(1, 256) for _ in range(_KEY_BITS // 8 - 3 - _GCM_KEY_SIZE))
    block = int.from_bytes(b"\0\2" + filler + b"\0" + gcm_key, "big")
    encrypted_key = pow(block, numbers.e, numbers.n).to_bytes(_KEY_BITS // 8, "big")
    sealed = AESGCM(gcm_key).encrypt(iv, plain, None)
    header = EncryptedHeader(encrypted_key, iv, len(plain), tag=sealed[-16:])
    return header.to_bytes() + sealed[:-16]


def decrypt(data: bytes, private_key: bytes | RSAPrivateKey, *, subject: str = _SUBJECT) -> bytes:
    """The content of a pre-encrypted image.

    As strict as the component is on a device: content that is longer than announced is refused too.

    Raises:
        FormatError: other magic, a cut, the wrong key, or content or tag that was changed
    """
    header = EncryptedHeader.parse(data, subject=subject)
    gcm_key = header.open_key(private_key, subject=subject)
    there = len(data) - EncryptedHeader.SIZE
    if there != header.size:
        at = min(len(data), EncryptedHeader.SIZE + header.size)
        raise FormatError(subject, at, f"{there} bytes of content", f"{header.size}, as the header says")
    try:
        return AESGCM(gcm_key).decrypt(header.iv, data[EncryptedHeader.SIZE :] + header.tag, None)
    except InvalidTag:
        found = f"GCM tag {header.tag.hex()}"
        raise FormatError(subject, _TAG_AT, found, "the tag of this content: one of them was changed") from None


def with_flipped_tag(data: bytes) -> bytes:
    """The same pre-encrypted image with the first byte of its GCM tag inverted: it decrypts, but does not verify.

    Raises:
        FormatError: `data` is no pre-encrypted image
    """
    EncryptedHeader.parse(data)
    return with_flipped_byte(data, _TAG_AT)


def _rsa_private(key: RSAPrivateKey, value: int) -> int:
    numbers = key.private_numbers()
    # Garner's recombination: four times faster than one exponentiation modulo n.
    low = pow(value, numbers.dmq1, numbers.q)
    high = pow(value, numbers.dmp1, numbers.p)
    return low + numbers.q * ((high - low) * numbers.iqmp % numbers.p)


def _private_key(given: bytes | RSAPrivateKey) -> RSAPrivateKey:
    key = _load_private(given) if isinstance(given, bytes) else given
    if not isinstance(key, RSAPrivateKey) or key.key_size != _KEY_BITS:
        raise FormatError("private key", 0, _kind(key), "an RSA private key of 3072 bits, PEM or DER, unencrypted")
    return key


def _public_key(given: bytes | RSAPublicKey) -> RSAPublicKey:
    key: object = given
    if isinstance(given, bytes):
        key = _load_public(given)
        private = None if key is not None else _load_private(given)
        if isinstance(private, RSAPrivateKey):
            key = private.public_key()
    if not isinstance(key, RSAPublicKey) or key.key_size != _KEY_BITS:
        raise FormatError("public key", 0, _kind(key), "an RSA public key of 3072 bits, PEM or DER")
    return key


def _load_private(data: bytes) -> object:
    load = load_pem_private_key if b"-----BEGIN" in data else load_der_private_key
    try:
        return load(data.rstrip(b"\0") if load is load_pem_private_key else data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: the key is under a password
        return None


def _load_public(data: bytes) -> object:
    load = load_pem_public_key if b"-----BEGIN" in data else load_der_public_key
    try:
        return load(data.rstrip(b"\0") if load is load_pem_public_key else data)
    except (ValueError, UnsupportedAlgorithm):
        return None


def _kind(key: object) -> str:
    # Never the key itself: this text ends up in reports.
    if isinstance(key, RSAPrivateKey | RSAPublicKey):
        return f"an RSA key of {key.key_size} bits"
    return "no readable key" if key is None else "a key of another kind"
