"""Pre-encrypted images: both schemes of Espressif's esp_encrypted_img component.

512 bytes of header (tools/esp_enc_img_gen.py and README.md of the component), then the content under AES-256-GCM,
without additional data. The GCM key stands in the header under RSA-3072 with PKCS#1 v1.5 padding, or is agreed upon
by ECIES-P256 (see `bench.images.ecies`). Which scheme it is, the key says.

The padding is done here rather than by the cryptography package: OpenSSL 3.2 and later answer a wrong key with
made-up plaintext, where a device says at once that it cannot open the key, and encryption is to be repeatable.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.errors import FormatError
from bench.images import ecies
from bench.images.keys import RSA_BITS, SigningKey, VerifyingKey, kind_of, load_private, load_public, rsa_private
from bench.images.payload import with_flipped_byte

if TYPE_CHECKING:
    import random

__all__ = ["EncryptedHeader", "decrypt", "encrypt", "is_encrypted", "with_flipped_tag"]

_SUBJECT = "pre-encrypted image"
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

    def open_key(self, private_key: bytes | SigningKey, *, subject: str = _SUBJECT) -> bytes:
        """The 32-byte GCM key. With ECIES any P-256 key gives one; only the tag tells whether it was the right key.

        Args:
            private_key: RSA-3072 or P-256, as PEM (a NUL at its end, as firmware embeds it, does no harm) or DER

        Raises:
            FormatError: it is not this private key that the GCM key was encrypted for, or no key of this scheme
        """
        key = load_private(private_key)
        if isinstance(key, RSAPrivateKey) != (self.scheme == "RSA-3072"):
            raise FormatError(subject, 4, f"a key of the {self.scheme} scheme", f"one that {kind_of(key)} opens")
        if not isinstance(key, RSAPrivateKey):
            return ecies.open_key(self.encrypted_key, key)
        clear = rsa_private(key, int.from_bytes(self.encrypted_key, "big")).to_bytes(RSA_BITS // 8, "big")
        head, filler, gcm_key = clear[:2], clear[2 : -_GCM_KEY_SIZE - 1], clear[-_GCM_KEY_SIZE:]
        if head != b"\0\2" or 0 in filler or clear[-_GCM_KEY_SIZE - 1] != 0:
            raise FormatError(
                subject, 4, "a GCM key that this private key does not open", "one encrypted for its public key"
            )
        return gcm_key


def is_encrypted(data: bytes) -> bool:
    """Whether `data` starts with the magic of a pre-encrypted image."""
    return data[:4] == EncryptedHeader.MAGIC.to_bytes(4, "little")


def encrypt(plain: bytes, public_key: bytes | SigningKey | VerifyingKey, *, rng: random.Random) -> bytes:
    """A pre-encrypted image with `plain` in it, by the scheme that the key is for.

    Args:
        public_key: RSA-3072 or P-256, PEM or DER; a private key will do, as for Espressif's tool
        rng: where keys, IV, salt and RSA padding come from. `random.SystemRandom()` for secrecy, a seeded
            `random.Random` for bytes that are the same each time

    Raises:
        FormatError: no such key
    """
    key = load_public(public_key)
    if isinstance(key, RSAPublicKey):
        gcm_key = rng.randbytes(_GCM_KEY_SIZE)
        iv = rng.randbytes(16)
        field = _rsa_field(gcm_key, key, rng)
    else:
        gcm_key, field = ecies.make_key(key, rng=rng)
        iv = rng.randbytes(16)
    sealed = AESGCM(gcm_key).encrypt(iv, plain, None)
    header = EncryptedHeader(field, iv, len(plain), tag=sealed[-16:])
    return header.to_bytes() + sealed[:-16]


def _rsa_field(gcm_key: bytes, key: RSAPublicKey, rng: random.Random) -> bytes:
    numbers = key.public_numbers()
    filler = bytes(rng.randrange(1, 256) for _ in range(RSA_BITS // 8 - 3 - _GCM_KEY_SIZE))
    block = int.from_bytes(b"\0\2" + filler + b"\0" + gcm_key, "big")
    return pow(block, numbers.e, numbers.n).to_bytes(RSA_BITS // 8, "big")


def decrypt(data: bytes, private_key: bytes | SigningKey, *, subject: str = _SUBJECT) -> bytes:
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
