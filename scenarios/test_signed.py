"""Signed updates without hardware secure boot: only what the key of the running firmware signed is installed.

`ecdsa_v1` is the ESP32's older format, whose public key the firmware embeds; with the two others the firmware trusts
the key of its own signature.
"""

from __future__ import annotations

import pytest

from bench.ota import Draft, Keys, Ota
from bench.ota.words import DOWNLOADED
from bench.timeline import FINISH, UPDATE_BOOT_PARTITION, said

VERIFYING = "Verifying image signature..."
FAILED = "Secure boot signature verification failed"
SIGNATURE_BAD = "image valid, signature bad"
REFUSED = "Image validation failed, image is corrupted"

V2 = [
    pytest.param(scheme, marks=pytest.mark.firmware(signing=scheme, layout="factory_two_ota"), id=scheme)
    for scheme in ("rsa", "ecdsa")
]
V1 = pytest.param("ecdsa_v1", marks=pytest.mark.firmware(signing="ecdsa_v1", layout="factory_two_ota"), id="ecdsa_v1")
BY_V2 = pytest.mark.parametrize("scheme", V2)
BY_ALL = pytest.mark.parametrize("scheme", [*V2, V1])

SAYS = {
    "rsa": (
        "#0 app key digest == #0 trusted key digest",
        "Verifying with RSA-PSS...",
        "Signature verified successfully!",
    ),
    "ecdsa": ("#0 app key digest == #0 trusted key digest", "Verifying with ECDSA..."),
    "ecdsa_v1": (),
}
"""What the firmware says of a signature that is good."""


def signed(draft: Draft, scheme: str, key: bytes) -> Draft:
    """The draft with a signature of that scheme."""
    return draft.signed_v1(key) if scheme == "ecdsa_v1" else draft.signed(key)


def expect_bad_signature(ota: Ota) -> None:
    """Downloaded whole, found intact, and yet refused: the signature alone is at fault."""
    ota.expect(*DOWNLOADED)
    ota.expect_said(VERIFYING, tag="esp_image")
    ota.expect_said(FAILED, tag="esp_image")
    ota.expect_said(SIGNATURE_BAD, tag="esp_image")
    ota.expect(FINISH)
    ota.expect_refused(REFUSED)
    ota.expect_absent(UPDATE_BOOT_PARTITION, said(text="image corrupted on flash"))


@BY_ALL
def test_an_update_signed_with_the_same_key_is_installed(ota: Ota, release: Draft, keys: Keys, scheme: str) -> None:
    """The signature is verified when the image is complete and again when it is to boot, and then it boots."""
    ota.start(signed(release.version("2"), scheme, keys.signing(scheme)))

    ota.expect(*DOWNLOADED)
    for _ in ("esp_ota_end", "esp_ota_set_boot_partition"):
        ota.expect_said(VERIFYING, tag="esp_image")
        for line in SAYS[scheme]:
            ota.expect_said(line)
    ota.expect(UPDATE_BOOT_PARTITION, FINISH)
    ota.expect_absent(said(text=FAILED), said(level="E"))
    ota.expect_updated(version="2")


@pytest.mark.covers("aws: OTAE2EUntrustedCertificate")
@BY_ALL
def test_an_update_signed_with_another_key_is_refused(ota: Ota, release: Draft, keys: Keys, scheme: str) -> None:
    """A good signature of somebody else is none."""
    ota.start(signed(release.version("2"), scheme, keys.foreign_signing(scheme)))

    expect_bad_signature(ota)
    ota.expect_absent(said(text="Signature verified successfully!"), said(text="app key digest =="))


@pytest.mark.covers("aws: OTAE2EUnsignedImage")
@BY_ALL
def test_an_unsigned_update_is_refused(ota: Ota, release: Draft, scheme: str) -> None:
    """A valid image without any signature is not installed."""
    del scheme
    ota.start(release.version("2").unsigned())

    expect_bad_signature(ota)


@BY_ALL
def test_an_update_with_a_signature_of_another_image_is_refused(ota: Ota, release: Draft, scheme: str) -> None:
    """The signature that the old image carries does not fit the new one: signatures cannot be moved."""
    del scheme
    ota.start(release.version("2"))

    expect_bad_signature(ota)


@BY_V2
def test_a_flipped_bit_in_the_signature_is_found(ota: Ota, release: Draft, keys: Keys, scheme: str) -> None:
    """The key is the trusted one and the block is whole, but the signature is not of this image."""
    ota.start(release.version("2").signed(keys.signing(scheme)).with_flipped_bit("signature"))

    ota.expect(*DOWNLOADED)
    for line in SAYS[scheme][:2]:
        ota.expect_said(line)
    ota.expect_said(FAILED)
    ota.expect(FINISH)
    ota.expect_refused(REFUSED)
    ota.expect_absent(UPDATE_BOOT_PARTITION, said(text="Signature verified successfully!"))


@BY_V2
def test_a_damaged_signature_block_is_no_signature(ota: Ota, release: Draft, keys: Keys, scheme: str) -> None:
    """A block whose CRC is wrong is not looked at any further."""
    ota.start(release.version("2").signed(keys.signing(scheme)).with_flipped_bit("signature_block"))

    expect_bad_signature(ota)
    ota.expect_absent(said(text="app key digest =="))


@BY_V2
def test_a_signed_image_damaged_afterwards_is_refused(ota: Ota, release: Draft, keys: Keys, scheme: str) -> None:
    """Where the image itself is damaged too, the firmware says so, and not only that the signature is bad."""
    ota.start(release.version("2").signed(keys.signing(scheme)).with_flipped_bit("hash"))

    ota.expect(*DOWNLOADED)
    ota.expect_said(FAILED)
    ota.expect_said("image corrupted on flash")
    ota.expect(FINISH)
    ota.expect_refused(REFUSED)


@pytest.mark.firmware(signing="rsa", layout="factory_two_ota")
def test_a_key_that_comes_second_is_not_trusted(ota: Ota, release: Draft, keys: Keys) -> None:
    """Without hardware secure boot only the first of several signatures counts."""
    ota.start(release.version("2").signed(keys.foreign_signing("rsa"), keys.signing("rsa")))

    expect_bad_signature(ota)


@pytest.mark.covers("aws: OTAE2EIncorrectSigningAlgorithm")
@pytest.mark.firmware(signing="rsa", layout="factory_two_ota")
def test_a_signature_of_another_kind_is_refused(ota: Ota, release: Draft, keys: Keys) -> None:
    """Firmware that verifies RSA takes no ECDSA signature."""
    ota.start(release.version("2").signed(keys.signing("ecdsa")))

    expect_bad_signature(ota)


@pytest.mark.firmware(signing="rsa", layout="factory_two_ota")
def test_trust_follows_the_running_firmware(ota: Ota, release: Draft, keys: Keys) -> None:
    """The key of the firmware that runs now is the one that counts, update after update."""
    for version in ("2", "3"):
        ota.start(release.version(version).signed(keys.signing("rsa"), keys.foreign_signing("rsa")))
        ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION, FINISH)
        ota.expect_updated(version=version)
    ota.start(release.version("4").signed(keys.foreign_signing("rsa")))
    ota.expect(*DOWNLOADED)
    ota.expect_said(SIGNATURE_BAD)
    ota.expect(FINISH)
    ota.expect_refused(REFUSED)


@pytest.mark.covers("simple_ota: with_verify_app_signature_on_update_no_secure_boot_rsa")
@pytest.mark.firmware(app="simple_ota", signing="rsa", layout="factory_two_ota")
def test_simple_ota_installs_what_is_signed_by_rsa(ota: Ota, release: Draft, keys: Keys) -> None:
    """The application has no part in it: the same lines in the simplest of the examples."""
    ota.start(release.version("2").signed(keys.signing("rsa")))

    for _ in ("esp_ota_end", "esp_ota_set_boot_partition"):
        for line in (VERIFYING, *SAYS["rsa"]):
            ota.expect_said(line)
    ota.expect_updated(version="2")


@pytest.mark.covers("simple_ota: with_verify_app_signature_on_update_no_secure_boot_ecdsa")
@pytest.mark.firmware(app="simple_ota", signing="ecdsa_v1", layout="factory_two_ota")
def test_simple_ota_installs_what_is_signed_by_ecdsa(ota: Ota, release: Draft, keys: Keys) -> None:
    """The ESP32's older signature, which is verified without a word about the key."""
    ota.start(release.version("2").signed_v1(keys.signing("ecdsa_v1")))

    for _ in ("esp_ota_end", "esp_ota_set_boot_partition"):
        ota.expect_said(VERIFYING)
    ota.expect_updated(version="2")
