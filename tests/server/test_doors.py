"""What stands before HTTP: certificates and versions of TLS, judged by OpenSSL, its command line and curl."""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
import subprocess
import warnings
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from bench.errors import ServerError
from bench.server import (
    Alert,
    Close,
    CrossSigned,
    Cut,
    Expired,
    Fault,
    Intermediate,
    MissingIntermediate,
    Namesake,
    NotFound,
    NotYetValid,
    OtaServer,
    PlainHttp,
    Release,
    Reset,
    RsaCertificate,
    SelfSigned,
    SilentHandshake,
    TlsOnly,
    WrongAddress,
    WrongCertificate,
    WrongName,
)
from tests.server.conftest import Client

SOUND = [RsaCertificate(), Intermediate(), CrossSigned(), TlsOnly("1.2"), TlsOnly("1.3")]
UNSOUND = {  # OpenSSL's X509_V_ERR_*
    WrongCertificate(): 20,
    Namesake(): 20,
    Expired(): 10,
    NotYetValid(): 9,
    WrongName(): 64,
    WrongAddress(): 64,
    SelfSigned(): 18,
    MissingIntermediate(): 20,
}


@pytest.mark.parametrize("fault", SOUND, ids=str)
def test_a_sound_door_lets_in(server: OtaServer, client: Client, data: bytes, fault: Fault) -> None:
    release = server.publish("/app.bin", data, fault)
    assert client.ask(release)[1] == data
    assert client.told("fault", fault=fault.name, request=None)
    assert client.told("tls", ok=True)


@pytest.mark.parametrize(("fault", "code"), UNSOUND.items(), ids=str)
def test_an_unsound_certificate_is_refused_for_its_own_reason(
    server: OtaServer, client: Client, data: bytes, fault: Fault, code: int
) -> None:
    release = server.publish("/app.bin", data, fault)
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        client.ask(release)
    assert caught.value.verify_code == code
    assert client.told("fault", fault=fault.name)
    assert client.told("tls", ok=False)
    assert not [entry for entry in client.timeline.entries if entry.kind == "request"]


@pytest.mark.parametrize("fault", [*SOUND, *UNSOUND], ids=str)
def test_curl_agrees(server: OtaServer, client: Client, tmp_path: Path, fault: Fault) -> None:
    if shutil.which("curl") is None:
        pytest.skip("needs curl: apt-get install curl")
    ca = tmp_path / "ca.pem"
    ca.write_bytes(client.authority.ca_pem)
    release = server.publish("/app.bin", b"image", fault)
    done = subprocess.run(["curl", "-sS", "--cacert", str(ca), release.url], capture_output=True, timeout=20)
    if fault in SOUND:
        assert (done.returncode, done.stdout) == (0, b"image")
    else:
        assert done.returncode == 60, done.stderr  # "peer certificate cannot be authenticated"


@pytest.mark.parametrize(
    ("fault", "depth"),
    [(Intermediate(), 2), (MissingIntermediate(), 1), (CrossSigned(), 3), (SelfSigned(), 1)],
    ids=str,
)
def test_the_chain_that_is_sent(server: OtaServer, fault: Fault, depth: int) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl: apt-get install openssl")
    parts = urlsplit(server.publish("/app.bin", b"x", fault).url)
    command = ["openssl", "s_client", "-connect", f"{parts.hostname}:{parts.port}", "-showcerts"]
    done = subprocess.run(command, capture_output=True, input=b"", timeout=20)
    assert done.stdout.count(b"-----BEGIN CERTIFICATE-----") == depth


def test_a_cross_signed_chain_is_good_for_who_trusts_the_new_root_too(server: OtaServer) -> None:
    release = server.publish("/app.bin", b"x", CrossSigned())
    context = ssl.create_default_context(cadata=_chain(release)[2])
    connection = http.client.HTTPSConnection("127.0.0.1", urlsplit(release.url).port or 0, context=context, timeout=10)
    connection.request("GET", "/app.bin")
    assert connection.getresponse().read() == b"x"
    connection.close()


def _chain(release: Release) -> list[bytes]:
    parts = urlsplit(release.url)
    command = ["openssl", "s_client", "-connect", f"{parts.hostname}:{parts.port}", "-showcerts"]
    done = subprocess.run(command, capture_output=True, input=b"", timeout=20)
    ends = done.stdout.split(b"-----BEGIN CERTIFICATE-----")[1:]
    pems = [
        b"-----BEGIN CERTIFICATE-----" + end.partition(b"-----END")[0] + b"-----END CERTIFICATE-----\n" for end in ends
    ]
    return [x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER) for pem in pems]


def test_the_rsa_key_is_one(server: OtaServer, client: Client) -> None:
    parts = urlsplit(server.publish("/app.bin", b"x", RsaCertificate()).url)
    with (
        socket.create_connection((parts.hostname, parts.port), timeout=10) as plain,
        client.context().wrap_socket(plain, server_hostname=parts.hostname) as peer,
    ):
        der = peer.getpeercert(binary_form=True)
    assert der is not None
    assert isinstance(x509.load_der_x509_certificate(der).public_key(), rsa.RSAPublicKey)


@pytest.mark.parametrize("version", ["1.1", "1.2", "1.3"])
@pytest.mark.parametrize("asked", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_one_version_alone(server: OtaServer, client: Client, version: str, asked: ssl.TLSVersion) -> None:
    release = server.publish("/app.bin", b"x", TlsOnly(version))
    context = client.context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python discourages 1.1; that is what is tested
        context.minimum_version = context.maximum_version = asked
    context.set_ciphers("ALL:@SECLEVEL=0")
    connection = http.client.HTTPSConnection("127.0.0.1", urlsplit(release.url).port or 0, timeout=10, context=context)
    spoken = f"TLSv{version}"
    if asked.name == spoken.replace(".", "_"):
        connection.request("GET", release.path)
        assert connection.getresponse().read() == b"x"
        assert client.told("tls", ok=True, version=spoken)
    else:
        with pytest.raises(ssl.SSLError) as caught:
            connection.request("GET", release.path)
        assert "EOF" not in str(caught.value)  # the client is told why, by an alert or by the server's hello
        assert client.told("tls", ok=False)
    connection.close()
    assert client.told("fault", fault="tls-only", version=version)


def test_versions_of_tls_are_few() -> None:
    with pytest.raises(ValueError, match=r"1\.1, 1\.2 or 1\.3"):
        TlsOnly("1.0")


def test_a_silent_handshake_says_nothing_and_ends_with_the_client(server: OtaServer, client: Client) -> None:
    parts = urlsplit(server.publish("/app.bin", b"x", SilentHandshake()).url)
    with socket.create_connection((parts.hostname, parts.port), timeout=0.1) as peer:
        peer.sendall(b"\x16\x03\x01\x00\x05hello")
        with pytest.raises(TimeoutError):
            peer.recv(1)
    assert client.told("fault", fault="silent-handshake")
    assert client.told("tls", ok=False, reason="the client went away")


def test_a_silent_handshake_does_not_keep_the_server_from_closing(server: OtaServer, client: Client) -> None:
    parts = urlsplit(server.publish("/app.bin", b"x", SilentHandshake()).url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10):
        client.told("fault")
        server.close()
    assert client.told("tls", ok=False, reason="the server was closed")


def test_plain_http_has_its_own_port_and_scheme(server: OtaServer, client: Client, data: bytes) -> None:
    release = server.publish("/app.bin", data, PlainHttp())
    parts = urlsplit(release.url)
    assert parts.scheme == "http"
    assert parts.port != server.port
    connection = http.client.HTTPConnection("127.0.0.1", parts.port or 0, timeout=10)
    for _ in range(2):
        connection.request("GET", "/app.bin", headers={"Range": "bytes=1-70000"})
        assert connection.getresponse().read() == data[1:70001]
    connection.close()
    assert client.told("fault", fault="plain-http")
    assert client.told("closed").data["requests"] == 2
    assert not [entry for entry in client.timeline.entries if entry.kind == "tls"]
    assert client.ask(server.publish("/other.bin", b"x"))[1] == b"x"


@pytest.mark.parametrize("fault", [Cut(after=5000), Reset(after=5000), Close(after=5000), Alert(after=5000)], ids=str)
def test_plain_http_can_fail_too(server: OtaServer, client: Client, data: bytes, fault: Fault) -> None:
    release = server.publish("/app.bin", data, PlainHttp(), fault)
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(release.url).port or 0, timeout=10)
    connection.request("GET", "/app.bin")
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        connection.getresponse().read()
    connection.close()
    assert client.told("response").data["sent"] == 5000
    missing = server.publish("/app.bin", data, PlainHttp(), NotFound())
    connection.request("GET", urlsplit(missing.url).path)
    assert connection.getresponse().status == 404
    connection.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_alert_is_a_fatal_alert_of_tls(
    server: OtaServer, client: Client, data: bytes, version: ssl.TLSVersion
) -> None:
    connection = client.connect(server.publish("/app.bin", data, Alert(after=20_000)), version)
    connection.request("GET", "/app.bin")
    response = connection.getresponse()
    with pytest.raises(ssl.SSLError, match="ALERT_BAD_RECORD_MAC"):
        response.read()
    connection.close()
    assert client.told("fault", fault="alert", after=20_000)
    assert client.told("response").data["aborted"] == "fault"


def test_a_close_is_announced_by_tls(server: OtaServer, client: Client, data: bytes) -> None:
    with client.raw(server.publish("/app.bin", data, Close(after=20_000))) as peer:
        peer.suppress_ragged_eofs = False  # type: ignore[attr-defined]  # else a bare FIN would look the same
        peer.sendall(b"GET /app.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        got = bytearray()
        while part := peer.recv(65536):
            got += part
    assert got.endswith(data[:20_000])
    told = client.told("response")
    assert (told.data["sent"], told.data["aborted"]) == (20_000, "fault")


def test_the_server_s_own_port_may_be_any_door(client: Client) -> None:
    with OtaServer(client.timeline, client.authority, faults=(PlainHttp(),)) as server:
        assert server.publish("/app.bin", b"x", PlainHttp()).url == f"http://127.0.0.1:{server.port}/app.bin"
        assert client.ask(server.publish("/app.bin", b"x"))[1] == b"x"


@pytest.mark.parametrize(
    "faults",
    [
        (PlainHttp(), Expired()),
        (SilentHandshake(), WrongName()),
        (TlsOnly("1.3"), PlainHttp()),
        (TlsOnly("1.2"), SilentHandshake()),
        (PlainHttp(), SilentHandshake()),
        (Expired(), NotFound(), RsaCertificate()),
        (TlsOnly("1.2"), TlsOnly("1.3")),
    ],
    ids=str,
)
def test_doors_that_contradict_one_another_are_refused(
    server: OtaServer, client: Client, faults: tuple[Fault, ...]
) -> None:
    mend = f"{faults[0].name} and {faults[-1].name} contradict one another.*serve two releases"
    with pytest.raises(ServerError, match=mend):
        server.publish("/app.bin", b"x", *faults)
    with pytest.raises(ServerError, match=mend), OtaServer(client.timeline, client.authority, faults=faults):
        pass


def test_a_door_may_have_a_certificate_and_a_version(server: OtaServer, client: Client) -> None:
    release = server.publish("/app.bin", b"x", TlsOnly("1.2"), RsaCertificate(), RsaCertificate())
    assert client.ask(release)[1] == b"x"
    told = [entry.data["fault"] for entry in client.timeline.entries if entry.kind == "fault"]
    assert told == ["tls-only", "rsa-certificate"]


GARBAGE = {
    "nothing": b"",
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no hello": b"\x16\x03\x01\x00\x05hello",
    "half a hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("said", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize("fault", [Expired(), RsaCertificate(), TlsOnly("1.3")], ids=str)
def test_a_certificate_that_nobody_asked_for_is_not_told(
    server: OtaServer, client: Client, fault: Fault, said: bytes
) -> None:
    parts = urlsplit(server.publish("/app.bin", b"x", fault).url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as peer:
        peer.sendall(said)
    assert client.told("tls", ok=False)
    assert not [entry for entry in client.timeline.entries if entry.kind == "fault"]


@pytest.mark.parametrize("fault", [Expired(), RsaCertificate(), TlsOnly("1.2"), TlsOnly("1.3")], ids=str)
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", None])
def test_who_leaves_after_the_hello_has_been_shown_what_is_wrong(
    server: OtaServer, client: Client, fault: Fault, name: str | None
) -> None:
    """With a name in the hello (SNI), with an address, which is never in it, and from who asks for none."""
    parts = urlsplit(server.publish("/app.bin", b"x", fault).url)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = client.context()
    context.check_hostname = name is not None
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as peer:
        peer.sendall(outgoing.read())
        assert peer.recv(1) == b"\x16"
    told = client.told("fault", fault=fault.name, request=None)
    assert told.index < client.told("tls", ok=False, connection=told.data["connection"]).index
    assert len([entry for entry in client.timeline.entries if entry.kind == "fault"]) == 1


def test_a_hello_without_a_version_in_common_is_told(server: OtaServer, client: Client) -> None:
    release = server.publish("/app.bin", b"x", TlsOnly("1.3"))
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        client.connect(release, ssl.TLSVersion.TLSv1_2).connect()
    assert client.told("fault", fault="tls-only", version="1.3")


def test_a_name_that_is_none_is_the_callers_mistake(client: Client) -> None:
    with pytest.raises(ServerError, match="neither a host name nor an IP address"):
        client.authority.issue("not a name")
