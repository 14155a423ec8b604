"""The configurations in which ESP-IDF's own tests build the examples: their sdkconfig.ci files, by name.

Source: examples/system/ota/*/sdkconfig.defaults and sdkconfig.ci*. They read their URL from the console, look neither
at the server's name nor at the version, and wait 3 s for an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bench.builds.releases import Line, line_of
from bench.builds.signing import Signing
from bench.errors import BuildError

__all__ = ["VARIANTS", "variant"]

_LARGE: Line = (5, 5)
"""Since then advanced_https_ota and simple_ota are built with CONFIG_PARTITION_TABLE_TWO_OTA_LARGE."""

VARIANTS: Mapping[str, str] = MappingProxyType(
    {
        "default": "sdkconfig.ci",
        "anti_rollback": "secure version 1; the eFuse is emulated, and flash is not encrypted",
        "partial_download": "by ranges, with a debug log",
        "ota_resumption": "goes on where it was broken off (v5.5)",
        "ota_resumption_partial_download": "both",
        "verify_revision": "as default: v5.5 always looks at the chip's revision",
        "spiram": "with external memory, which changes nothing here",
        "tls1_3": "speaks TLS 1.3",
        "tls1_3_only_dynamic": "the same, with dynamic buffers, which change nothing here",
        "on_update_no_sb_rsa": "verifies an RSA signature; needs --signing-key",
        "on_update_no_sb_ecdsa": "verifies an ECDSA signature (version 1, ESP32); needs --signing-key",
    }
)
"""What each is, by name."""

_SCHEMES = {"on_update_no_sb_rsa": "rsa", "on_update_no_sb_ecdsa": "ecdsa_v1"}


def variant(name: str, app: str, idf_ver: str, signing_key: bytes | None = None) -> dict[str, object]:
    """What `BuildSpec` is to be told for a variant of an application.

    Args:
        name: one of `VARIANTS`
        app: project name
        idf_ver: release of ESP-IDF
        signing_key: PEM, for the variants that verify signatures

    Raises:
        BuildError: there is no such variant; it needs a key
    """
    if name not in VARIANTS:
        raise BuildError(f"variant {name!r}: expected one of {', '.join(VARIANTS)}")
    large = line_of(idf_ver) >= _LARGE and app in ("advanced_https_ota", "simple_ota")
    options: dict[str, object] = {
        "layout": "two_ota_large" if large else "factory_two_ota",
        "version_check": False,
        "config": ("EXAMPLE_SKIP_COMMON_NAME_CHECK",),
    }
    if app != "simple_ota":
        options["recv_timeout_ms"] = 3000
    if app == "simple_ota" and name == "default":
        options["bind_interface"] = True
    if name == "anti_rollback":
        # sdkconfig.ci.anti_rollback leaves the bootloader room up to 0xD000.
        options |= {"layout": "anti_rollback", "secure_version": 1, "table_offset": 0xD000}
    if "partial_download" in name:
        options |= {"partial_http_download": True, "log_level": "debug"}
    if name.startswith("tls1_3"):
        options["config"] = ("EXAMPLE_SKIP_COMMON_NAME_CHECK", "MBEDTLS_SSL_PROTO_TLS1_3")
    if "ota_resumption" in name:
        options["ota_resumption"] = True
    if name in _SCHEMES:
        if signing_key is None:
            raise BuildError(f"variant {name} is signed: give a key (--signing-key FILE)")
        options["signing"] = Signing(_SCHEMES[name], signing_key)
        options["table_offset"] = 0xC000  # the signed bootloader's tests leave it more room
    return options
