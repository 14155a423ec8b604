"""The ESP-IDF releases in whose words virtual firmware can be written."""

from __future__ import annotations

from bench.errors import BuildError

__all__ = ["DEFAULT_RELEASE", "RELEASES", "Line", "line_of"]

Line = tuple[int, int]
"""A release line, e.g. ``(5, 1)`` for every v5.1.x; wording does not change within one."""

RELEASES: tuple[str, ...] = ("v4.4.8", "v5.1.4", "v5.3.1", "v5.5", "v6.0")
DEFAULT_RELEASE = "v5.3.1"


def line_of(idf_ver: str) -> Line:
    """The line of a release: ``(5, 1)`` for ``"v5.1.4"``, and for the line's own name ``"v5.1"``.

    Raises:
        BuildError: it does not look like a version of ESP-IDF
    """
    numbers = idf_ver.removeprefix("v").split(".")
    if not idf_ver.startswith("v") or len(numbers) < 2 or not all(part.isdigit() for part in numbers[:2]):
        raise BuildError(f"ESP-IDF release {idf_ver!r}: expected one of {', '.join(RELEASES)}")
    return int(numbers[0]), int(numbers[1])
