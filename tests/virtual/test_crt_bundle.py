"""The certificate bundle: written as ESP-IDF's generator does, found again in an image, and believed by OpenSSL."""

from __future__ import annotations

import socket
import ssl
import struct

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.builds.crt_bundle import certificate_bundle
from bench.builds.releases import Line
from bench.images import Image
from bench.virtual.idf.crt_bundle import Root, anchors_of, roots_in
from bench.virtual.rodata import Rodata
from tests.reference import reference
from tests.virtual.peer import answering, response, serve

FORMS: list[Line] = [(5, 1), (5, 5)]


def root_of(authority: trustme.CA) -> Root:
    certificate = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Root(certificate.subject.public_bytes(), key)


def rodata(data: bytes) -> Rodata:
    return Rodata(Image.build(chip_id=5, entry_addr=0x40380000, segments=[(0x3C000020, data), (0x40380000, bytes(16))]))


@pytest.mark.parametrize("line", FORMS)
def test_the_roots_of_a_bundle_are_found_wherever_it_stands(line: Line) -> None:
    authorities = [trustme.CA(organization_name=f"authority {number}") for number in range(3)]
    pem = b"".join(one.cert_pem.bytes() for one in authorities)
    found = roots_in(rodata(b"before\0" + certificate_bundle(pem, line) + b"behind it\0" * 9))
    assert sorted(found, key=lambda root: root.name) == sorted(map(root_of, authorities), key=lambda root: root.name)


def test_the_forms_are_those_of_gen_crt_bundle() -> None:
    authority = trustme.CA()
    root, pem = root_of(authority), authority.cert_pem.bytes()
    lengths = len(root.name), len(root.key)
    body = root.name + root.key
    assert certificate_bundle(pem, (5, 3)) == struct.pack(">HHH", 1, *lengths) + body
    assert certificate_bundle(pem, (5, 4)) == struct.pack("<LHH", 4, *lengths) + body


def test_no_bundle_has_no_roots() -> None:
    assert roots_in(rodata(bytes(4096))) == ()
    assert roots_in(rodata(b"\x30\x0c\x31" * 400)) == ()


def test_a_real_image_has_the_roots_of_the_common_authorities() -> None:
    image = Image.parse(reference("images/esp32-advanced_https_ota-v5.5-dev.bin").read_bytes())
    names = [x509.Name.from_bytes(root.name).rfc4514_string() for root in roots_in(Rodata(image))]
    assert len(names) >= 10
    assert any("ISRG Root X1" in name for name in names)


@pytest.mark.parametrize("known", [True, False])
def test_openssl_trusts_what_the_bundle_holds_and_nothing_else(known: bool) -> None:
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=anchors_of((root_of(authority if known else other),)))
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    with (
        serve(answering(response(b"")), authority=authority) as peer,
        socket.create_connection(("127.0.0.1", peer.port)) as connection,
    ):
        if known:
            with context.wrap_socket(connection, server_hostname="127.0.0.1") as secured:
                assert secured.version()
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                context.wrap_socket(connection, server_hostname="127.0.0.1")
