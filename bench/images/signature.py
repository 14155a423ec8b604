"""Signatures of application images, as ESP-IDF verifies them at boot and on update.

Version 2 (RSA-3072 with PSS, ECDSA P-256): the image is padded with 0xFF to a multiple of 4 KiB; behind it stands a
sector with up to three blocks of 1,216 bytes, each with the public key that its signature was made with. Source:
components/esp_rom/include/<chip>/rom/secure_boot.h (`ets_secure_boot_sig_block`); esptool's espsecure.
Version 1 (ECDSA P-256, ESP32 only): 68 bytes right behind the image, whose key the firmware embeds. Source:
components/bootloader_support/include/esp_secure_boot.h (`esp_secure_boot_sig_block_t`).
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass, replace
from typing import ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from bench.errors import FormatError
from bench.images.image import Image
from bench.images.keys import SigningKey, load_private, load_public, rsa_private

__all__ = [
    "SECTOR",
    "V1_SIZE",
    "SignatureBlock",
    "sign",
    "sign_v1",
    "signature_blocks",
    "signature_offset",
    "unsigned",
    "v1_public_key",
    "verify_v1",
]

SECTOR = 4096
V1_SIZE = 68
"""Bytes of a version 1 signature: a version word (0), then r and s, big endian."""

_MAX_BLOCKS = 3
_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
_PREHASHED = utils.Prehashed(hashes.SHA256())
_RSA_BYTES = 384
_P256 = 2
"""`ECDSA_CURVE_P256`."""


@dataclass(frozen=True)
class SignatureBlock:
    """One block of 1,216 bytes.

    Attributes:
        version: 2 for RSA-3072, 3 for ECDSA
        image_digest: SHA-256 of the padded image, 32 bytes
        key: the public key as the block holds it: 776 bytes of RSA (n, e, R, M'), 65 of ECDSA (curve, x, y)
        signature: 384 bytes of RSA or 64 of ECDSA (r, s), little endian
    """

    SIZE: ClassVar[int] = 1216
    MAGIC: ClassVar[int] = 0xE7
    RSA: ClassVar[int] = 2
    ECDSA: ClassVar[int] = 3
    _CRC_AT: ClassVar[int] = 1196
    _KEY_AT: ClassVar[int] = 36
    _KEY_SIZES: ClassVar[dict[int, int]] = {RSA: 776, ECDSA: 65}
    _SIGNATURE_SIZES: ClassVar[dict[int, int]] = {RSA: 384, ECDSA: 64}

    version: int
    image_digest: bytes
    key: bytes
    signature: bytes

    @classmethod
    def parse(cls, data: bytes, *, subject: str = "signature block") -> SignatureBlock:
        """Read the first 1,216 bytes of `data`.

        Raises:
            FormatError: too short, another magic, version or CRC: to a device such a block is not there
        """
        if len(data) < cls.SIZE:
            raise FormatError(subject, len(data), f"the end after {len(data)} bytes", f"{cls.SIZE} bytes")
        if data[0] != cls.MAGIC:
            raise FormatError(subject, 0, f"magic 0x{data[0]:02x}", f"0x{cls.MAGIC:02x}")
        version = data[1]
        if version not in cls._KEY_SIZES:
            raise FormatError(subject, 1, f"version {version}", "2 (RSA) or 3 (ECDSA)")
        stored, computed = int.from_bytes(data[cls._CRC_AT :][:4], "little"), zlib.crc32(data[: cls._CRC_AT])
        if stored != computed:
            raise FormatError(subject, cls._CRC_AT, f"CRC 0x{stored:08x}", f"0x{computed:08x} (computed)")
        signature_at = cls._KEY_AT + cls._KEY_SIZES[version]
        return cls(
            version=version,
            image_digest=data[4:36],
            key=data[cls._KEY_AT : signature_at],
            signature=data[signature_at : signature_at + cls._SIGNATURE_SIZES[version]],
        )

    def to_bytes(self) -> bytes:
        """The 1,216 bytes, with the CRC."""
        body = struct.pack("<BBBx32s", self.MAGIC, self.version, 0, self.image_digest) + self.key + self.signature
        return self.with_crc(body.ljust(self.SIZE, b"\0"))

    @classmethod
    def with_crc(cls, block: bytes) -> bytes:
        """The 1,216 bytes with their CRC put right."""
        crc = zlib.crc32(block[: cls._CRC_AT]).to_bytes(4, "little")
        return block[: cls._CRC_AT] + crc + block[cls._CRC_AT + 4 :]

    @classmethod
    def signature_at(cls, data: bytes, block_at: int) -> int:
        """Offset of the signature within the block at `block_at`."""
        version = data[block_at + 1]
        return cls._KEY_AT + cls._KEY_SIZES.get(version, cls._KEY_SIZES[cls.RSA])

    @property
    def key_digest(self) -> bytes:
        """SHA-256 of the public key: what eFuses hold, and what a device compares."""
        return hashlib.sha256(self.key).digest()

    def verifies(self, digest: bytes) -> bool:
        """Is the signature, by the block's own key, one of this SHA-256?"""
        try:
            if self.version == self.RSA:
                self._rsa_key().verify(self.signature[::-1], digest, _PSS, _PREHASHED)
            else:
                r, s = (int.from_bytes(part, "little") for part in (self.signature[:32], self.signature[32:]))
                self._ec_key().verify(utils.encode_dss_signature(r, s), digest, ec.ECDSA(_PREHASHED))
        except (InvalidSignature, ValueError):  # ValueError: numbers that are no key
            return False
        return True

    def _rsa_key(self) -> rsa.RSAPublicKey:
        n, e = int.from_bytes(self.key[:_RSA_BYTES], "little"), int.from_bytes(self.key[_RSA_BYTES:][:4], "little")
        return rsa.RSAPublicNumbers(e, n).public_key()

    def _ec_key(self) -> ec.EllipticCurvePublicKey:
        if self.key[0] != _P256:
            raise ValueError(f"curve {self.key[0]}")
        x, y = (int.from_bytes(part, "little") for part in (self.key[1:33], self.key[33:65]))
        return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()

    @classmethod
    def make(cls, digest: bytes, key: SigningKey) -> SignatureBlock:
        """The block that signs this SHA-256 with this private key; the same each time, as builds have to be."""
        if isinstance(key, rsa.RSAPrivateKey):
            signature = _little(rsa_private(key, _pss_encoded(digest, key)), _RSA_BYTES)
            return cls(cls.RSA, digest, _rsa_field(key.public_key()), signature)
        r, s = utils.decode_dss_signature(key.sign(digest, ec.ECDSA(_PREHASHED, deterministic_signing=True)))
        numbers = key.public_key().public_numbers()
        field = bytes([_P256]) + _little(numbers.x, 32) + _little(numbers.y, 32)
        return cls(cls.ECDSA, digest, field, _little(r, 32) + _little(s, 32))


def sign(image: Image, *private_keys: bytes | SigningKey) -> Image:
    """The image, padded to a sector, with a version 2 signature behind it; an older signature is taken away.

    Args:
        private_keys: one to three, each RSA-3072 or ECDSA P-256, PEM or DER

    Raises:
        FormatError: no such key, or none, or too many
    """
    if not 1 <= len(private_keys) <= _MAX_BLOCKS:
        raise FormatError("signature", 0, f"{len(private_keys)} keys", f"one to {_MAX_BLOCKS}")
    plain = unsigned(image)
    filled = plain.to_bytes().ljust(_aligned(plain.length), b"\xff")
    digest = hashlib.sha256(filled).digest()
    blocks = b"".join(SignatureBlock.make(digest, load_private(key)).to_bytes() for key in private_keys)
    return replace(plain, trailing=filled[plain.length :] + blocks.ljust(SECTOR, b"\xff"))


def sign_v1(image: Image, private_key: bytes | SigningKey) -> Image:
    """The image with a version 1 signature (ESP32) right behind it; an older signature is taken away.

    Raises:
        FormatError: no ECDSA P-256 key
    """
    key = load_private(private_key)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise FormatError("private key", 0, "an RSA key", "ECDSA P-256: version 1 signatures know no other")
    plain = unsigned(image)
    r, s = utils.decode_dss_signature(key.sign(plain.to_bytes(), ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
    return replace(plain, trailing=bytes(4) + r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def verify_v1(digest: bytes, signature: bytes, public_key: bytes) -> bool:
    """Is this version 1 signature (68 bytes) one of that SHA-256?

    Args:
        public_key: as firmware embeds it (`signature_verification_key.bin`): x and y, 64 bytes, big endian
    """
    r, s, x, y = (
        int.from_bytes(part, "big") for part in (signature[4:36], signature[36:68], public_key[:32], public_key[32:])
    )
    try:
        key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        key.verify(utils.encode_dss_signature(r, s), digest, ec.ECDSA(_PREHASHED))
    except (InvalidSignature, ValueError):
        return False
    return True


def v1_public_key(key: bytes | SigningKey) -> bytes:
    """The 64 bytes that firmware embeds to check version 1 signatures, of a private or public P-256 key.

    Raises:
        FormatError: no ECDSA P-256 key
    """
    public = load_public(key)
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise FormatError("public key", 0, "an RSA key", "ECDSA P-256")
    numbers = public.public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def unsigned(image: Image) -> Image:
    """The image without what trails behind it."""
    return replace(image, trailing=b"")


def signature_offset(image: Image) -> int | None:
    """Where the first version 2 block stands, from the start of the image; None where there is no block's magic, or
    less than a block."""
    at = _aligned(image.length) - image.length
    block = image.trailing[at : at + SignatureBlock.SIZE]
    return image.length + at if len(block) == SignatureBlock.SIZE and block[0] == SignatureBlock.MAGIC else None


def signature_blocks(sector: bytes) -> tuple[SignatureBlock | None, ...]:
    """The three blocks of a signature sector; None for one that is not valid."""
    return tuple(_block(sector[at : at + SignatureBlock.SIZE]) for at in range(0, 3 * SignatureBlock.SIZE, 1216))


def _block(data: bytes) -> SignatureBlock | None:
    try:
        return SignatureBlock.parse(data)
    except FormatError:
        return None


def _rsa_field(key: rsa.RSAPublicKey) -> bytes:
    """n, e, R² mod n and M' = -1/n mod 2³², as the RSA peripheral takes them."""
    numbers = key.public_numbers()
    r_squared = (1 << 2 * 8 * _RSA_BYTES) % numbers.n
    m_prime = -pow(numbers.n, -1, 1 << 32) % (1 << 32)
    parts = (
        _little(numbers.n, _RSA_BYTES),
        _little(numbers.e, 4),
        _little(r_squared, _RSA_BYTES),
        _little(m_prime, 4),
    )
    return b"".join(parts)


def _pss_encoded(digest: bytes, key: rsa.RSAPrivateKey) -> int:
    """EMSA-PSS of RFC 8017, with a salt that depends on the digest instead of chance."""
    salt = hashlib.sha256(b"salt" + digest).digest()
    hashed = hashlib.sha256(bytes(8) + digest + salt).digest()
    block = bytes(_RSA_BYTES - 32 - len(salt) - 2) + b"\1" + salt
    mask = b"".join(hashlib.sha256(hashed + n.to_bytes(4, "big")).digest() for n in range(-(-len(block) // 32)))
    masked = bytes(a ^ b for a, b in zip(block, mask[: len(block)], strict=True))
    first = masked[0] & 0xFF >> 8 * _RSA_BYTES - (key.key_size - 1)
    return int.from_bytes(bytes([first]) + masked[1:] + hashed + b"\xbc", "big")


def _little(number: int, size: int) -> bytes:
    return number.to_bytes(size, "little")


def _aligned(length: int) -> int:
    return -(-length // SECTOR) * SECTOR
