"""Run unmodified esptool and espefuse against a virtual board, in a process that knows its URL scheme."""

from __future__ import annotations

import subprocess
import sys

DEADLINE = 60.0
"""Seconds for one run of a tool; all of them need a few at most."""

_LAUNCHER = """
import json, sys
import serial
serial.protocol_handler_packages.append("bench.boards.serialurl")
import esptool, espefuse
for tool, *argv in json.loads(sys.argv[1]):
    print(">", tool, *argv, flush=True)
    {"esptool": esptool.main, "espefuse": espefuse.main}[tool](argv)
"""


def run(*commands: list[str]) -> str:
    """Run commands one after another in one process (starting one takes longer than most commands).

    Args:
        commands: the tool's name and its arguments

    Returns:
        what they printed, standard error included; AssertionError with it where one of them failed
    """
    import json

    done = subprocess.run(
        [sys.executable, "-c", _LAUNCHER, json.dumps(commands)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE,
        check=False,
        env=_plain_environment(),
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _plain_environment() -> dict[str, str]:
    """The environment without what changes how the tools behave, and with output that is not wrapped."""
    import os

    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ESPTOOL_", "ESPEFUSE_"))}
    return {**kept, "NO_COLOR": "1", "COLUMNS": "200", "TERM": "dumb"}
