"""mbedTLS's error codes, without their sign, and which of them stands for a failure of OpenSSL.

Sources: mbedtls/include/mbedtls/{ecp,ssl,x509,net_sockets}.h; psa/crypto_values.h.
"""

from __future__ import annotations

import ssl

from bench.virtual.idf import errnos

__all__ = ["handshake_code"]

NET_RECV_FAILED = 0x004C
NET_CONN_RESET = 0x0050
X509_INVALID_FORMAT = 0x2180
X509_CERT_VERIFY_FAILED = 0x2700
X509_FATAL_ERROR = 0x3000
ECP_VERIFY_FAILED = 0x4E00
SSL_BAD_PROTOCOL_VERSION = 0x6E80
SSL_INVALID_RECORD = 0x7200
SSL_CONN_EOF = 0x7280
SSL_FATAL_ALERT_MESSAGE = 0x7780
SSL_PEER_CLOSE_NOTIFY = 0x7880

PSA_ERROR_INVALID_SIGNATURE = -149
"""With its sign, as PSA's codes are told."""


def handshake_code(failure: OSError) -> int:
    """What mbedtls_ssl_handshake would have returned, without the sign."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        return X509_CERT_VERIFY_FAILED
    if errnos.is_bare_end(failure):
        return SSL_CONN_EOF
    if isinstance(failure, ssl.SSLZeroReturnError):
        return SSL_PEER_CLOSE_NOTIFY
    if isinstance(failure, ssl.SSLError):
        reason = failure.reason or ""
        if "ALERT" in reason:
            return SSL_FATAL_ALERT_MESSAGE
        return SSL_BAD_PROTOCOL_VERSION if reason == "UNSUPPORTED_PROTOCOL" else SSL_INVALID_RECORD
    return NET_CONN_RESET if errnos.of_host(failure) == errnos.ECONNRESET else NET_RECV_FAILED
