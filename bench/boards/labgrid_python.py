"""Where labgrid is: a Python of its own, so that the bench keeps the pyserial that esptool was made for.

labgrid installs a fork of pyserial under the same module name. The bench never imports labgrid; small scripts of the
bench (`labgrid_side/`) run in the Python that has it, and talk to the bench by their standard streams.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from bench.errors import BenchError

__all__ = ["VARIABLE", "labgrid_python", "side_script"]

VARIABLE = "OTA_BENCH_LABGRID"

_MEND = (
    "install it into an environment of its own, `python3 -m venv ~/labgrid && ~/labgrid/bin/pip install labgrid`, "
    f"and name that: export {VARIABLE}=~/labgrid/bin/python"
)


def labgrid_python() -> str:
    """The Python executable that can import labgrid.

    `OTA_BENCH_LABGRID` where it is set, else this one where it has labgrid (the extra `ota-bench[labgrid]`), else the
    one that stands beside `labgrid-client` on PATH.

    Raises:
        BenchError: there is none, with how to get one
    """
    if named := os.environ.get(VARIABLE):
        found = shutil.which(os.path.expanduser(named))
        if found is None:
            raise BenchError(f"{VARIABLE} is {named!r}, which is no executable; {_MEND}")
        return found
    if importlib.util.find_spec("labgrid") is not None:
        return sys.executable
    client = shutil.which("labgrid-client")
    if client is not None:
        beside = Path(client).resolve().parent / "python"
        if os.access(beside, os.X_OK):
            return str(beside)
    raise BenchError(f"no labgrid on this machine: {_MEND}")


def side_script(name: str) -> str:
    """Path of one of the scripts that run in labgrid's Python."""
    return str(Path(__file__).parent / "labgrid_side" / f"{name}.py")
