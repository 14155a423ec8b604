"""The supply switched by a command of the user's own, and how a tool of the lab is run at all."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence

from bench.boards.board import PowerCommands
from bench.errors import BenchError

__all__ = ["CommandSwitch", "run_tool"]

LIMIT = 30.0
"""Seconds that a tool may take; a relay on a slow network needs one or two."""

_TOLD = 1000
"""Characters of a tool's output that an error quotes."""


def run_tool(
    command: Sequence[str], *, mend: str, seconds: float = LIMIT, environment: Mapping[str, str] | None = None
) -> str:
    """Run a tool to its end and return its standard output.

    It runs in a process group of its own, so that at the limit its children end with it, and so that a Ctrl-C does
    not leave a board half switched.

    Args:
        mend: what to do where the tool is not there
        environment: set for it beside what this process has

    Raises:
        BenchError: it is not there, failed, or took too long
    """
    told = shlex.join(command)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            env=None if environment is None else {**os.environ, **environment},
        )
    except OSError as error:
        raise BenchError(f"cannot run `{told}`: {error.strerror}; {mend}") from error
    with process:
        try:
            out, err = process.communicate(timeout=seconds)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise BenchError(f"`{told}` did not end within {seconds:g} s; it was killed") from error
            raise
    if process.returncode != 0:
        said = "\n".join(part.strip() for part in (out, err) if part.strip())[-_TOLD:] or "it said nothing"
        raise BenchError(f"`{told}` failed (exit code {process.returncode}):\n{said}")
    return out


class CommandSwitch:
    """Exit code 0 means done: there is nothing else to ask.

    The commands are split as a shell splits words, but no shell runs them: write ``sh -c '...'`` for pipes and such.
    """

    def __init__(self, commands: PowerCommands, *, seconds: float = LIMIT) -> None:
        self._commands = commands
        self._seconds = seconds

    def switch(self, on: bool) -> None:
        """Run the one command or the other."""
        text = self._commands.on if on else self._commands.off
        try:
            command = shlex.split(text)
        except ValueError as error:
            raise BenchError(f"power.command: {text!r} cannot be split into words: {error}") from error
        if not command:
            raise BenchError(f"power.command: {'on' if on else 'off'}: the command is empty")
        run_tool(command, mend="check power.command of this board in boards.yaml", seconds=self._seconds)
