"""A release in the making: an image, what was done to it, and how the server will misbehave when it serves it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import SystemRandom

from bench.errors import BenchError
from bench.images import Behaviour, Image
from bench.images.encrypted import encrypt, with_flipped_tag
from bench.images.payload import random_payload, truncated, with_flipped_byte
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
        """Pre-encrypted for `esp_encrypted_img` with an RSA-3072 public key (PEM)."""
        return replace(self, payload=encrypt(self.data, public_key, rng=SystemRandom()))

    def with_flipped_tag(self) -> Draft:
        """Pre-encrypted, with one bit of the AES-GCM tag inverted."""
        return replace(self, payload=with_flipped_tag(self.data))

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
