"""Signatures as an application verifies them: whose key counts, and what is said of each that does not."""

from __future__ import annotations

from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from bench.builds.signing import SCHEMES
from bench.images import Image
from bench.images.damage import with_flipped_bit
from bench.images.derive import padded_to
from bench.images.signature import sign, sign_v1, unsigned, v1_public_key
from bench.virtual.idf.err import EspErr, EspError
from bench.virtual.idf.ota_ops import OtaOps
from tests.images.test_encrypted import another_key, key
from tests.virtual.lifelike import firmware, live

BAD = [
    "E esp_image: Secure boot signature verification failed",
    "I esp_image: Calculating simple hash to check for corruption...",
    "W esp_image: image valid, signature bad",
]
TRUSTED = "I secure_boot_v2: #0 app key digest == #0 trusted key digest"


@cache
def curve_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def app(version: str = "1", scheme: str = "rsa", idf_ver: str = "v5.3.1", chip: str = "esp32c3") -> Image:
    options = ("version_check", "url_from_stdin", *SCHEMES[scheme][1])
    embedded = (b"FROM_STDIN",)
    if scheme == "ecdsa_v1":  # the key stands where a multiple of 4 bytes is
        image = firmware(version, chip=chip, idf_ver=idf_ver, options=options, embedded=embedded)
        return image.with_patch(0, 79_000, v1_public_key(curve_key()))
    return firmware(version, chip=chip, idf_ver=idf_ver, options=options, embedded=embedded)


def judged(running: Image, new: bytes, chip: str = "esp32c3") -> tuple[bool, list[str]]:
    """Does an update with these bytes become the one that boots, and what is said from "Verifying" on."""
    with live(chip) as life:
        ops = OtaOps(life.running(running))
        life.machine.flash.poke(life.partition("ota_0").offset, new)
        refused = EspErr.ESP_OK
        try:
            ops.set_boot_partition(life.partition("ota_0"))
        except EspError as error:
            refused = EspErr(error.code)
        assert refused in (EspErr.ESP_OK, EspErr.ESP_ERR_OTA_VALIDATE_FAILED)
        return refused is EspErr.ESP_OK, life.console.after("Verifying image signature...")


@pytest.mark.parametrize("idf_ver", ["v4.4.8", "v5.1.4", "v5.3.1", "v5.5", "v6.0"])
def test_the_key_of_the_running_application_is_trusted(idf_ver: str) -> None:
    tag = "secure_boot_v2" if idf_ver == "v4.4.8" else "secure_boot_v2_rsa"
    running, new = app(idf_ver=idf_ver), app("2", idf_ver=idf_ver)
    accepted, said = judged(sign(running, key()), sign(new, key()).to_bytes())
    assert accepted
    assert said == [
        "I secure_boot_v2: Take trusted digest key(s) from running app",
        TRUSTED,
        "I secure_boot_v2: Verifying with RSA-PSS...",
        f"I {tag}: Signature verified successfully!",
    ]


def test_ecdsa_says_less() -> None:
    new = sign(app("2", "ecdsa"), curve_key())
    accepted, said = judged(sign(app(scheme="ecdsa"), curve_key()), new.to_bytes())
    assert accepted
    assert said[1:] == [TRUSTED, "I secure_boot_v2: Verifying with ECDSA..."]


def test_no_signature_or_another_key_is_refused_without_further_words() -> None:
    """Of several signatures the first one counts."""
    for new in (app("2"), sign(app("2"), another_key()), sign(app("2"), another_key(), key())):
        accepted, said = judged(sign(app(), key()), new.to_bytes())
        assert not accepted
        assert said[1:] == BAD


def test_a_running_application_without_signature_trusts_nobody() -> None:
    accepted, said = judged(app(), sign(app("2"), key()).to_bytes())
    assert not accepted
    assert said[1:] == [
        "E secure_boot_v2: No signatures were found for the running app",
        "E secure_boot_v2: Could not read secure boot digests!",
        *BAD,
    ]


def test_a_signature_of_another_image_fails_its_verification() -> None:
    stale = sign(app("1"), key()).with_version("2")
    accepted, said = judged(sign(app(), key()), stale.to_bytes())
    assert not accepted
    assert said[-4:] == ["E secure_boot_v2_rsa: Failed mbedtls_rsa_rsassa_pss_verify, err: -17280", *BAD]


def test_a_flipped_signature_opens_to_nothing() -> None:
    accepted, said = judged(sign(app(), key()), with_flipped_bit(sign(app("2"), key()).to_bytes(), "signature"))
    assert not accepted
    assert said[-4] in (
        "E secure_boot_v2_rsa: Failed mbedtls_rsa_rsassa_pss_verify, err: -16640",
        "E secure_boot_v2_rsa: Failed mbedtls_rsa_rsassa_pss_verify, err: -17280",
    )


def test_v6_has_the_words_of_psa() -> None:
    stale = sign(app("1", idf_ver="v6.0"), key()).with_version("2")
    _, said = judged(sign(app(idf_ver="v6.0"), key()), stale.to_bytes())
    assert said[-4] == "E secure_boot_v2_rsa: Signature verification failed, err: -149"


def test_v5_5_names_the_scheme_that_does_not_fit() -> None:
    other = sign(app("2", idf_ver="v5.5"), curve_key())
    _, said = judged(sign(app(idf_ver="v5.5"), key()), other.to_bytes())
    line = "E secure_boot_v2: RSA signing scheme selected but signature block generated for ECDSA scheme"
    assert said[1:] == [line, *BAD]


def test_a_damaged_image_is_told_from_a_bad_signature() -> None:
    _, said = judged(sign(app(), key()), with_flipped_bit(sign(app("2"), key()).to_bytes(), "hash"))
    assert said[-2:] == ["E esp_image: Image hash failed - image is corrupt", "W esp_image: image corrupted on flash"]


def test_the_signature_has_to_fit_into_the_slot_as_well() -> None:
    running = sign(app(), key())
    with live("esp32c3") as life:
        ops = OtaOps(life.running(running))
        slot = life.partition("ota_0")
        new = padded_to(unsigned(app("2")), slot.size - 4096 + 16)
        life.machine.flash.poke(slot.offset, new.to_bytes())
        with pytest.raises(EspError):
            ops.set_boot_partition(slot)
        wanted = f"E esp_image: Image length {slot.size + 4096} doesn't fit in partition length {slot.size}"
        assert life.console.lines[-1] == wanted


def test_version_1_trusts_the_key_that_is_embedded() -> None:
    running, new = app(scheme="ecdsa_v1", chip="esp32"), app("2", "ecdsa_v1", chip="esp32")
    accepted, said = judged(sign_v1(running, curve_key()), sign_v1(new, curve_key()).to_bytes(), "esp32")
    assert (accepted, said) == (True, [])
    other = ec.generate_private_key(ec.SECP256R1())
    accepted, said = judged(running, sign_v1(new, other).to_bytes(), "esp32")
    assert (accepted, said) == (False, BAD)
    accepted, said = judged(running, new.to_bytes(), "esp32")
    message = "image has invalid signature version field 0xffffffff (image without a signature?)"
    assert (accepted, said) == (False, [f"E secure_boot_v1: {message}", *BAD])
