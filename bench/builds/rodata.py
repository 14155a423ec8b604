"""Read-only data as ESP-IDF's compilers lay it out: the strings of a build, each NUL-terminated and word-aligned.

The log macros of components/log/include/esp_log.h (LOG_FORMAT) wrap colour, level, timestamp, tag and newline around
every format at compile time, so this is the form in which a real image holds them, too.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass

from bench.builds.catalogue import vocabulary
from bench.builds.releases import Line, line_of

__all__ = ["COMPILE_DATE", "COMPILE_TIME", "Dialect", "component_strings", "filler", "packed"]

# A build's output must not depend on when it was made.
COMPILE_DATE = "Jan  1 2025"
COMPILE_TIME = "12:00:00"

_COLOURS = {"E": "\x1b[0;31m", "W": "\x1b[0;33m", "I": "\x1b[0;32m"}
_RESET = "\x1b[0m"

_LONG_UINT32: Line = (5, 0)
"""Since then uint32_t is `unsigned long`, and PRIu32 "lu"; before it was `unsigned int`, and PRIu32 "u"."""
_LONG = re.compile(r"%([-+ #0]*\d*)(?<!l)l([duxX])")


@dataclass(frozen=True)
class Dialect:
    """What decides which strings are compiled in, and their form.

    Args:
        idf_ver: release of ESP-IDF
        chip: target
        options: names as the files under `strings/` use them in `when`
        log_level: CONFIG_LOG_DEFAULT_LEVEL: error, warn, info or debug
        log_colors: CONFIG_LOG_COLORS
    """

    idf_ver: str
    chip: str
    options: frozenset[str]
    log_level: str = "info"
    log_colors: bool = True

    def log_format(self, level: str, text: str) -> str:
        """The C string of one log statement; level P is text without the macros' wrapping."""
        text = text.replace("{DATE}", COMPILE_DATE).replace("{TIME}", COMPILE_TIME)
        early = line_of(self.idf_ver) < _LONG_UINT32
        if early:
            text = _LONG.sub(r"%\1\2", text)
        if level == "P":
            return text
        colour = _COLOURS.get(level, "") if self.log_colors else ""
        reset = _RESET if self.log_colors else ""
        return f"{colour}{level} ({'%u' if early else '%lu'}) %s: {text}{reset}\n"


def component_strings(dialect: Dialect, group: str, components: Iterable[str]) -> list[str]:
    """Tags and log formats that these components bring into an image, each once, in their order."""
    line = line_of(dialect.idf_ver)
    found: dict[str, None] = {}
    for component in components:
        words = vocabulary(group, component)
        compiled = [
            dialect.log_format(one.level, one.text)
            for one in words.strings
            if one.compiled(line, dialect.chip, dialect.options, dialect.log_level)
        ]
        found.update(dict.fromkeys([*(words.tags if compiled else ()), *compiled]))
    return list(found)


def packed(strings: Iterable[str | bytes]) -> bytes:
    """The strings one after the other, each with its NUL and zeros up to a multiple of 4 bytes."""
    parts = []
    for one in strings:
        data = (one.encode() if isinstance(one, str) else one) + b"\0"
        parts.append(data + bytes(-len(data) % 4))
    return b"".join(parts)


def filler(size: int, seed: str) -> bytes:
    """`size` bytes in place of compiled code and tables; about half of them compress away, as of real code."""
    source = random.Random(seed)
    blocks = []
    for _ in range(-(-size // 64)):
        blocks.append(source.randbytes(32))
        blocks.append(bytes(source.choices(b"\x00\x06\x81\xf4", k=4)) * 8)
    return b"".join(blocks)[:size]
