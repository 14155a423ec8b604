"""The certificate bundle of a prebuilt image: found in either form, replaced, and refused where it does not fit."""

from __future__ import annotations

import pytest
import trustme
from cryptography import x509

from bench.builds.crt_bundle import certificate_bundle
from bench.errors import FormatError
from bench.images import Image
from bench.images.bundle import find_bundle, with_bundle
from bench.images.rekey import with_trust
from tests.images.samples import APP_DESC, real


def roots(number: int) -> bytes:
    return b"".join(trustme.CA(organization_name=f"root {n}").cert_pem.bytes() for n in range(number))


def app(bundle: bytes) -> Image:
    rodata = APP_DESC.to_bytes() + b"before\0\0" + bundle + b"behind"
    return Image.build(chip_id=9, entry_addr=0, segments=[(0x3C000020, rodata)])


@pytest.mark.parametrize("line", [(5, 3), (5, 5)])
def test_a_bundle_is_replaced_by_a_smaller_one(line: tuple[int, int]) -> None:
    old, own = certificate_bundle(roots(5), line), roots(1)
    image = app(old)
    found = find_bundle(image)
    assert found is not None
    assert (found.at, found.size, found.offsets, found.count) == (256 + 8, len(old), line == (5, 5), 5)
    new = with_bundle(image, own)
    wanted = certificate_bundle(own, line)
    assert new.segments[0].data[found.at :].startswith(wanted.ljust(len(old), b"\0") + b"behind")
    assert new.check() == ()
    again = find_bundle(new)
    assert again is not None
    assert (again.at, again.size, again.count) == (found.at, len(wanted), 1)


def test_what_does_not_fit_is_refused_with_both_sizes() -> None:
    old, many = certificate_bundle(roots(1), (5, 3)), roots(3)
    wanted = len(certificate_bundle(many, (5, 3)))
    with pytest.raises(FormatError, match=rf"of {len(old)} bytes.*{wanted} bytes: it does not fit"):
        with_bundle(app(old), many)
    with pytest.raises(FormatError, match="no certificate bundle"):
        with_bundle(app(b""), many)
    with pytest.raises(FormatError, match="no readable certificate"):
        with_bundle(app(old), b"nothing")


def test_the_bundle_of_a_real_image_is_replaced() -> None:
    image = Image.parse(real("images/esp32-advanced_https_ota-v5.5-dev.bin"))
    found = find_bundle(image)
    assert found is not None
    assert found.offsets
    assert found.count > 100
    own = roots(2)
    new = with_bundle(image, own)
    assert new.check() == ()
    assert len(new.to_bytes()) == len(image.to_bytes())
    data = new.segments[found.segment].data[found.at :]
    for root in x509.load_pem_x509_certificates(own):
        assert root.subject.public_bytes() in data[:1000]
    assert new == with_trust(image, own)
    assert b"DigiCert" in image.segments[found.segment].data
    assert b"DigiCert" not in new.segments[found.segment].data
