"""QEMU's machine protocol (QMP): one JSON object a line each way, and events in between."""

from __future__ import annotations

import json
import socket
from typing import Any

from bench.errors import BoardLost

__all__ = ["Monitor"]


class Monitor:
    """A connection that QEMU has opened.

    Args:
        connection: owned from here on; its timeout says how long an answer may take
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")

    def greet(self) -> None:
        """Read the greeting and leave negotiation, after which commands are taken."""
        if "QMP" not in self._next():
            raise BoardLost("what connected does not speak QMP")
        self.execute("qmp_capabilities")

    def execute(self, command: str) -> Any:
        """Run a command without arguments; its answer. Raises `BoardLost` where there is none or it is an error."""
        try:
            self._connection.sendall(json.dumps({"execute": command}).encode() + b"\n")
        except OSError as error:
            raise BoardLost(f"QEMU does not take the command {command!r}: {error}") from error
        while "return" not in (answer := self._next()):
            if "error" in answer:
                raise BoardLost(f"QEMU refused {command!r}: {answer['error'].get('desc')}")
        return answer["return"]

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._connection.close()

    def _next(self) -> dict[str, Any]:
        try:
            line = self._lines.readline()
            message = json.loads(line) if line else None
        except (OSError, ValueError) as error:
            raise BoardLost(f"QEMU's monitor does not answer: {error}") from error
        if not isinstance(message, dict):
            raise BoardLost("QEMU has hung up")
        return message
