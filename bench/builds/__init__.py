"""ESP-IDF build directories: read what ESP-IDF built, and write builds where there is no ESP-IDF."""

from __future__ import annotations

from bench.builds.build import Build, FlashFile
from bench.builds.spec import FROM_STDIN
from bench.builds.virtual_build import VirtualBuild, write_build

__all__ = ["FROM_STDIN", "Build", "FlashFile", "VirtualBuild", "write_build"]
