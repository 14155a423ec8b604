"""One build by idf-build-apps, in a process of its own: `python runner.py JSON`.

A process of its own because idf-build-apps reads IDF_PATH when it is imported, and because a build has to end with
whoever asked for it. The JSON object has `app_dir`, `target`, `build_dir`, `defaults` (paths of sdkconfig fragments)
and `python`. What idf.py prints comes out on standard output; exit code 0 when the build succeeded, 1 when not.
Standard input is a lifeline: when it closes, the whole process group is killed.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from importlib import import_module
from typing import Any

__all__ = ["main"]


def _end_with(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)


def _hold_lifeline() -> None:
    """Keep standard input for ourselves, and give what we start an empty one."""
    lifeline = os.dup(0)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def main() -> int:
    """Build, and say how it ended."""
    order, parent = json.loads(sys.argv[1]), os.getppid()
    _hold_lifeline()
    try:
        return _built(order)
    finally:
        if os.getppid() != parent:  # what is printed for it breaks this off, maybe before the lifeline does
            os.killpg(0, signal.SIGKILL)


def _built(order: Mapping[str, Any]) -> int:
    # idf-build-apps runs idf.py with the Python that runs itself, and expects to be installed in ESP-IDF's; here it is
    # installed with the bench, and idf.py needs ESP-IDF's own.
    sys.executable = order["python"]
    library = import_module("idf_build_apps")  # an extra, which need not be there for type checks
    # It would repeat warnings and the log's last lines: what went wrong is said once, by who started this.
    logging.getLogger("idf_build_apps").addHandler(logging.NullHandler())
    logging.getLogger("idf_build_apps").propagate = False
    app = library.CMakeApp(
        order["app_dir"],
        order["target"],
        build_dir=order["build_dir"],
        sdkconfig_defaults_str=";".join(order["defaults"]),
        copy_sdkconfig=True,
    )
    app.build()
    if app.build_comment:
        print(f"idf-build-apps: {app.build_status.value}: {app.build_comment}")
    return 0 if app.build_status.name == "SUCCESS" else 1


if __name__ == "__main__":
    sys.exit(main())
