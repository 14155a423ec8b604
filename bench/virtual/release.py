"""Which ESP-IDF release an image was built with, and what differs between releases in the words it prints.

The release is read from `esp_app_desc_t.idf_ver`, which is `git describe` of ESP-IDF: ``"v5.1.4"``,
``"v5.5-dev-1460-gea06535"``, ``"v4.4.1-dirty"``. A development version counts as the release that it leads to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["Release"]

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, order=True)
class Release:
    """One ESP-IDF release; two compare by their numbers alone.

    Args:
        major, minor, patch: numbers, e.g. 5, 1, 4
        text: as the image spells it
    """

    major: int
    minor: int
    patch: int = 0
    text: str = field(default="", compare=False)

    @classmethod
    def parse(cls, text: str) -> Release:
        """Read a version; one that is none (a bare commit) counts as v5.1, with its text kept."""
        found = _VERSION.match(text)
        if found is None:
            return cls(5, 1, 0, text)
        return cls(int(found[1]), int(found[2]), int(found[3] or 0), text)

    def __str__(self) -> str:
        return self.text or f"v{self.major}.{self.minor}.{self.patch}"

    def at_least(self, major: int, minor: int = 0, patch: int = 0) -> bool:
        """Is it this release or a later one?"""
        return (self.major, self.minor, self.patch) >= (major, minor, patch)

    def before(self, major: int, minor: int = 0, patch: int = 0) -> bool:
        """Is it an earlier release?"""
        return not self.at_least(major, minor, patch)

    # -- what differs

    @property
    def colours(self) -> bool:
        """CONFIG_LOG_COLORS by default: until v5.3 (components/log/Kconfig)."""
        return self.before(5, 4)

    @property
    def elf_sha_length(self) -> int:
        """CONFIG_APP_RETRIEVE_LEN_ELF_SHA by default: hexadecimal digits shown of the ELF file's SHA-256."""
        return 9 if self.at_least(5, 2) else 16

    @property
    def app_info_tag(self) -> str:
        """Who prints the application information: start-up code, from v5.3 on esp_app_format itself."""
        return "app_init" if self.at_least(5, 3) else "cpu_start"

    @property
    def efuse_info_tag(self) -> str:
        """Who prints the chip revisions and the warning of virtual eFuses."""
        return "efuse_init" if self.at_least(5, 3) else "cpu_start"

    @property
    def sleep_tag(self) -> str:
        """components/esp_hw_support/sleep_gpio.c."""
        return "sleep_gpio" if self.at_least(5, 4) else "sleep"

    def efuse_word(self, word: int) -> str:
        """One register as esp_efuse_utility_debug_dump_single_block prints it (v5.3 lost the space, v5.4 the 0x)."""
        if self.at_least(5, 4):
            return f"{word:08x} "
        return f"0x{word:08x}" if self.at_least(5, 3) else f"0x{word:08x} "
