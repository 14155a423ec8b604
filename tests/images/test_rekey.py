"""Re-keying: a prebuilt image takes the bench's certificate, URL and key where they fit, and says where not."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.errors import FormatError
from bench.images import Image
from bench.images.keys import load_private
from bench.images.rekey import embedded, with_broken_private_key, with_certificate, with_private_key, with_url
from bench.server import Authority
from tests.images.samples import APP_DESC, REAL_APPS, real
from tests.images.test_encrypted import another_key, key

CERTIFICATE = Authority.throwaway().ca_pem
MARKERS = b"-----BEGIN CERTIFICATE-----\0-----END CERTIFICATE-----\0"
URL = b"https://192.168.0.3:8070/hello_world.bin"


def pkcs8() -> bytes:
    return key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def app(*texts: bytes) -> Image:
    rodata = MARKERS + b"\0".join((b"see https://docs", *texts, b"end")) + b"\0"
    return Image.build(chip_id=9, entry_addr=0, segments=[(0x3C000020, APP_DESC.to_bytes() + rodata)])


def same_size(certificate: bytes) -> bytes:
    """Another certificate that takes as many bytes: those of DER differ by a few, with the signature."""
    others = (Authority.throwaway().ca_pem for _ in range(200))
    return next(other for other in others if len(other) == len(certificate))


def test_a_shorter_certificate_is_padded() -> None:
    old = CERTIFICATE.replace(b"MII", b"TUlJ" * 20 + b"MII")
    image = app(old)
    new = with_certificate(image, b"Bench CA\n" + CERTIFICATE)
    assert embedded(image, "certificate")[0].text == old
    assert embedded(new, "certificate")[0].text == CERTIFICATE or CERTIFICATE in new.segments[0].data
    assert len(new.to_bytes()) == len(image.to_bytes())
    assert new.check() == ()
    assert b"end\0" in new.segments[0].data


def test_what_stands_around_a_certificate_goes_where_it_would_not_fit() -> None:
    new = with_certificate(app(CERTIFICATE), b"# my own\r\n" + CERTIFICATE.replace(b"\n", b"\r\n"))
    assert embedded(new, "certificate")[0].text == CERTIFICATE


def test_one_that_does_not_fit_is_refused_with_both_sizes() -> None:
    longer = CERTIFICATE * 2
    with pytest.raises(FormatError, match=rf"room for a certificate of {len(CERTIFICATE)} bytes.*{len(longer)} bytes"):
        with_certificate(app(CERTIFICATE), longer)


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (b"hello, this is no certificate", "no readable certificate"),
        (CERTIFICATE.replace(b"MII", b"VVV"), "no readable certificate"),
        (pkcs8(), "a private key"),
        (CERTIFICATE + pkcs8(), "a private key"),
        (b"", "no readable certificate"),
    ],
    ids=["text", "damaged", "key", "with_key", "empty"],
)
def test_what_is_no_certificate_is_not_trusted(pem: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=f"{reason}.*certificates alone, in PEM"):
        with_certificate(app(CERTIFICATE + b"\n" * 4000), pem)


def test_of_several_one_has_to_be_chosen() -> None:
    image = app(CERTIFICATE, b"x", CERTIFICATE)
    other = same_size(CERTIFICATE)
    with pytest.raises(FormatError, match="2 embedded certificates"):
        with_certificate(image, other)
    assert [found.text for found in embedded(with_certificate(image, other, number=1), "certificate")] == [
        CERTIFICATE,
        other,
    ]
    with pytest.raises(FormatError, match="below that, not 2"):
        with_certificate(image, other, number=2)
    with pytest.raises(FormatError, match="no embedded certificate"):
        with_certificate(app(), other)


def test_the_url_is_a_string_of_its_own() -> None:
    image = app(URL)
    new = with_url(image, "https://127.0.0.1:1/a.bin")
    assert [found.text for found in embedded(new, "URL")] == [b"https://127.0.0.1:1/a.bin"]
    with pytest.raises(FormatError, match="does not fit"):
        with_url(image, "https://example.com/" + "x" * 60)
    with pytest.raises(FormatError, match="ASCII"):
        with_url(image, "ftp://example.com")


def test_a_private_key_takes_the_form_that_fits() -> None:
    other = another_key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()) + b"\n" * 8
    roomy, tight = app(pkcs8() + b"\n\n\n\n\n\n\n\n"), app(other)
    assert embedded(with_private_key(roomy, pkcs8()), "private key")[0].text == pkcs8()
    traditional = embedded(with_private_key(tight, pkcs8()), "private key")[0]
    assert traditional.text.startswith(b"-----BEGIN RSA PRIVATE KEY-----")
    assert "BEGIN" not in repr(traditional)


def test_a_private_key_some_bytes_longer_than_the_old_one_fits_in_long_lines() -> None:
    """Keys of 3072 bits take from 2,451 to 2,463 bytes; ESP-IDF's example key, 2,455."""
    new = key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    old = b"-----BEGIN RSA PRIVATE KEY-----\n" + b"A" * (len(new) - 8 - 63) + b"\n-----END RSA PRIVATE KEY-----\n"
    assert len(old) == len(new) - 8
    (found,) = embedded(with_private_key(app(old), new), "private key")
    assert len(found.text) <= len(old)
    assert max(map(len, found.text.splitlines())) == 128
    assert load_private(found.text).private_numbers() == key().private_numbers()


def test_a_key_can_be_broken() -> None:
    image = app(pkcs8())
    broken = with_broken_private_key(image)
    assert embedded(broken, "private key") == ()
    assert broken.check() == ()
    with pytest.raises(FormatError, match="no embedded private key"):
        with_broken_private_key(app())


def test_a_real_image_takes_another_url() -> None:
    image = Image.parse(real("images/esp32p4-simple_ota-v6.0-dev.bin"))
    (old,) = embedded(image, "URL")
    new = with_url(image, "https://127.0.0.1/new.bin")
    assert len(old.text) > 100
    assert new.check() == ()
    assert [found.text for found in embedded(new, "URL")] == [b"https://127.0.0.1/new.bin"]


def test_a_real_image_with_a_certificate_bundle_has_no_certificate_to_replace() -> None:
    with pytest.raises(FormatError, match="no embedded certificate"):
        with_certificate(Image.parse(real(REAL_APPS[0])), CERTIFICATE)
