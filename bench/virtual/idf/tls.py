"""A connection as esp_http_client sees it: tcp_transport over esp-tls over mbedTLS, on the host's sockets.

Sources: components/tcp_transport/transport_ssl.c, components/esp-tls/esp_tls.c and esp_tls_mbedtls.c,
components/mbedtls/port/net_sockets.c. TLS is OpenSSL's; its failures are told in mbedTLS's codes.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass

from bench.images import Defect
from bench.virtual.idf import errnos, mbedtls, x509
from bench.virtual.idf.crt_bundle import Root, anchors_of, is_root
from bench.virtual.idf.err import EspErr
from bench.virtual.log import Log
from bench.virtual.machine import Machine

__all__ = ["CLOSED_BY_FIN", "TIMEOUT", "Transport", "Trust"]

TIMEOUT = 0
"""ERR_TCP_TRANSPORT_CONNECTION_TIMEOUT"""
CLOSED_BY_FIN = -1
"""ERR_TCP_TRANSPORT_CONNECTION_CLOSED_BY_FIN"""
_FAILED = -2
"""ERR_TCP_TRANSPORT_CONNECTION_FAILED"""

_TLS_TAG = "esp-tls"
_MBEDTLS_TAG = "esp-tls-mbedtls"
_BUNDLE_TAG = "esp-x509-crt-bundle"

_SOCKET = 54
"""The first socket that lwIP gives: FD_SETSIZE less CONFIG_LWIP_MAX_SOCKETS."""
_CIPHERS = "ECDHE+AES:RSA+AES:@SECLEVEL=1"
"""As in a default mbedTLS of ESP-IDF: also CBC with SHA-1, which is all that servers before TLS 1.2 have."""
_RECORD = 16384
_KEEP_ALIVE_MS = 20_000
"""Idle 5 s, then 3 probes 5 s apart (esp_http_client.c), and lwIP gives a dead connection up."""

_CRT_PARSE_FAILED = 0x8015
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME


@dataclass(frozen=True)
class Trust:
    """What the firmware was built to trust.

    Args:
        ca_pem: the embedded certificates, or None
        bundle: is ESP-IDF's certificate bundle used instead?
        roots: the authorities in that bundle
        check_name: compare the certificate's names with the URL's host
        check_time: CONFIG_MBEDTLS_HAVE_TIME_DATE, off in ESP-IDF: then certificates never expire
        tls13: CONFIG_MBEDTLS_SSL_PROTO_TLS1_3, off in ESP-IDF: then TLS 1.2 it is
        anyone: verify nothing, as CONFIG_ESP_TLS_SKIP_SERVER_CERT_VERIFY
    """

    ca_pem: str | None
    bundle: bool = False
    roots: tuple[Root, ...] = ()
    check_name: bool = True
    check_time: bool = False
    tls13: bool = False
    anyone: bool = False


class Transport:
    """One connection at a time to a server, `http` or `https`.

    Attributes:
        errno: what errno is after a read, in newlib's numbers
    """

    def __init__(self, machine: Machine, log: Log, trust: Trust, timeout_ms: int, defect: Defect | None = None) -> None:
        self._defect = defect
        self._machine = machine
        self._log = log
        self._trust = trust
        self._timeout_ms = timeout_ms
        self._tag = "transport_base" if log.release.at_least(5) else "TRANSPORT_BASE"
        self._context: ssl.SSLContext | None = None
        self._socket: socket.socket | None = None
        self._left: list[socket.socket] = []
        self._pending = b""
        self._at = 0
        self._notified = False
        self._ended = False
        self._again = False
        self._silent_ms = 0
        self.errno = 0

    # -- connecting

    def connect(self, scheme: str, host: str, port: int) -> bool:
        """esp_transport_connect: False after the lines that say why not; a connection that is there is not closed."""
        if self._socket is not None:
            self._left.append(self._socket)
        self._forget()
        secure = scheme == "https"
        error = self._connect(secure, host, port)
        if error is None:
            return True
        if secure:
            if error != EspErr.ESP_ERR_TIMEOUT:
                self._log.error(_TLS_TAG, "Failed to open new connection")
            self._log.error(self._tag, "Failed to open a new connection")
        else:
            self._log.error(self._tag, f"Failed to open a new connection: {error}")
        return False

    def _connect(self, secure: bool, host: str, port: int) -> int | None:
        plain = self._open(host, port)
        if isinstance(plain, int):
            return plain
        if not secure:
            self._socket = plain
            return None
        context = self._tls_context()
        if context is None:
            plain.close()
            return _CRT_PARSE_FAILED
        try:
            self._socket = self._handshake(plain, context, host, port)
        except OSError as failure:  # ssl.SSLError is one
            return self._handshake_failed(failure)
        if self._trust.bundle:
            self._log.info(_BUNDLE_TAG, "Certificate validated")
        self._machine.clock.sleep(80)
        return None

    def _open(self, host: str, port: int) -> socket.socket | int:
        """tcp_connect of esp_tls.c."""
        try:
            return self._machine.network.connect(host, port, self._timeout_ms)
        except socket.gaierror:
            self._log.error(_TLS_TAG, f"couldn't get hostname for :{host}: getaddrinfo() returns 202, addrinfo=0x0")
            return EspErr.ESP_ERR_ESP_TLS_CANNOT_RESOLVE_HOSTNAME
        except TimeoutError:
            self._machine.clock.wait_rest(self._timeout_ms)
            self._log.error(_TLS_TAG, f"[sock={_SOCKET}] select() timeout")
            return EspErr.ESP_ERR_ESP_TLS_CONNECTION_TIMEOUT
        except OSError as error:
            number = errnos.of_host(error)
            how = "connect() error" if number == errnos.EHOSTUNREACH else "delayed connect error"
            self._log.error(_TLS_TAG, f"[sock={_SOCKET}] {how}: {errnos.strerror(number)}")
            return EspErr.ESP_ERR_ESP_TLS_FAILED_CONNECT_TO_HOST

    def _tls_context(self) -> ssl.SSLContext | None:
        """set_client_config of esp_tls_mbedtls.c; None where the embedded certificate is none."""
        if self._context is not None:
            return self._context
        trust = self._trust
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = trust.check_name and not trust.anyone
        if trust.anyone:
            context.verify_mode = ssl.CERT_NONE
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        if self._defect is Defect.TRUST_ANY_NAME:
            context.check_hostname = False
        if not trust.check_time or self._defect is Defect.TRUST_ANY_DATE:
            context.verify_flags = ssl.VerifyFlags(int(context.verify_flags) | _NO_CHECK_TIME)
        context.set_ciphers(_CIPHERS)
        # Python's builds differ in what they leave to the system's OpenSSL; mbedTLS knows neither.
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        if not trust.tls13:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        if trust.bundle:
            anchors = anchors_of(trust.roots)
            if anchors:
                context.load_verify_locations(cadata=anchors)
        elif trust.ca_pem is not None:
            try:
                context.load_verify_locations(cadata=trust.ca_pem)
            except (ssl.SSLError, ValueError):
                code = f"-0x{mbedtls.X509_INVALID_FORMAT:04X}"
                self._log.error(_MBEDTLS_TAG, f"mbedtls_x509_crt_parse of CA cert returned {code}")
                self._log.error(
                    _MBEDTLS_TAG,
                    f"Failed to set client configurations, returned [0x{_CRT_PARSE_FAILED:04X}]"
                    " (ESP_ERR_MBEDTLS_X509_CRT_PARSE_FAILED)",
                )
                self._log.error(_TLS_TAG, "create_ssl_handle failed")
                return None
        self._context = context
        return context

    def _handshake(self, plain: socket.socket, context: ssl.SSLContext, host: str, port: int) -> ssl.SSLSocket:
        network = self._machine.network
        try:
            secured = network.secure(plain, context, host)
        except ssl.SSLCertVerificationError as error:
            if error.verify_code == x509.SELF_SIGNED_LEAF and self._trust_root_as_leaf(context, host, port):
                return self._handshake(network.connect(host, port, self._timeout_ms), context, host, port)
            if error.verify_code not in x509.NAME_MISMATCHES or not x509.is_address(host):
                raise
            # OpenSSL never matches an address with a Common Name, mbedTLS does: look at the certificate.
            context.check_hostname = False
            try:
                again = network.secure(network.connect(host, port, self._timeout_ms), context, host)
            finally:
                context.check_hostname = True  # mbedTLS compares the name at every handshake
            certificate = again.getpeercert()
            if certificate is None or not x509.common_name_matches(certificate, host):
                again.close()
                raise
            secured = again
        # An end within a record must be told from a close_notify; typeshed does not know the attribute.
        secured.suppress_ragged_eofs = False  # type: ignore[attr-defined]
        return secured

    def _trust_root_as_leaf(self, context: ssl.SSLContext, host: str, port: int) -> bool:
        """Whether the server showed an authority of the bundle as its own certificate, which `context` then trusts."""
        if not self._trust.bundle:
            return False
        look = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        look.check_hostname = False
        look.verify_mode = ssl.CERT_NONE
        look.set_ciphers(_CIPHERS)
        look.minimum_version = context.minimum_version
        look.options = context.options
        look.maximum_version = context.maximum_version
        network = self._machine.network
        with network.secure(network.connect(host, port, self._timeout_ms), look, host) as seen:
            leaf = seen.getpeercert(binary_form=True)
        if leaf is None or not is_root(leaf, self._trust.roots):
            return False
        context.load_verify_locations(cadata=leaf)
        return True

    def _handshake_failed(self, failure: OSError) -> int:
        """esp_mbedtls_handshake."""
        self._machine.check()
        if isinstance(failure, TimeoutError) and self._defect is Defect.HANDSHAKE_FOR_EVER:
            self._machine.idle()
        if isinstance(failure, TimeoutError):
            self._machine.clock.wait_rest(self._timeout_ms)
            self._log.warn(_TLS_TAG, "Failed to open new connection in specified timeout")
            return EspErr.ESP_ERR_TIMEOUT
        flags = 0
        code = mbedtls.handshake_code(failure)
        if isinstance(failure, ssl.SSLCertVerificationError):
            flags = x509.flags_of_openssl(failure.verify_code)
            if self._trust.bundle and flags == x509.NOT_TRUSTED:
                code = mbedtls.X509_FATAL_ERROR
                self._bundle_refuses(matched=failure.verify_code == x509.BAD_SIGNATURE)
        self._log.error(_MBEDTLS_TAG, f"mbedtls_ssl_handshake returned -0x{code:04X}")
        if self._trust.ca_pem is not None:
            if flags:
                self._log.info(_MBEDTLS_TAG, "Failed to verify peer certificate!")
                self._log.debug(_MBEDTLS_TAG, f"verification info: {x509.verify_info(flags)}")
            else:
                self._log.info(_MBEDTLS_TAG, "Certificate verified.")
        return EspErr.ESP_FAIL

    def _bundle_refuses(self, *, matched: bool) -> None:
        """esp_crt_verify_callback and esp_crt_check_signature; each release has its own of these wordings.

        Args:
            matched: an authority of the bundle has the name of the issuer, but not the key; taken to be an EC key
        """
        if matched:
            invalid = mbedtls.PSA_ERROR_INVALID_SIGNATURE
            for said in (
                f"PK verify failed with error {-mbedtls.ECP_VERIFY_FAILED & 0xFFFFFFFF:X}",
                f"PK verify failed with error 0x{mbedtls.ECP_VERIFY_FAILED:x}",
                f"PSA signature verification failed with error 0x{invalid & 0xFFFFFFFF:x} (decimal: {invalid})",
                "Certificate matched but signature verification failed",
            ):
                self._log.error(_BUNDLE_TAG, said)
        else:
            self._log.info(_BUNDLE_TAG, "No matching trusted root certificate found")
        self._log.error(_BUNDLE_TAG, "Failed to verify certificate")

    # -- traffic

    def write(self, data: bytes) -> bool:
        """esp_transport_write of all of `data`."""
        if self._socket is None:
            return False
        try:
            self._socket.sendall(data)
        except OSError as error:
            self._machine.check()
            self.errno = errnos.of_host(error)
            what = "esp_tls_conn_write" if isinstance(self._socket, ssl.SSLSocket) else "tcp_write"
            self._log.error(self._tag, f"{what} error, errno={errnos.strerror(self.errno)}")
            return False
        return True

    def read(self, limit: int, *, again: bool = False) -> bytes | int:
        """esp_transport_read: up to `limit` bytes; else `TIMEOUT`, `CLOSED_BY_FIN` or a lower number.

        Args:
            again: the caller asks again after a timeout, see `Clock.wait_limit`
        """
        if self._at >= len(self._pending):
            self.errno = 0
            if again is not self._again and self._socket is not None:
                self._again = again
                self._socket.settimeout(self._machine.clock.wait_limit(self._timeout_ms, again=again))
            received = self._receive()
            if isinstance(received, int):
                return received
            self._pending, self._at = received, 0
        data = self._pending[self._at : self._at + limit]
        self._at += len(data)
        return data

    def _receive(self) -> bytes | int:
        connection = self._socket
        if connection is None:
            return _FAILED
        if self._ended:
            return self._failed(errnos.ENOTCONN)
        try:
            # A look at the bare socket first: OpenSSL tells neither FIN nor RST from other ends of a connection.
            there = not isinstance(connection, ssl.SSLSocket) or connection.pending() > 0
            there = there or socket.socket.recv(connection, 1, socket.MSG_PEEK) != b""
            if not there or self._notified:  # behind a close_notify comes nothing but the end
                self._machine.check()
                return self._end()
            data = connection.recv(_RECORD)
        except TimeoutError:
            self._machine.check()
            return self._silence()
        except ssl.SSLError as error:
            self._machine.check()
            if errnos.is_bare_end(error):
                return self._end()
            return self._read_error(mbedtls.SSL_FATAL_ALERT_MESSAGE)
        except OSError as error:
            self._machine.check()
            if not self._machine.network.up:
                return self._silence()
            return self._failed(errnos.of_host(error))
        self._machine.check()
        if data:
            self._silent_ms = 0
            return data
        if isinstance(connection, ssl.SSLSocket) and self._machine.network.up:
            self._notified = True
            return CLOSED_BY_FIN
        return self._end()

    def _end(self) -> int:
        """FIN: lwIP's recv returns 0 and leaves ENOTCONN; every further call fails."""
        if not self._machine.network.up:
            return self._silence()
        self._ended = True
        self.errno = errnos.ENOTCONN
        return CLOSED_BY_FIN

    def _silence(self) -> int:
        """Nothing came in time; without a network keep-alive gives the connection up in the end."""
        if self._machine.network.up:
            self._machine.clock.wait_rest(self._timeout_ms)
            return TIMEOUT
        if self._defect is Defect.NO_KEEP_ALIVE:
            self._machine.idle()
        self._machine.clock.sleep(self._timeout_ms)  # the host's socket was shut down and did not wait
        self._silent_ms += self._timeout_ms
        return self._failed(errnos.ECONNABORTED) if self._silent_ms >= _KEEP_ALIVE_MS else TIMEOUT

    def _failed(self, number: int) -> int:
        self.errno = number
        if isinstance(self._socket, ssl.SSLSocket):
            return self._read_error(mbedtls.NET_CONN_RESET if number == errnos.ECONNRESET else mbedtls.NET_RECV_FAILED)
        self._log.error(self._tag, f"tcp_read error, errno={errnos.strerror(number)}")
        return _FAILED

    def _read_error(self, code: int) -> int:
        """esp_mbedtls_read; the firmware has one of two wordings, the later without the second colon (v5.5)."""
        self._log.error(_MBEDTLS_TAG, f"read error :-0x{code:04X}:")
        self._log.error(_MBEDTLS_TAG, f"read error :-0x{code:04X}")
        self._log.error(self._tag, f"esp_tls_conn_read error, errno={errnos.strerror(self.errno)}")
        return -code

    @property
    def ended(self) -> bool:
        """Has the other side closed the connection?"""
        return self._ended or self._notified

    def close(self) -> None:
        """esp_transport_close; on the host also of what `connect` left open, which a device loses for ever."""
        for one in (self._socket, *self._left):
            if one is not None:
                with suppress(OSError):
                    one.close()
        self._left = []
        self._forget()

    def _forget(self) -> None:
        self._socket = None
        self._pending, self._at = b"", 0
        self._notified = self._ended = self._again = False
        self._silent_ms = 0
