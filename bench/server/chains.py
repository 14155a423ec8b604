"""Certificates for a server, of every kind that a door can ask for: sound ones, and ones that a client must refuse.

trustme makes the authority; these are made by `cryptography` itself, because trustme issues no leaf that is signed
by its own key, none of another root's, and none that is written as a board needs it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bench.errors import ServerError
from bench.server.faults import Certificate

__all__ = ["Issuer", "credentials"]

_Key: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_LIFE = timedelta(days=365)
_DAY = timedelta(days=1)
# A board without the time of day believes that it is 1970, one with a slow clock that it is yesterday.
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_ELSEWHERE = "updates.example.org"
_ANOTHER_ADDRESS = "192.0.2.1"  # RFC 5737: nobody's


@dataclass(frozen=True)
class Issuer:
    """A certificate with its key, as far as signing goes."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def credentials(kind: Certificate, issuer: Issuer, host: str) -> bytes:
    """Key and chain of a server called `host`, PEM, the leaf first.

    Args:
        kind: what is about the certificate, see the faults of `bench.server.faults.certificate`
        issuer: whom clients trust
        host: a name or an IP address; ServerError where it is neither
    """
    now = datetime.now(UTC)
    match kind:
        case "rsa":
            return _pem(*_leaf(issuer, host, rsa.generate_private_key(public_exponent=65537, key_size=2048)))
        case "expired":
            return _pem(*_leaf(issuer, host, valid=(now - _LIFE, now - _DAY)))
        case "not-yet-valid":
            return _pem(*_leaf(issuer, host, valid=(now + _LIFE, now + 2 * _LIFE)))
        case "wrong-name":
            return _pem(*_leaf(issuer, _ELSEWHERE))
        case "wrong-address":
            return _pem(*_leaf(issuer, _ANOTHER_ADDRESS))
        case "self-signed":
            return _pem(*_leaf(None, host))
        case "foreign":
            return _pem(*_leaf(_root(_unit("nobody trusts this")), host))
        case "namesake":
            return _pem(*_leaf(_root(issuer.certificate.subject), host))
        case "intermediate" | "missing-intermediate":
            middle = _authority(issuer, _unit("intermediate CA"), ec.generate_private_key(ec.SECP256R1()))
            key, leaf = _leaf(middle, host)
            return _pem(key, leaf, *((middle.certificate,) if kind == "intermediate" else ()))
        case "cross-signed":
            root = _root(_unit("new root"))
            crossed = _authority(issuer, root.certificate.subject, root.key)
            # The cross certificate goes first: mbedTLS follows the first issuer that fits, and does not come back.
            return _pem(*_leaf(root, host), crossed.certificate, root.certificate)
        case "own":
            return _pem(*_leaf(issuer, host))


def _leaf(
    issuer: Issuer | None, host: str, key: _Key | None = None, valid: tuple[datetime, datetime] | None = None
) -> tuple[_Key, x509.Certificate]:
    """A server's certificate; one without issuer signs itself.

    An IP address is written as iPAddress and as dNSName both: Mbed TLS before 3.5 compares only DNS names, so a
    board of those ESP-IDF releases would refuse an address that is written properly.
    """
    key = ec.generate_private_key(ec.SECP256R1()) if key is None else key
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ota-bench server")])
    first, last = valid if valid is not None else (_LONG_AGO, datetime.now(UTC) + _LIFE)
    if issuer is not None:
        last = min(last, issuer.certificate.not_valid_after_utc)
    builder = _builder(subject, key, issuer, (first, last))
    builder = builder.add_extension(x509.SubjectAlternativeName(_names(host)), critical=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return key, builder.sign(key if issuer is None else issuer.key, hashes.SHA256())


def _root(name: x509.Name) -> Issuer:
    """An authority of the moment."""
    return _authority(None, name, ec.generate_private_key(ec.SECP256R1()))


def _authority(issuer: Issuer | None, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> Issuer:
    """An authority for that key; one without issuer signs itself."""
    valid = (_LONG_AGO, datetime.now(UTC) + _LIFE)
    builder = _builder(name, key, issuer, valid)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # keyCertSign and cRLSign
    builder = builder.add_extension(usage, critical=True)
    return Issuer(builder.sign(key if issuer is None else issuer.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, key: _Key, issuer: Issuer | None, valid: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    public = key.public_key()
    own = x509.SubjectKeyIdentifier.from_public_key(public)
    of_issuer = own
    if issuer is not None:
        of_issuer = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(own, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(of_issuer), critical=False)
    )


def _unit(name: str) -> x509.Name:
    """What an authority is called that the bench makes."""
    attributes = {NameOID.ORGANIZATION_NAME: "ota-bench", NameOID.ORGANIZATIONAL_UNIT_NAME: name}
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes.items()])


def _names(host: str) -> list[x509.GeneralName]:
    try:
        return [x509.IPAddress(ipaddress.ip_address(host)), x509.DNSName(host)]
    except ValueError:
        pass
    try:
        name = host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ServerError(f"{host!r} is neither a host name nor an IP address") from error
    labels = name.rstrip(".").split(".")
    if not all(label and label.replace("-", "a").isalnum() for label in labels):
        raise ServerError(f"{host!r} is neither a host name nor an IP address")
    return [x509.DNSName(".".join(labels))]


def _pem(key: _Key, *chain: x509.Certificate) -> bytes:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)
