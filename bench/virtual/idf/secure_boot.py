"""Signatures of updates without hardware secure boot (CONFIG_SECURE_SIGNED_ON_UPDATE_NO_SECURE_BOOT).

Sources: components/bootloader_support/src/secure_boot_v2 (secure_boot_signatures_app.c and the two for RSA and ECDSA;
in v4.4 one file), secure_boot_v1/secure_boot_signatures_app.c (ESP32 only). Version 2 trusts the key in the signature
behind the running application; version 1 the key that the application embeds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from bench.errors import FormatError
from bench.flash.partition import Partition
from bench.images import Defect, ImageHeader, SegmentHeader
from bench.images.signature import SECTOR, V1_SIZE, SignatureBlock, signature_blocks, verify_v1
from bench.virtual.bootloader.verify import Signatures
from bench.virtual.running import Running

__all__ = ["signatures_of"]

_TAG = "secure_boot_v2"
_V1_TAG = "secure_boot_v1"
_RSA_MS, _ECDSA_MS = 40, 90
_HASH = 32

# mbedTLS and PSA error codes.
_RSA_INVALID_PADDING = -0x4100
_RSA_VERIFY_FAILED = -0x4380
_PSA_INVALID_SIGNATURE = -149
_PSS_TRAILER = 0xBC

_SCHEMES = {SignatureBlock.RSA: "RSA", SignatureBlock.ECDSA: "ECDSA"}
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


def signatures_of(running: Running) -> Signatures | None:
    """What an application verifies updates with; None where it was built without."""
    has = running.log.has
    if not has("Verifying image signature..."):
        return None
    if has("image has invalid signature version field"):
        return _VersionOne(running)
    return _VersionTwo(running, SignatureBlock.RSA if has("Verifying with RSA-PSS...") else SignatureBlock.ECDSA)


class _VersionTwo:
    """esp_secure_boot_verify_sbv2_signature_block."""

    def __init__(self, running: Running, scheme: int) -> None:
        self._running = running
        self._log = running.log
        self._flash = running.machine.flash
        self._scheme = scheme

    def room(self, length: int) -> int:
        """Bytes that padding and signature take behind an image of this length."""
        return -length % SECTOR + SECTOR

    def verify(self, offset: int, length: int) -> bool:
        """Is the image of that length at that offset of flash signed by whom the running application trusts?"""
        end = offset + length + -length % SECTOR
        digest = hashlib.sha256(self._flash.read(offset, end - offset)).digest()
        self._log.info(_TAG, "Take trusted digest key(s) from running app")
        trusted = [block.key_digest for block in self._blocks_of(self._running.partition) if block is not None]
        if not trusted:
            self._log.error(_TAG, "No signatures were found for the running app")
            self._log.error(_TAG, "Could not read secure boot digests!")
            return False
        # Without hardware secure boot only the first block counts, on either side.
        block = self._block_that_counts(signature_blocks(self._flash.read(end, SECTOR)), trusted[0])
        if block is None:
            return self._running.defect is Defect.UNSIGNED_TOO
        if block.key_digest != trusted[0] and self._running.defect is not Defect.ANY_SIGNER:
            return False
        self._log.info(_TAG, "#0 app key digest == #0 trusted key digest")
        return (
            self._verify_rsa(block, digest) if self._scheme == SignatureBlock.RSA else self._verify_ecdsa(block, digest)
        )

    def _block_that_counts(self, blocks: tuple[SignatureBlock | None, ...], trusted: bytes) -> SignatureBlock | None:
        """The first, whoever signed it."""
        if self._running.defect is Defect.ANY_BLOCK:
            return next((one for one in blocks if one is not None and one.key_digest == trusted), None)
        return self._valid(blocks[0])

    def _verify_rsa(self, block: SignatureBlock, digest: bytes) -> bool:
        log, tag = self._log, f"{_TAG}_rsa" if self._running.release.at_least(5) else _TAG
        log.info(_TAG, "Verifying with RSA-PSS...")
        self._running.machine.clock.sleep(_RSA_MS)
        if self._verifies(block, digest):
            log.info(tag, "Signature verified successfully!")
            return True
        log.error(tag, f"Failed mbedtls_rsa_rsassa_pss_verify, err: {_pss_error(block)}")
        log.error(tag, f"Signature verification failed, err: {_PSA_INVALID_SIGNATURE}")  # since v6.0
        return False

    def _verify_ecdsa(self, block: SignatureBlock, digest: bytes) -> bool:
        self._log.info(_TAG, "Verifying with ECDSA...")
        self._running.machine.clock.sleep(_ECDSA_MS)
        if self._verifies(block, digest):
            return True
        self._log.error(f"{_TAG}_ecdsa", f"Signature verification failed, err:{_PSA_INVALID_SIGNATURE}")  # since v6.0
        return False

    def _verifies(self, block: SignatureBlock, digest: bytes) -> bool:
        return block.verifies(digest) or self._running.defect is Defect.SIGNER_ONLY

    def _blocks_of(self, partition: Partition) -> tuple[SignatureBlock | None, ...]:
        """esp_secure_boot_get_signature_blocks_for_running_app."""
        length = self._length(partition.offset)
        if length is None:
            return ()
        sector = self._flash.read(partition.offset + length + -length % SECTOR, SECTOR)
        return tuple(self._valid(block) for block in signature_blocks(sector))

    def _valid(self, block: SignatureBlock | None) -> SignatureBlock | None:
        """validate_signature_block."""
        if block is None or block.version == self._scheme:
            return block
        self._log.error(  # since v5.5
            _TAG,
            f"{_SCHEMES[self._scheme]} signing scheme selected but signature block generated for "
            f"{_SCHEMES[block.version]} scheme",
        )
        return None

    def _length(self, offset: int) -> int | None:
        """esp_image_get_metadata: the length of an image in flash, without a look at its content."""
        header = ImageHeader.parse(self._flash.read(offset, ImageHeader.SIZE))
        end = offset + ImageHeader.SIZE
        for _ in range(header.segment_count):
            try:
                segment = SegmentHeader.parse(self._flash.read(end, SegmentHeader.SIZE))
            except FormatError:
                return None
            end += SegmentHeader.SIZE + segment.data_len
        return ((end - offset) | 0xF) + 1 + (_HASH if header.hash_appended else 0)


class _VersionOne:
    """esp_secure_boot_verify_ecdsa_signature_block."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._log = running.log

    def room(self, length: int) -> int:  # noqa: ARG002  # as the protocol has it
        """Bytes that the signature takes behind an image, whatever its length."""
        return V1_SIZE

    def verify(self, offset: int, length: int) -> bool:
        """Is the image of that length at that offset of flash signed with the key that the application embeds?"""
        flash = self._running.machine.flash
        digest = hashlib.sha256(flash.read(offset, length)).digest()
        signature = flash.read(offset + length, V1_SIZE)
        version = int.from_bytes(signature[:4], "little")
        if version != 0:
            message = f"image has invalid signature version field 0x{version:08x} (image without a signature?)"
            self._log.error(_V1_TAG, message)
            return False
        self._log.debug(_V1_TAG, "Verifying secure boot signature")
        self._running.machine.clock.sleep(_ECDSA_MS)
        return any(verify_v1(digest, signature, key) for key in self._keys())

    def _keys(self) -> Iterator[bytes]:
        """64 bytes of read-only data that are a point of P-256: nothing else is one by chance."""
        for segment in self._running.image.segments[:1]:
            data = segment.data
            for at in range(0, len(data) - 63, 4):
                x, y = int.from_bytes(data[at : at + 32], "big"), int.from_bytes(data[at + 32 : at + 64], "big")
                if x and (y * y - x * x * x + 3 * x - _B) % _P == 0:
                    yield data[at : at + 64]


def _pss_error(block: SignatureBlock) -> int:
    """mbedtls_rsa_rsassa_pss_verify_ext: what the signature opens to must end in 0xBC before its hash is compared."""
    n, e = int.from_bytes(block.key[:384], "little"), int.from_bytes(block.key[384:388], "little")
    opened = pow(int.from_bytes(block.signature, "little"), e, n)
    return _RSA_VERIFY_FAILED if opened & 0xFF == _PSS_TRAILER else _RSA_INVALID_PADDING
