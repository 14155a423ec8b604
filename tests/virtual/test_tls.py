"""Connections of the virtual board: real sockets, real TLS, and failures in esp-tls's and mbedTLS's words."""

from __future__ import annotations

import datetime
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from bench.virtual.idf.crt_bundle import Root
from bench.virtual.idf.tls import CLOSED_BY_FIN, TIMEOUT, Transport, Trust
from tests.virtual.lifelike import Console, Life, firmware, live
from tests.virtual.peer import Peer, Script, answering, response, serve_with

_TIMEOUT_MS = 150
_FAILED = ["E esp-tls: Failed to open new connection", "E transport_base: Failed to open a new connection"]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def trusting(authority: trustme.CA, **more: Any) -> Trust:
    return Trust(authority.cert_pem.bytes().decode(), **more)


@contextmanager
def connecting(
    trust: Trust,
    context: ssl.SSLContext | None,
    script: Script = answering(response(b"body")),  # noqa: B008 - a script keeps nothing
    *,
    level: str = "info",
    timeout_ms: int = _TIMEOUT_MS,
) -> Iterator[tuple[Transport, Peer, Life]]:
    with serve_with(script, context) as peer, live() as life:
        running = life.running(firmware(level=level))
        transport = Transport(life.machine, running.log, trust, timeout_ms)
        try:
            yield transport, peer, life
        finally:
            transport.close()


def said(console: Console) -> list[str]:
    return [line for line in console.lines if line]


# -- whom it trusts


def test_a_certificate_of_the_embedded_authority_is_accepted(authority: trustme.CA) -> None:
    context = context_of(authority.issue_cert("127.0.0.1"))
    with connecting(trusting(authority), context) as (transport, _, life):
        assert transport.connect("https", "127.0.0.1", _.port)
        assert transport.write(b"GET / HTTP/1.1\r\n\r\n")
        assert transport.read(4) == b"HTTP"
        assert said(life.console) == []


def test_a_self_signed_certificate_that_is_itself_embedded_is_accepted() -> None:
    """As the examples' README makes one: the server's own certificate is what the firmware trusts."""
    intermediate = trustme.CA().create_child_ca()
    context = context_of(intermediate.issue_cert("127.0.0.1"))
    with connecting(trusting(intermediate), context) as (transport, peer, _):
        assert transport.connect("https", "127.0.0.1", peer.port)


def test_another_authority_is_refused_with_mbedtls_s_code_and_an_alert(authority: trustme.CA) -> None:
    context = context_of(trustme.CA().issue_cert("127.0.0.1"))
    with connecting(trusting(authority), context) as (transport, peer, life):
        assert not transport.connect("https", "127.0.0.1", peer.port)
        assert said(life.console) == [
            "E esp-tls-mbedtls: mbedtls_ssl_handshake returned -0x2700",
            "I esp-tls-mbedtls: Failed to verify peer certificate!",
            *_FAILED,
        ]
    assert "unknown ca" in peer.errors[0]


@pytest.mark.parametrize(
    ("name", "trust_more", "flag"),
    [
        ("localhost", {}, "The certificate Common Name (CN) does not match with the expected CN"),
        ("localhost", {"check_name": False}, None),
        ("expired", {}, None),
        ("expired", {"check_time": True}, "The certificate validity has expired"),
        ("future", {"check_time": True}, "The certificate validity starts in the future"),
    ],
)
def test_what_else_is_checked(authority: trustme.CA, name: str, trust_more: dict[str, bool], flag: str | None) -> None:
    """Dates are looked at only with CONFIG_MBEDTLS_HAVE_TIME_DATE; the reason shows in a debug build."""
    year = datetime.timedelta(days=365)
    now = datetime.datetime.now(datetime.UTC)
    certificate = {
        "localhost": lambda: authority.issue_cert("localhost"),
        "expired": lambda: authority.issue_cert("127.0.0.1", not_before=now - 2 * year, not_after=now - year),
        "future": lambda: authority.issue_cert("127.0.0.1", not_before=now + year, not_after=now + 2 * year),
    }[name]()
    trust = trusting(authority, **trust_more)
    with connecting(trust, context_of(certificate), level="debug") as (transport, peer, life):
        assert transport.connect("https", "127.0.0.1", peer.port) is (flag is None)
        lines = said(life.console)
        assert ("E esp-tls-mbedtls: mbedtls_ssl_handshake returned -0x2700" in lines) is (flag is not None)


def test_an_address_as_common_name_alone_is_accepted_as_mbedtls_does() -> None:
    """OpenSSL would not: it compares addresses with subject alternative names only."""
    pem, key = _self_signed("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with trustme.Blob(key + pem).tempfile() as path:
        context.load_cert_chain(path)
    with connecting(Trust(pem.decode()), context) as (transport, peer, life):
        assert transport.connect("https", "127.0.0.1", peer.port)
        assert said(life.console) == []
    pem, key = _self_signed("127.0.0.2")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with trustme.Blob(key + pem).tempfile() as path:
        context.load_cert_chain(path)
    with connecting(Trust(pem.decode()), context) as (transport, peer, life):
        assert not transport.connect("https", "127.0.0.1", peer.port)
        assert said(life.console)[0] == "E esp-tls-mbedtls: mbedtls_ssl_handshake returned -0x2700"


def test_a_common_name_that_matched_once_lets_no_other_certificate_in(authority: trustme.CA) -> None:
    """Also where the handshake in which it was to be looked at failed."""
    by_name, elsewhere = authority.issue_cert(common_name="127.0.0.1"), authority.issue_cert("localhost")
    script = answering(response(b"body"))
    with (
        serve_with(script, context_of(elsewhere)) as other,
        connecting(trusting(authority), context_of(by_name), script) as (transport, peer, life),
    ):
        for _ in range(2):
            assert transport.connect("https", "127.0.0.1", peer.port)
            assert not transport.connect("https", "127.0.0.1", other.port)
            assert "E esp-tls-mbedtls: mbedtls_ssl_handshake returned -0x2700" in said(life.console)
    with (
        _turning_away_after_one(context_of(by_name)) as port,
        connecting(trusting(authority), context_of(elsewhere), script) as (transport, other, _),
    ):
        assert not transport.connect("https", "127.0.0.1", port)
        assert not transport.connect("https", "127.0.0.1", other.port)


@contextmanager
def _turning_away_after_one(context: ssl.SSLContext) -> Iterator[int]:
    """A server that does one handshake, and closes the next connection before it."""
    import threading

    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        first, _ = listener.accept()
        with suppress(OSError), context.wrap_socket(first, server_side=True):
            pass
        first.close()
        listener.accept()[0].close()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join()
        listener.close()


def _self_signed(common_name: str) -> tuple[bytes, bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), private


def test_a_bundle_knows_no_authority_of_a_bench(authority: trustme.CA) -> None:
    context = context_of(authority.issue_cert("127.0.0.1"))
    with connecting(Trust(None, bundle=True), context) as (transport, peer, life):
        assert not transport.connect("https", "127.0.0.1", peer.port)
        # this image has none of the bundle's own strings compiled in
        assert said(life.console) == ["E esp-tls-mbedtls: mbedtls_ssl_handshake returned -0x3000", *_FAILED]


def test_an_embedded_file_that_is_no_certificate_is_said() -> None:
    with connecting(Trust("-----BEGIN CERTIFICATE-----\nnothing\n"), None) as (transport, peer, life):
        assert not transport.connect("https", "127.0.0.1", peer.port)
        assert said(life.console)[:3] == [
            "E esp-tls-mbedtls: mbedtls_x509_crt_parse of CA cert returned -0x2180",
            "E esp-tls-mbedtls: Failed to set client configurations, returned [0x8015]"
            " (ESP_ERR_MBEDTLS_X509_CRT_PARSE_FAILED)",
            "E esp-tls: create_ssl_handle failed",
        ]


# -- handshakes that fail


def test_tls_1_3_is_spoken_only_where_it_is_compiled_in(authority: trustme.CA) -> None:
    context = context_of(authority.issue_cert("127.0.0.1"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with connecting(trusting(authority), context) as (transport, peer, life):
        assert not transport.connect("https", "127.0.0.1", peer.port)
        assert said(life.console)[:2] == [
            "E esp-tls-mbedtls: mbedtls_ssl_handshake returned -0x7780",
            "I esp-tls-mbedtls: Certificate verified.",
        ]
    with connecting(trusting(authority, tls13=True), context) as (transport, peer, _):
        assert transport.connect("https", "127.0.0.1", peer.port)


@contextmanager
def raw_server(answer: bytes | None) -> Iterator[int]:
    """Take one connection, answer the client's first bytes so (None: never), and close it."""
    import threading

    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def take() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(4096)
            if answer is None:
                over.wait(5)
            else:
                connection.sendall(answer)

    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        thread.join()
        listener.close()


@pytest.mark.parametrize(
    ("answer", "code"),
    [(b"", "-0x7280"), (b"HTTP/1.0 400 Bad Request\r\n\r\n", "-0x7200"), (b"\x15\x03\x03\x00\x02\x02\x28", "-0x7780")],
)
def test_a_server_that_speaks_no_tls(authority: trustme.CA, answer: bytes, code: str) -> None:
    with raw_server(answer) as port, live() as life:
        transport = Transport(life.machine, life.running(firmware()).log, trusting(authority), _TIMEOUT_MS)
        assert not transport.connect("https", "127.0.0.1", port)
        assert said(life.console) == [
            f"E esp-tls-mbedtls: mbedtls_ssl_handshake returned {code}",
            "I esp-tls-mbedtls: Certificate verified.",
            *_FAILED,
        ]


def test_a_server_that_never_answers_the_hello(authority: trustme.CA) -> None:
    with raw_server(None) as port, live() as life:
        transport = Transport(life.machine, life.running(firmware()).log, trusting(authority), _TIMEOUT_MS)
        assert not transport.connect("https", "127.0.0.1", port)
        assert said(life.console) == [
            "W esp-tls: Failed to open new connection in specified timeout",
            "E transport_base: Failed to open a new connection",
        ]


def test_nobody_listens() -> None:
    with live() as life:
        transport = Transport(life.machine, life.running(firmware()).log, Trust(None), _TIMEOUT_MS)
        refused = "E esp-tls: [sock=54] delayed connect error: Connection reset by peer"
        assert not transport.connect("https", "127.0.0.1", 1)
        assert said(life.console) == [refused, *_FAILED]
        life.console.raw.clear()
        assert not transport.connect("http", "127.0.0.1", 1)
        assert said(life.console) == [refused, "E transport_base: Failed to open a new connection: 32772"]


def test_a_name_that_nobody_knows() -> None:
    with live() as life:
        transport = Transport(life.machine, life.running(firmware()).log, Trust(None), _TIMEOUT_MS)
        assert not transport.connect("https", "nobody.invalid", 443)
        first = "E esp-tls: couldn't get hostname for :nobody.invalid: getaddrinfo() returns 202, addrinfo=0x0"
        assert said(life.console)[0] == first


# -- connections that end


def _then(end: str) -> Script:
    """Send six bytes, and end the connection in one of three ways."""

    def script(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(b"abcdef")
        if end == "notify":
            assert isinstance(connection, ssl.SSLSocket)
            connection.settimeout(0.05)
            with suppress(OSError):
                connection.unwrap()
        if end == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.socket.close(connection)

    return script


@pytest.mark.parametrize(
    ("end", "first", "errno", "second"),
    [
        # a close_notify leaves errno alone; then the end of the connection is read as lwIP tells it
        ("notify", CLOSED_BY_FIN, 0, (CLOSED_BY_FIN, 128)),
        ("fin", CLOSED_BY_FIN, 128, (-0x4C, 128)),
        ("reset", -0x50, 104, None),
    ],
)
def test_how_a_tls_connection_ends(
    authority: trustme.CA, end: str, first: int, errno: int, second: tuple[int, int] | None
) -> None:
    context = context_of(authority.issue_cert("127.0.0.1"))
    with connecting(trusting(authority), context, _then(end), timeout_ms=1000) as (transport, peer, life):
        assert transport.connect("https", "127.0.0.1", peer.port)
        assert transport.write(b"x\r\n\r\n")
        assert transport.read(4) + transport.read(4) == b"abcdef"  # type: ignore[operator]
        assert (transport.read(4), transport.errno) == (first, errno)
        if second is not None:
            assert (transport.read(4), transport.errno) == second
        if end == "reset":
            assert said(life.console) == [
                "E esp-tls-mbedtls: read error :-0x0050:",
                "E transport_base: esp_tls_conn_read error, errno=Connection reset by peer",
            ]


def test_silence_is_a_timeout_and_costs_the_device_its_time(authority: trustme.CA) -> None:
    context = context_of(authority.issue_cert("127.0.0.1"))

    def silent(_connection: socket.socket, _request: bytes) -> None:
        return

    with connecting(trusting(authority), context, silent) as (transport, peer, life):
        assert transport.connect("https", "127.0.0.1", peer.port)
        before = life.machine.clock.now_ms()
        assert transport.read(512) == TIMEOUT
        assert life.machine.clock.now_ms() - before >= _TIMEOUT_MS


def test_a_network_that_goes_away_is_noticed_by_keep_alive(authority: trustme.CA) -> None:
    context = context_of(authority.issue_cert("127.0.0.1"))
    with connecting(trusting(authority), context, timeout_ms=5000) as (transport, peer, life):
        assert transport.connect("https", "127.0.0.1", peer.port)
        life.machine.network.set_up(False)
        codes = [transport.read(512) for _ in range(4)]
        assert codes == [TIMEOUT, TIMEOUT, TIMEOUT, -0x4C]
        assert transport.errno == 113


def self_signed(name: str, key: rsa.RSAPrivateKey) -> x509.Certificate:
    """As `openssl req -x509 -newkey` of the examples' README makes it: its own issuer, and no CA by extension."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    return builder.sign(key, hashes.SHA256())


@pytest.mark.parametrize(("embedded", "accepted"), [("its own", True), ("of that name", False), ("another", False)])
def test_a_self_signed_certificate_is_believed_where_the_bundle_has_its_name_and_key(
    embedded: str, accepted: bool, tmp_path: Path
) -> None:
    """The bundle keeps no certificates: esp_crt_verify_callback looks for the issuer's name and tries its key."""
    key, other = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    shown = self_signed("127.0.0.1", key)
    known = {"its own": shown, "of that name": self_signed("127.0.0.1", other), "another": self_signed("x", other)}
    file = tmp_path / "server.pem"
    form = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    file.write_bytes(key.private_bytes(*form) + shown.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    spki = known[embedded].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    root = Root(known[embedded].subject.public_bytes(), spki)
    with connecting(Trust(None, bundle=True, roots=(root,)), context) as (transport, peer, life):
        assert transport.connect("https", "127.0.0.1", peer.port) is accepted
        assert ("E esp-tls-mbedtls: mbedtls_ssl_handshake returned -0x3000" in said(life.console)) is not accepted
