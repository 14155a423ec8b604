"""The certificate authority: kept, private, whole, renewed; and the certificates it issues."""

from __future__ import annotations

import contextlib
import os
import shutil
import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.errors import ServerError
from bench.server import Authority, default_folder


def handshake(server: ssl.SSLContext, ca_pem: bytes, host: str) -> ssl.SSLObject:
    """The client's side after a handshake in memory in which it verified the certificate."""
    context = ssl.create_default_context(cadata=ca_pem.decode())
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = context.wrap_bio(to_client, to_server, server_hostname=host)
    other = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (one, other, one, other, one):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert one.version() in ("TLSv1.2", "TLSv1.3")
    return one


def pem_of(not_after: datetime, *, ca: bool = True) -> bytes:
    """Key and certificate of an authority that ends then."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "old")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)


def keep(folder: Path, pem: bytes) -> Path:
    path = folder / "authority.pem"
    path.write_bytes(pem)
    path.chmod(0o600)
    return path


def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "bench"
    first = Authority.load_or_create(folder)
    second = Authority.load_or_create(folder)
    assert first.ca_pem == second.ca_pem
    assert first.ca_path == folder / "ca.pem"
    assert first.ca_path.read_bytes() == first.ca_pem
    assert b"PRIVATE" not in first.ca_pem
    assert handshake(second.issue("127.0.0.1"), first.ca_pem, "127.0.0.1")
    assert {path.name for path in folder.iterdir()} == {"authority.pem", "ca.pem", ".lock"}


def test_its_key_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Authority.load_or_create(tmp_path / "bench")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "bench" / "authority.pem").stat().st_mode) == 0o600


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    Authority.load_or_create(tmp_path)
    (tmp_path / "authority.pem").chmod(0o640)
    with pytest.raises(ServerError, match="chmod 600"):
        Authority.load_or_create(tmp_path)


def test_many_first_runs_at_once_make_one_authority(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from bench.server import Authority; "
        "sys.stdout.buffer.write(Authority.load_or_create(Path(sys.argv[1])).ca_pem)"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", program, tmp_path / "bench"], stdout=subprocess.PIPE) for _ in range(6)
    ]
    pems = [run.communicate(timeout=60)[0] for run in runs]
    assert all(run.returncode == 0 for run in runs)
    assert len(set(pems)) == 1
    assert pems[0].startswith(b"-----BEGIN CERTIFICATE-----")


@pytest.mark.parametrize("days", [-1, 5])
def test_one_that_expires_is_put_aside_and_replaced(tmp_path: Path, days: int) -> None:
    old = pem_of(datetime.now(UTC) + timedelta(days=days))
    keep(tmp_path, old)
    authority = Authority.load_or_create(tmp_path)
    assert authority.ca_pem not in old
    assert authority.ca_path is not None
    assert authority.ca_path.read_bytes() == authority.ca_pem
    (aside,) = tmp_path.glob("authority.expired-*.pem")
    assert aside.read_bytes() == old
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600


def test_one_that_is_good_for_longer_is_used(tmp_path: Path) -> None:
    old = pem_of(datetime.now(UTC) + timedelta(days=60))
    keep(tmp_path, old)
    authority = Authority.load_or_create(tmp_path)
    assert authority.ca_pem in old
    assert handshake(authority.issue("board.local"), authority.ca_pem, "board.local")


def test_a_damaged_one_is_named_with_the_mend(tmp_path: Path) -> None:
    good = pem_of(datetime.now(UTC) + timedelta(days=60))
    other = pem_of(datetime.now(UTC) + timedelta(days=60))
    key = good[: good.index(b"-----BEGIN CERTIFICATE")]
    for damaged in (
        b"",
        b"garbage",
        key,
        good[len(key) :],
        good[:-100],
        key + other[other.index(b"-----BEGIN CERTIFICATE") :],
        pem_of(datetime.now(UTC) + timedelta(days=60), ca=False),
    ):
        path = keep(tmp_path, damaged)
        with pytest.raises(ServerError, match=r"authority.pem is damaged \(.*delete it to get a new authority"):
            Authority.load_or_create(tmp_path)
        assert path.read_bytes() == damaged


def test_a_lost_certificate_file_is_written_again(tmp_path: Path) -> None:
    authority = Authority.load_or_create(tmp_path)
    assert authority.ca_path is not None
    for damage in (b"old", None):
        if damage is None:
            authority.ca_path.unlink()
        else:
            authority.ca_path.write_bytes(damage)
        assert Authority.load_or_create(tmp_path).ca_pem == authority.ca_path.read_bytes() == authority.ca_pem


def test_a_folder_that_cannot_be_is_an_error_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerError, match="set OTA_BENCH_HOME"):
        Authority.load_or_create(tmp_path / "file" / "bench")


def test_where_it_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OTA_BENCH_HOME", str(tmp_path / "bench"))
    assert default_folder() == tmp_path / "bench"
    assert Authority.load_or_create().ca_path == tmp_path / "bench" / "ca.pem"
    monkeypatch.delenv("OTA_BENCH_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "ota-bench"
    for unset in ("", "relative"):
        monkeypatch.setenv("XDG_DATA_HOME", unset)
        assert default_folder() == Path.home() / ".local" / "share" / "ota-bench"


@pytest.mark.parametrize("host", ["127.0.0.1", "192.168.4.2", "::1", "bench.lab.example", "localhost", "bücher.de"])
def test_a_certificate_fits_its_host_and_no_other(authority: Authority, host: str) -> None:
    context = authority.issue(host)
    assert handshake(context, authority.ca_pem, host)
    for other in ("127.0.0.2", "other.example"):
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(context, authority.ca_pem, other)


def test_an_address_is_written_as_a_name_too(authority: Authority) -> None:
    """For Mbed TLS before 3.5, which compares an address with names only."""
    certificate = handshake(authority.issue("192.168.4.2"), authority.ca_pem, "192.168.4.2").getpeercert()
    assert (certificate or {})["subjectAltName"] == (("IP Address", "192.168.4.2"), ("DNS", "192.168.4.2"))


def test_a_certificate_is_trusted_by_nobody_else(authority: Authority) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(Authority.throwaway().issue("127.0.0.1"), authority.ca_pem, "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(authority.issue("127.0.0.1"), trustme.CA().cert_pem.bytes(), "127.0.0.1")


@pytest.mark.parametrize("host", ["", " ", "a b", "a..b", "x" * 64 + ".example", "https://x", "10.0.0.0/8", "*"])
def test_what_is_no_host_is_refused(authority: Authority, host: str) -> None:
    with pytest.raises(ServerError, match="neither a host name nor an IP address"):
        authority.issue(host)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_verifies_the_chain_strictly(authority: Authority, tmp_path: Path) -> None:
    der = handshake(authority.issue("127.0.0.1"), authority.ca_pem, "127.0.0.1").getpeercert(binary_form=True)
    assert der is not None
    (tmp_path / "ca.pem").write_bytes(authority.ca_pem)
    (tmp_path / "leaf.pem").write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
    subprocess.run(
        [
            *("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_ip", "127.0.0.1"),
            *("-CAfile", tmp_path / "ca.pem", tmp_path / "leaf.pem"),
        ],
        check=True,
        capture_output=True,
        timeout=20,
    )
