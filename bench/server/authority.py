"""The bench's certificate authority: made once by trustme, kept across runs, because firmware has it built in.

`authority.pem` (mode 0600) holds the key and the certificate in one file, so that they are replaced together;
`ca.pem` beside it holds the certificate alone, for firmware builds and for curl.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import ssl
import tempfile
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from bench.errors import ServerError
from bench.server.chains import Issuer, credentials
from bench.server.context import ServerContext
from bench.server.faults import Door, Tls

__all__ = ["Authority", "default_folder"]

_KEEP = "authority.pem"
_PUBLIC = "ca.pem"
_RENEWAL = timedelta(days=30)


def default_folder() -> Path:
    """The bench's own folder: $OTA_BENCH_HOME, else ota-bench where the user's programs keep their data."""
    home = os.environ.get("OTA_BENCH_HOME")
    if home:
        return Path(home)
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data and Path(data).is_absolute() else Path.home() / ".local" / "share") / "ota-bench"


class Authority:
    """A certificate authority that issues server certificates.

    Attributes:
        ca_pem: the authority's certificate, what a client must trust
        ca_path: where that certificate lies; None for an authority that is not kept
    """

    def __init__(self, ca: trustme.CA, ca_path: Path | None = None) -> None:
        self._ca = ca
        self.ca_pem: bytes = ca.cert_pem.bytes()
        self.ca_path = ca_path

    @classmethod
    def throwaway(cls, name: str = "nobody trusts this") -> Authority:
        """An authority of the moment, kept nowhere."""
        return cls(trustme.CA(organization_name="ota-bench", organization_unit_name=name))

    @classmethod
    def load_or_create(cls, folder: Path | None = None) -> Authority:
        """The authority kept in `folder` (`default_folder()` where None), made there the first time.

        Safe when several processes come first at once. One that expires within 30 days is put aside and
        replaced. ServerError with the mend for one that is damaged, or that others may read.
        """
        folder = default_folder() if folder is None else folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _locked(folder / ".lock"):
                return cls._kept(folder)
        except OSError as error:
            raise ServerError(
                f"cannot keep the certificate authority in {folder}: {error.strerror or error}; "
                "set OTA_BENCH_HOME to a folder that can be written"
            ) from error

    @classmethod
    def _kept(cls, folder: Path) -> Authority:
        keep, public = folder / _KEEP, folder / _PUBLIC
        ca = None
        if keep.exists():
            if keep.stat().st_mode & 0o077:
                raise ServerError(
                    f"{keep} holds a private key and others may read it: chmod 600 it if nobody did, else delete it"
                )
            ca, ends = _read(keep)
            if ends - datetime.now(UTC) < _RENEWAL:
                keep.rename(folder / f"authority.expired-{ends:%Y-%m-%d}.pem")
                ca = None
        if ca is None:
            ca = trustme.CA(organization_name="ota-bench", organization_unit_name="OTA test bench CA")
            _write_whole(keep, ca.private_key_pem.bytes() + ca.cert_pem.bytes(), 0o600)
        pem = ca.cert_pem.bytes()
        if not public.exists() or public.read_bytes() != pem:
            _write_whole(public, pem, 0o644)
        return cls(ca, public)

    def issue(self, host: str, door: Door = Door()) -> ssl.SSLContext:  # noqa: B008 - a frozen value
        """A server's context with a fresh certificate for `host`, a name or an IP address, as `door` wants it.

        The usual door has TLS 1.2 and 1.3. ServerError where `host` is neither name nor address.
        """
        context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
        context.listen()
        _speak(context, door.tls)
        context.set_alpn_protocols(["http/1.1"])
        # The ssl module loads certificates from files only; this one is readable by its owner alone and lives
        # for the moment of loading.
        with tempfile.NamedTemporaryFile(prefix="ota-bench-", suffix=".pem") as file:
            file.write(credentials(door.certificate, self._issuer(), host))
            file.flush()
            context.load_cert_chain(file.name)
        return context

    def _issuer(self) -> Issuer:
        signer = load_pem_private_key(self._ca.private_key_pem.bytes(), password=None)
        if not isinstance(signer, ec.EllipticCurvePrivateKey):
            raise ServerError("the certificate authority has no elliptic curve key: delete it to get a new one")
        return Issuer(x509.load_pem_x509_certificate(self.ca_pem), signer)


def _speak(context: ssl.SSLContext, versions: Tls) -> None:
    """Have the context speak these versions of TLS and no others."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    match versions:
        case "1.1":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # Python discourages it; a fault wants it
                context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("DEFAULT:@SECLEVEL=0")  # OpenSSL 3 has no signature for TLS 1.1 above that
        case "1.2":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        case "1.3":
            context.minimum_version = ssl.TLSVersion.TLSv1_3


def _read(keep: Path) -> tuple[trustme.CA, datetime]:
    """The authority in that file and when it expires; ServerError where it is none."""
    data = keep.read_bytes()
    try:
        certificate = x509.load_pem_x509_certificate(data)
        key = load_pem_private_key(data, password=None)
        spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if key.public_key().public_bytes(*spki) != certificate.public_key().public_bytes(*spki):
            raise ValueError("the key is not the certificate's")
        if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise ValueError("the certificate is not an authority's")
        ca = trustme.CA.from_pem(data, data)
    except (ValueError, TypeError, x509.ExtensionNotFound) as error:
        raise ServerError(
            f"{keep} is damaged ({error}): restore it, or delete it to get a new authority "
            "(firmware built with the old one must then be built again)"
        ) from error
    return ca, certificate.not_valid_after_utc


def _write_whole(path: Path, data: bytes, mode: int) -> None:
    """Write a file so that it is there whole or not at all, never with a wider mode than its own."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of that file, waiting for it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
