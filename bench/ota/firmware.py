"""The firmware under test: a build directory, and what it is able to promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from bench.builds import Build
from bench.ota.dialect import Dialect, dialect_of

__all__ = ["ENABLED_BY", "PROJECTS", "Firmware"]

PROJECTS: Mapping[str, str] = MappingProxyType(
    {
        "advanced_https_ota": "advanced_https_ota",
        "native_ota": "native_ota",
        "pre_encrypted_ota": "pre_encrypted_ota",
        "simple_ota": "simple_ota",
        "serial_ota": "serial_ota",
    }
)
"""App under test by the `project_name` of its `esp_app_desc_t`."""

ENABLED_BY: Mapping[str, str] = MappingProxyType(
    {
        "rollback": "CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE=y",
        "anti_rollback": "CONFIG_BOOTLOADER_APP_ANTI_ROLLBACK=y and CONFIG_EFUSE_VIRTUAL_KEEP_IN_FLASH=y",
        "url_from_stdin": "CONFIG_EXAMPLE_FIRMWARE_UPGRADE_URL_FROM_STDIN=y",
        "any_url": "a URL that can be changed",
        "same_boot": "a URL that is typed on its console",
        "version_check": "CONFIG_EXAMPLE_SKIP_VERSION_CHECK off",
        "partial_download": "CONFIG_EXAMPLE_ENABLE_PARTIAL_HTTP_DOWNLOAD=y",
        "ota_resumption": "CONFIG_EXAMPLE_ENABLE_OTA_RESUMPTION=y",
    }
)
"""What a firmware can be asked to promise, and the sdkconfig lines that make it able to."""


@dataclass(frozen=True)
class Firmware:
    """A build with its abilities, in the words that `needs(...)` uses."""

    build: Build
    behaves: bool = False
    """Is it virtual firmware, which can be told to abort or hang before it confirms itself?"""
    own: Dialect | None = None
    """How it talks, where it is no stock application but a user's own."""
    url: str | None = None
    """The only URL that it can be told, where that was settled before the board starts."""

    @property
    def app(self) -> str:
        """Which application it is, or is to be taken for; the project's own name where the bench does not know it."""
        if self.own is not None:
            return self.own.like
        return PROJECTS.get(self.build.project_name, self.build.project_name)

    @property
    def idf_ver(self) -> str:
        """The ESP-IDF that it was built with, as `git describe` has it; empty where it does not say."""
        description = self.build.image.app_desc
        return description.idf_ver if description is not None else ""

    @property
    def dialect(self) -> Dialect:
        """How it talks. Raises `BenchError` where the bench does not know it."""
        return self.own if self.own is not None else dialect_of(self.app, self.idf_ver)

    @property
    def slot_size(self) -> int:
        """Bytes of an OTA slot: what the largest update may have."""
        return self.build.partition_table.ota_slots[0].size

    @property
    def emulates_efuse(self) -> bool:
        """Are its eFuses emulated in flash (CONFIG_EFUSE_VIRTUAL_KEEP_IN_FLASH)?"""
        return self.build.enabled("EFUSE_VIRTUAL_KEEP_IN_FLASH")

    @cached_property
    def abilities(self) -> frozenset[str]:
        """What its sdkconfig says it can do."""
        config = self.build.sdkconfig
        able = set()
        if config.get("BOOTLOADER_APP_ROLLBACK_ENABLE"):
            able.add("rollback")
        if config.get("BOOTLOADER_APP_ANTI_ROLLBACK"):
            able.add("anti_rollback")
        if self.behaves:
            able.add("behaviour")
        able |= self._stock_abilities() if self.own is None else _own_abilities(self.own)
        return frozenset(able if self.url is None else able - {"any_url"})

    def _stock_abilities(self) -> set[str]:
        """What the examples' own symbols say."""
        config = self.build.sdkconfig
        able = {"any_url", "same_boot"}
        if config.get("EXAMPLE_FIRMWARE_UPGRADE_URL_FROM_STDIN") or config.get("EXAMPLE_FIRMWARE_UPG_URL_FROM_STDIN"):
            able.add("url_from_stdin")
        if self.app not in ("simple_ota", "serial_ota") and not config.get("EXAMPLE_SKIP_VERSION_CHECK"):
            able.add("version_check")
        if config.get("EXAMPLE_ENABLE_PARTIAL_HTTP_DOWNLOAD"):
            able.add("partial_download")
        if config.get("EXAMPLE_ENABLE_OTA_RESUMPTION"):
            able.add("ota_resumption")
        return able


def _own_abilities(dialect: Dialect) -> set[str]:
    able = set(dialect.can)
    if dialect.place.source == "stdin":
        able |= {"url_from_stdin", "same_boot"}
    if dialect.place.source != "compiled_in":
        able.add("any_url")
    return able
