"""Running a build to its end: idf.py by idf-build-apps, its lines as they come, and what they say when it fails."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from bench.builds.building import runner
from bench.builds.building.esp_idf import python_of
from bench.errors import BuildError

__all__ = ["run"]

_TELLING = re.compile(r"\berror:|^FAILED:|^CMake Error|undefined reference|^ERROR:|will not fit|is too small", re.I)
_SHOWN = 12

_MENDS = (
    (re.compile(r"Python requirements are not satisfied|No module named '(click|esp_idf)"), "run install.sh again"),
    (
        re.compile(r"[Tt]ool doesn't match supported version|compiler.*not found|No CMAKE_C_COMPILER"),
        "run install.sh CHIP",
    ),
    (re.compile(r"app partition is too small|region .* overflowed"), "take a variant with larger slots, or --network"),
    (re.compile(r"[Ff]ailed to resolve component|component registry"), "the component registry has to be reachable"),
    (re.compile(r"No space left on device"), "make room, or give another place to --cache"),
)
"""What a build says, and what to do about it."""


def run(
    environment: Mapping[str, str],
    project: Path,
    chip: str,
    build_dir: Path,
    defaults: Sequence[Path],
    log: Path,
    on_line: Callable[[str], None],
) -> str | None:
    """Build a project, and return None, or what went wrong in the compiler's words.

    Whatever ends this call ends the whole build: an exception in `on_line`, Ctrl-C, or the end of this process.

    Args:
        environment: that of ESP-IDF's tools
        log: is written with everything that is printed

    Raises:
        BuildError: idf-build-apps is not installed
    """
    if importlib.util.find_spec("idf_build_apps") is None:
        raise BuildError("idf-build-apps is not installed: pip install 'ota-bench[build]'")
    order = {
        "app_dir": str(project),
        "target": chip,
        "build_dir": str(build_dir),
        "defaults": [str(path) for path in defaults],
        "python": str(python_of(environment)),
    }
    # -P: modules are not searched for beside the script, whose neighbours have names that others have too.
    words = [sys.executable, "-u", "-P", runner.__file__, json.dumps(order)]
    with (
        log.open("wb") as kept,
        subprocess.Popen(
            words,
            env={**environment, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"},  # ESP-IDF is only read
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            for line in process.stdout:
                kept.write(line)
                on_line(line.decode("utf-8", "replace").rstrip())
            code = process.wait()
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the compilers too
            raise
    return None if code == 0 else _explained(log.read_text("utf-8", "replace"), code)


def _explained(said: str, code: int) -> str:
    """The lines that tell why a build failed, and the mend where it is known."""
    # idf-build-apps says no more than that idf.py failed, and with which arguments.
    lines = [line.rstrip() for line in said.splitlines() if line.strip() and not line.startswith("idf-build-apps:")]
    telling = [line for line in lines if _TELLING.search(line)]
    shown = telling[:_SHOWN] or lines[-_SHOWN:]
    mend = next((mend for pattern, mend in _MENDS if pattern.search(said)), "")
    head = f"idf.py failed{': ' + mend if mend else ''}" if code == 1 else f"idf-build-apps ended with {code}"
    return "\n  ".join([head, *shown])
