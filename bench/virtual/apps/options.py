"""How an application was configured, read out of its image: embedded files, URL, and `CONFIG_…=…` literals.

A compiler keeps the embedded certificate, key and URL and the log strings of options that are on. Where an option
leaves no trace of its own, images that the bench writes hold it as the literal ``CONFIG_NAME=value``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bench.images import Defect
from bench.virtual.apps.resumption import KEY
from bench.virtual.apps.styled import nvs_of
from bench.virtual.idf.crt_bundle import roots_in
from bench.virtual.idf.tls import Trust
from bench.virtual.rodata import Rodata
from bench.virtual.running import Running

__all__ = ["Options"]

_CERTIFICATES = re.compile(rb"-----BEGIN CERTIFICATE-----\r?\n[^\0]*")
_PRIVATE_KEY = re.compile(rb"-----BEGIN (?:RSA )?PRIVATE KEY-----\r?\n[^\0]*")
_FROM_STDIN = re.compile(rb"(?<![^\0])FROM_STDIN\0")
_URL = re.compile(rb"(?<![^\0])(https?://[!-~]+)\0")
_REQUEST_SIZE = 16384  # CONFIG_EXAMPLE_HTTP_REQUEST_SIZE
_RECV_TIMEOUT_MS = 5000  # CONFIG_EXAMPLE_OTA_RECV_TIMEOUT


@dataclass(frozen=True)
class Options:
    """What the examples' menuconfig settled.

    Args:
        url: compiled in, or None where it is read from the console
        trust: for TLS
        private_key: PEM that opens pre-encrypted images, b"" where there is none
        max_request: bytes asked for at a time in a partial download, None without
        resumes: is an update that was broken off gone on with?
        timeout_ms: of the HTTP client
        nvs: namespace and key of the NVS string that holds the URL, where the firmware has it from there
    """

    url: str | None
    trust: Trust
    private_key: bytes = field(repr=False)
    max_request: int | None
    resumes: bool
    timeout_ms: int
    nvs: tuple[str, str] | None = None

    @classmethod
    def read(cls, running: Running) -> Options:
        """Read them out of the running image."""
        rodata = running.log.rodata
        certificates = rodata.find(_CERTIFICATES)
        key = rodata.find(_PRIVATE_KEY)
        bundle = rodata.has("esp-x509-crt-bundle")
        partial = _on(rodata, "CONFIG_EXAMPLE_ENABLE_PARTIAL_HTTP_DOWNLOAD")
        return cls(
            url=_url(rodata),
            trust=Trust(
                ca_pem=certificates[0].decode("ascii", "replace") if certificates and not bundle else None,
                bundle=bundle,
                roots=roots_in(rodata) if bundle and running.defect is not Defect.BUNDLE_EMPTY else (),
                check_name=not _on(rodata, "CONFIG_EXAMPLE_SKIP_COMMON_NAME_CHECK"),
                check_time=_on(rodata, "CONFIG_MBEDTLS_HAVE_TIME_DATE") or running.defect is Defect.DATES_REQUIRED,
                anyone=running.defect is Defect.TRUST_ANY_SERVER,
                tls13=_on(rodata, "CONFIG_MBEDTLS_SSL_PROTO_TLS1_3") or rodata.has("c hs traffic"),
            ),
            private_key=key[0] if key else b"",
            max_request=_number(rodata, "CONFIG_EXAMPLE_HTTP_REQUEST_SIZE", _REQUEST_SIZE) if partial else None,
            resumes=rodata.has(KEY),
            timeout_ms=_number(rodata, "CONFIG_EXAMPLE_OTA_RECV_TIMEOUT", _RECV_TIMEOUT_MS),
            nvs=nvs_of(rodata),
        )


def _url(rodata: Rodata) -> str | None:
    if rodata.find(_FROM_STDIN):
        return None
    found = rodata.find(_URL)
    return found[1].decode("ascii") if found else ""


def _value(rodata: Rodata, name: str) -> str:
    found = rodata.find(re.compile(rb"(?<![^\0])" + name.encode() + rb"=([ -~]*)\0"))
    return found[1].decode("ascii") if found else ""


def _on(rodata: Rodata, name: str) -> bool:
    return _value(rodata, name) == "y"


def _number(rodata: Rodata, name: str, default: int) -> int:
    value = _value(rodata, name)
    return int(value) if value.isdigit() else default
