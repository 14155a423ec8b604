"""What a virtual build shall be: chip, application, version and options, checked as a whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property

from bench.builds.apps import VirtualApp, app_of
from bench.builds.catalogue import LEVELS
from bench.builds.layouts import Layout, layout_of
from bench.builds.pem import check_certificates, check_private_key
from bench.builds.releases import DEFAULT_RELEASE, RELEASES, line_of
from bench.builds.rodata import Dialect
from bench.builds.signing import Signing
from bench.builds.style import Style
from bench.builds.targets import Target, target_of
from bench.errors import BuildError
from bench.flash.partition_table import TABLE_OFFSET
from bench.images import Behaviour, BootDefect, Defect

__all__ = ["FROM_STDIN", "SWITCHES", "BuildSpec"]

FROM_STDIN = "FROM_STDIN"
"""The URL that tells the examples to read theirs from the console."""

SWITCHES = (
    "EXAMPLE_SKIP_COMMON_NAME_CHECK",
    "EXAMPLE_WIFI_SSID_PWD_FROM_STDIN",
    "ESP_HTTP_CLIENT_ENABLE_BASIC_AUTH",
    "ESP_HTTP_CLIENT_ENABLE_DIGEST_AUTH",
    "MBEDTLS_HAVE_TIME_DATE",
    "MBEDTLS_SSL_PROTO_TLS1_3",
)
"""Symbols that are off by default and leave no string of their own in an application."""

ENCRYPTIONS = ("rsa", "ecies")
"""Schemes of esp_encrypted_img."""

_RECV_TIMEOUT_MS = 5000
_LONGEST_VERSION = 31  # esp_app_desc_t.version is 32 bytes, NUL-terminated
_LONGEST_URL = 255  # OTA_URL_SIZE of the examples, NUL-terminated


@dataclass(frozen=True)
class BuildSpec:
    """What one build shall be; `VirtualBuild` adds how it is made.

    Args:
        chip: esp32, esp32c3 or esp32s3
        app: project name: simple_ota, native_ota, advanced_https_ota or pre_encrypted_ota; or the bench's serial_ota
        version: application version, at most 31 bytes
        ca_pem: certificate that the OTA server's chain must lead to, as PEM
        secure_version: CONFIG_BOOTLOADER_APP_SECURE_VERSION; 0 unless the build has anti-rollback
        url: of the update; FROM_STDIN: read from the console
        layout: two_ota, factory_two_ota, two_ota_large or anti_rollback
        table_offset: CONFIG_PARTITION_TABLE_OFFSET; moves the partitions of stock layouts
        idf_ver: release of ESP-IDF whose words it speaks
        rollback: CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE; None: as the layout has it, where the application confirms
        anti_rollback: CONFIG_BOOTLOADER_APP_ANTI_ROLLBACK; None: as the layout has it
        efuse_virtual: CONFIG_EFUSE_VIRTUAL_KEEP_IN_FLASH; None: where the layout has a partition for it
        version_check: the application refuses its own version
        secure_version_check: with anti-rollback, the application refuses a lower secure version before the download,
            as the stock example does; without, ESP-IDF refuses it at the end
        partial_http_download: CONFIG_EXAMPLE_ENABLE_PARTIAL_HTTP_DOWNLOAD
        http_request_size: CONFIG_EXAMPLE_HTTP_REQUEST_SIZE, bytes of one range of a partial download
        recv_timeout_ms: CONFIG_EXAMPLE_OTA_RECV_TIMEOUT; simple_ota has none
        ota_resumption: CONFIG_EXAMPLE_ENABLE_OTA_RESUMPTION of advanced_https_ota, since v5.5
        cert_bundle: the server is verified by ESP-IDF's certificate bundle, which then holds `ca_pem`; None: as the
            example has it
        bind_interface: CONFIG_EXAMPLE_FIRMWARE_UPGRADE_BIND_IF of simple_ota
        config: further sdkconfig symbols that are on, without CONFIG_, of those in `SWITCHES`
        log_level: error, warn, info or debug
        log_colors: CONFIG_LOG_COLORS; None: as the release has it, on until v5.3
        private_key_pem: RSA-3072 private key of pre_encrypted_ota, as PEM
        style: the application under another name and in other words, as firmware of somebody's own has them
        encryption: scheme of pre_encrypted_ota: rsa, or ecies, whose key is in an eFuse and not in the build
        signing: the application verifies the signature of updates, and is signed itself
        behaviour: see `bench.images.Behaviour`
        defect: which promise the application or the bootloader breaks; None: none

    Raises:
        BuildError: something is unknown, too long or contradicts itself; one line with the mend
    """

    chip: str
    app: str
    version: str
    ca_pem: bytes = field(repr=False)
    secure_version: int = 0
    url: str = FROM_STDIN
    layout: str = "two_ota"
    table_offset: int = TABLE_OFFSET
    idf_ver: str = DEFAULT_RELEASE
    rollback: bool | None = None
    anti_rollback: bool | None = None
    efuse_virtual: bool | None = None
    version_check: bool = True
    secure_version_check: bool = True
    partial_http_download: bool = False
    http_request_size: int = 16384
    recv_timeout_ms: int = _RECV_TIMEOUT_MS
    ota_resumption: bool = False
    cert_bundle: bool | None = None
    bind_interface: bool = False
    config: tuple[str, ...] = ()
    log_level: str = "info"
    log_colors: bool | None = None
    private_key_pem: bytes | None = field(default=None, repr=False)
    style: Style | None = None
    encryption: str = "rsa"
    signing: Signing | None = None
    behaviour: str = Behaviour.SOUND
    defect: Defect | BootDefect | None = None

    def __post_init__(self) -> None:
        self._check_names()
        self._check_texts()
        self._check_security()
        self._check_example()

    @property
    def project_name(self) -> str:
        return self.app if self.style is None else self.style.project_name

    @property
    def target(self) -> Target:
        return target_of(self.chip)

    @property
    def virtual_app(self) -> VirtualApp:
        return app_of(self.app)

    @property
    def partition_layout(self) -> Layout:
        return replace(layout_of(self.layout), table_offset=self.table_offset)

    @property
    def has_anti_rollback(self) -> bool:
        return self.partition_layout.anti_rollback if self.anti_rollback is None else self.anti_rollback

    @property
    def has_rollback(self) -> bool:
        """Kconfig: anti-rollback depends on it."""
        if self.rollback is None:
            return self.has_anti_rollback or (self.partition_layout.rollback and self.virtual_app.confirms)
        return self.rollback

    @property
    def has_efuse_virtual(self) -> bool:
        if self.efuse_virtual is None:
            return self.partition_layout.table.emul_efuse is not None
        return self.efuse_virtual

    @property
    def has_cert_bundle(self) -> bool:
        return self.virtual_app.cert_bundle if self.cert_bundle is None else self.cert_bundle

    @property
    def has_log_colors(self) -> bool:
        """Kconfig of components/log: since v5.4 colours are left to the monitor."""
        return line_of(self.idf_ver) < (5, 4) if self.log_colors is None else self.log_colors

    @property
    def has_version_check(self) -> bool:
        return self.version_check and self.virtual_app.checks_version

    @property
    def has_ecies(self) -> bool:
        return self.virtual_app.needs_private_key and self.encryption == "ecies"

    @property
    def url_from_stdin(self) -> bool:
        return self.url == FROM_STDIN

    @cached_property
    def dialect(self) -> Dialect:
        """Which strings the application has, and their form."""
        switches = {
            "rollback": self.has_rollback,
            "anti_rollback": self.has_anti_rollback,
            "efuse_virtual": self.has_efuse_virtual,
            "url_from_stdin": self.url_from_stdin,
            "version_check": self.has_version_check,
            "no_secure_version_check": not self.secure_version_check,
            "partial_http_download": self.partial_http_download,
            "ota_resumption": self.ota_resumption,
            "cert_bundle": self.has_cert_bundle,
            "bind_interface": self.bind_interface,
            "wifi_from_stdin": "EXAMPLE_WIFI_SSID_PWD_FROM_STDIN" in self.config,
        }
        switches["ecies"] = self.has_ecies
        options = frozenset(name for name, on in switches.items() if on)
        if self.signing is not None:
            options |= self.signing.options
        return Dialect(self.idf_ver, self.chip, options, self.log_level, self.has_log_colors)

    @cached_property
    def fingerprint(self) -> bytes:
        """32 bytes that differ between any two different builds; stands in for the ELF file's SHA-256."""
        told = (self, hashlib.sha256(self.ca_pem).hexdigest(), hashlib.sha256(self.private_key_pem or b"").hexdigest())
        return hashlib.sha256(repr(told).encode()).digest()

    def _check_names(self) -> None:
        target_of(self.chip)
        app_of(self.app)
        layout_of(self.layout)
        if self.idf_ver not in RELEASES:
            raise BuildError(f"ESP-IDF release {self.idf_ver!r}: the bench speaks as {', '.join(RELEASES)}")
        if line_of(self.idf_ver) < self.virtual_app.since:
            raise BuildError(f"{self.app} is no example of ESP-IDF {self.idf_ver}: take a later release")
        if self.log_level not in LEVELS:
            raise BuildError(f"log level {self.log_level!r}: expected one of {', '.join(LEVELS)}")
        if self.behaviour not in list(Behaviour):
            known = ", ".join(repr(str(one)) for one in Behaviour)
            raise BuildError(f"behaviour {self.behaviour!r}: expected one of {known}")

    def _check_texts(self) -> None:
        length = len(self.version.encode())
        if not 1 <= length <= _LONGEST_VERSION or not self.version.isprintable():
            raise BuildError(
                f"version {self.version!r} ({length} bytes): expected 1 to {_LONGEST_VERSION} printable bytes"
            )
        if self.url_from_stdin:
            return
        if not self.url.startswith(("https://", "http://")) or not self.url.isascii() or not self.url.isprintable():
            raise BuildError(f"URL {self.url!r}: expected https://…, http://… or {FROM_STDIN}")
        if len(self.url) > _LONGEST_URL:
            raise BuildError(f"URL of {len(self.url)} bytes: the examples take {_LONGEST_URL}")

    def _check_security(self) -> None:
        check_certificates(self.ca_pem)
        if self.signing is not None:
            self.signing.check(self.chip)
        if self.encryption not in ENCRYPTIONS:
            raise BuildError(f"encryption {self.encryption!r}: expected one of {', '.join(ENCRYPTIONS)}")
        if self.has_ecies and self.chip == "esp32":
            raise BuildError("encryption ecies: the esp32 has no HMAC peripheral to keep the key; take rsa")
        if self.virtual_app.needs_private_key and not self.has_ecies:
            if self.private_key_pem is None:
                raise BuildError(f"{self.app} embeds an RSA private key: give one (--private-key FILE)")
            check_private_key(self.private_key_pem)
        elif self.private_key_pem is not None:
            raise BuildError("this build embeds no private key: leave it out, or build pre_encrypted_ota with RSA")
        if self.has_anti_rollback and not self.has_rollback:
            raise BuildError("anti-rollback needs rollback: leave out --no-rollback, or choose another layout")
        if self.has_anti_rollback and self.partition_layout.table.factory is not None:
            raise BuildError(f"layout {self.layout}: anti-rollback allows no factory partition; take anti_rollback")
        if self.has_efuse_virtual and self.partition_layout.table.emul_efuse is None:
            raise BuildError(f"layout {self.layout}: has no partition for emulated eFuses; take anti_rollback")
        most = self.target.secure_version_bits
        if not 0 <= self.secure_version <= most:
            raise BuildError(f"secure version {self.secure_version}: the {self.chip} counts from 0 to {most}")
        if self.secure_version and not self.has_anti_rollback:
            raise BuildError(
                f"secure version {self.secure_version}: the build has no anti-rollback; take --layout anti_rollback"
            )

    def _check_example(self) -> None:
        for symbol in self.config:
            if symbol not in SWITCHES:
                raise BuildError(f"CONFIG_{symbol}: the bench can switch on {', '.join(SWITCHES)}")
        if self.partial_http_download and not self.virtual_app.partial_download:
            raise BuildError(f"{self.app} downloads in one piece: leave out partial download, or build another example")
        if not 1024 <= self.http_request_size <= 4 * 1024 * 1024:
            raise BuildError(f"request size {self.http_request_size}: expected 1024 bytes to 4 MiB")
        if self.app == "simple_ota" and self.recv_timeout_ms != _RECV_TIMEOUT_MS:
            raise BuildError("simple_ota waits 5000 ms for an answer: only the other examples can be told a time")
        if not 1 <= self.recv_timeout_ms <= 600_000:
            raise BuildError(f"time-out {self.recv_timeout_ms} ms: expected 1 to 600000")
        if self.ota_resumption and (self.app != "advanced_https_ota" or line_of(self.idf_ver) < (5, 5)):
            raise BuildError(
                f"{self.app} of ESP-IDF {self.idf_ver} resumes nothing: advanced_https_ota does since v5.5"
            )
        if self.bind_interface and self.app != "simple_ota":
            raise BuildError(f"{self.app} binds to no interface: only simple_ota does")
