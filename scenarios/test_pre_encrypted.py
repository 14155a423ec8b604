"""Pre-encrypted images (esp_encrypted_img): only the right key opens them, and only whole."""

from __future__ import annotations

import pytest

from bench.ota import Draft, Keys, Ota
from bench.timeline import UPDATE_BOOT_PARTITION

pytestmark = pytest.mark.firmware(app="pre_encrypted_ota")


def test_an_encrypted_image_is_decrypted_and_booted(ota: Ota, release: Draft, keys: Keys) -> None:
    """The image is decrypted on the way, written in plain, and boots as the new version."""
    ota.start(release.version("2").encrypted(keys.device_public))

    ota.expect_updated(version="2")
    assert ota.slots[ota.other_slot].version == "2"


def test_an_image_for_another_key_is_refused(ota: Ota, release: Draft, keys: Keys) -> None:
    """An image encrypted for somebody else's key never reaches the flash as something bootable."""
    ota.start(release.version("2").encrypted(keys.foreign_public))

    ota.expect_refused("ESP_HTTPS_OTA upgrade failed")
    ota.expect_absent(UPDATE_BOOT_PARTITION)


def test_an_image_with_a_flipped_tag_is_refused(ota: Ota, release: Draft, keys: Keys) -> None:
    """One wrong bit in the authentication tag, and the image is not believed."""
    ota.start(release.version("2").encrypted(keys.device_public).with_flipped_tag())

    ota.expect_refused("Invalid Auth")
