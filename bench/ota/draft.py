"""A release in the making: an image, what was done to it, and how the server will misbehave when it serves it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import SystemRandom

from bench.builds import Build
from bench.errors import BenchError
from bench.flash import encryption as flash_encryption
from bench.images import Behaviour, Image
from bench.images.damage import with_flipped_bit
from bench.images.derive import merged, padded_to, with_app_desc, with_header, with_trailing
from bench.images.encrypted import encrypt, with_flipped_tag
from bench.images.payload import random_payload, truncated, with_flipped_byte
from bench.images.rekey import with_broken_private_key, with_trust
from bench.images.signature import sign, sign_v1, unsigned
from bench.server import Fault

__all__ = ["Draft"]


@dataclass(frozen=True, slots=True)
class Draft:
    """An immutable description of what will be published; every method gives a new one.

    Derivations of the image come first, then damage to its bytes, then faults of the server. Deriving a draft whose
    bytes were already damaged would silently undo the damage, so that is a `BenchError`.
    """

    image: Image = field(repr=False)
    payload: bytes | None = field(default=None, repr=False)
    faults: tuple[Fault, ...] = ()

    @property
    def data(self) -> bytes:
        """The bytes that will be published."""
        return self.image.to_bytes() if self.payload is None else self.payload

    def version(self, version: str) -> Draft:
        """The same application as another version (`esp_app_desc_t.version`, at most 31 bytes)."""
        return self._derive(self.image.with_version(version))

    def secure_version(self, secure_version: int) -> Draft:
        """The same application with another `esp_app_desc_t.secure_version`."""
        return self._derive(self.image.with_secure_version(secure_version))

    def chip_id(self, chip_id: int) -> Draft:
        """The same image, said to be for another chip."""
        return self._derive(self.image.with_chip_id(chip_id))

    def header(self, **values: int | bytes) -> Draft:
        """The same image with other values in fields of `esp_image_header_t`, sealed again."""
        return self._derive(with_header(self.image, **values))

    def described(self, **values: str | int | bytes) -> Draft:
        """The same application with other values in fields of `esp_app_desc_t`, sealed again."""
        return self._derive(with_app_desc(self.image, **values))

    def padded_to(self, size: int) -> Draft:
        """A valid image of exactly `size` bytes."""
        return self._derive(padded_to(self.image, size))

    def with_trailing(self, count: int) -> Draft:
        """A valid image with `count` bytes more behind it."""
        return self._derive(with_trailing(self.image, count))

    def trusting(self, ca_pem: bytes) -> Draft:
        """The same application that trusts another CA, embedded as certificate or bundle, where it fits."""
        return self._derive(with_trust(self.image, ca_pem))

    def with_broken_key(self) -> Draft:
        """The same application with a private key that is none any more."""
        return self._derive(with_broken_private_key(self.image))

    def signed(self, *private_keys: bytes) -> Draft:
        """Signed for Secure Boot V2 with one to three keys (RSA-3072 or P-256, PEM); an older signature goes."""
        return self._derive(sign(self.image, *private_keys))

    def signed_v1(self, private_key: bytes) -> Draft:
        """Signed as the ESP32's Secure Boot V1 has it (P-256, PEM); an older signature goes."""
        return self._derive(sign_v1(self.image, private_key))

    def unsigned(self) -> Draft:
        """Without any signature."""
        return self._derive(unsigned(self.image))

    def crashing_at_boot(self) -> Draft:
        """A valid image whose application dies at its first instruction."""
        return self._derive(self.image.crashing_at_boot())

    def aborting_before_confirm(self) -> Draft:
        """Virtual firmware only: the application calls abort() when it is about to confirm itself."""
        return self._derive(self.image.with_behaviour("abort"))

    def hanging_before_confirm(self) -> Draft:
        """Virtual firmware only: the application hangs when it is about to confirm itself."""
        return self._derive(self.image.with_behaviour("hang_before_confirm"))

    def behaving(self, behaviour: Behaviour) -> Draft:
        """Virtual firmware only: the application misbehaves in this way."""
        return self._derive(self.image.with_behaviour(behaviour))

    def encrypted(self, public_key: bytes) -> Draft:
        """Pre-encrypted for `esp_encrypted_img` with a public key (PEM): RSA-3072, or P-256 for the ECIES scheme."""
        return replace(self, payload=encrypt(self.data, public_key, rng=SystemRandom()))

    def flash_encrypted(self, key: bytes, address: int) -> Draft:
        """As it stands in the flash of a board with flash encryption, at this address (a multiple of 16)."""
        padding = b"\xff" * (-len(self.data) % 16)
        return replace(self, payload=flash_encryption.encrypt(key, address, self.data + padding))

    def with_flipped_tag(self) -> Draft:
        """Pre-encrypted, with one bit of the AES-GCM tag inverted."""
        return replace(self, payload=with_flipped_tag(self.data))

    def with_flipped_bit(self, place: str, *, bit: int = 0) -> Draft:
        """One bit inverted in a place called by its name (see `bench.images.damage`), nothing re-sealed."""
        return replace(self, payload=with_flipped_bit(self.data, place, bit=bit))

    def extended(self, count: int) -> Draft:
        """`count` zero bytes more at the end, whatever it is that they follow."""
        return replace(self, payload=self.data + bytes(count))

    def replaced_by(self, data: bytes) -> Draft:
        """These bytes instead of an image: nothing at all, a page of HTML …"""
        return replace(self, payload=data)

    def merged_with(self, build: Build) -> Draft:
        """The whole flash in one file, as `esptool merge-bin` writes it, instead of the application alone."""
        parts = {file.offset: file.path.read_bytes() for file in build.flash_files}
        return replace(self, payload=merged({**parts, build.app_offset: self.data}))

    def truncated(self, length: int) -> Draft:
        """Only the first `length` bytes, honestly announced."""
        return replace(self, payload=truncated(self.data, length))

    def with_flipped_byte(self, offset: int) -> Draft:
        """One byte inverted, nothing re-sealed."""
        return replace(self, payload=with_flipped_byte(self.data, offset))

    def random(self, length: int, *, seed: int = 0x0E9, first_byte: int = 0) -> Draft:
        """Random bytes instead of an image; the seed makes them the same in every run."""
        return replace(self, payload=random_payload(length, seed=seed, first_byte=first_byte))

    def served(self, *faults: Fault) -> Draft:
        """Served with these faults."""
        return replace(self, faults=(*self.faults, *faults))

    def _derive(self, image: Image) -> Draft:
        if self.payload is not None:
            raise BenchError("derive the image first and damage its bytes afterwards: deriving would undo the damage")
        return replace(self, image=image)
