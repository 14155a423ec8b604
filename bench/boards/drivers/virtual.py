"""The virtual board as one more driver: its process is started, spoken to over its control channel, and ended.

The channel is one JSON object a line each way over TCP on loopback. It stands for what a lab has beside the serial
port (a power supply, a flash programmer, a network cable); the firmware knows nothing of it.
"""

from __future__ import annotations

import base64
import json
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from bench.boards.board import Board
from bench.boards.drivers.driver import Supply
from bench.boards.serialurl import register
from bench.errors import BoardLost, ExpectationFailed

__all__ = ["VirtualBoard"]

_START_LIMIT = 30.0
"""Seconds the process may take to print its two URLs; it needs a fraction of one on an idle machine."""

_REPLY_LIMIT = 30.0
"""Seconds until a reply of the control channel is overdue."""


class VirtualBoard(Supply):
    """A virtual board's process, from `__enter__` to `__exit__`.

    The process also ends by itself when this one dies: its standard input closes then.
    """

    def __init__(
        self, board: Board, *, flash: Path | None = None, efuse: Path | None = None, realtime: bool = False
    ) -> None:
        super().__init__(board)
        self._flash = flash
        self._efuse = efuse
        self._realtime = realtime or board.realtime
        self._process: subprocess.Popen[str] | None = None
        self._control: socket.socket | None = None
        self._replies: Any = None
        self._lock = threading.Lock()
        self._address = ""

    @property
    def port(self) -> str:
        """A `virtual://` URL: the RFC2217 port of the process, through the bench's own fast pyserial handler."""
        return f"virtual://{self._address}"

    @property
    def url(self) -> str:
        """The same port as an `rfc2217://` URL, for tools in other processes."""
        return f"rfc2217://{self._address}"

    @property
    def supply(self) -> VirtualBoard:
        """A virtual board is its own supply."""
        return self

    def __enter__(self) -> Self:
        register()
        self._process = subprocess.Popen(
            self._command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            # A Ctrl-C at the terminal is for the bench, which then ends the board; a board that vanished first would
            # have everybody wait for its port to come back.
            start_new_session=True,
        )
        try:
            self._address = urlsplit(self._line("rfc2217")).netloc
            control = urlsplit(self._line("control"))
            self._control = socket.create_connection((control.hostname, control.port), timeout=_REPLY_LIMIT)
            self._control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._replies = self._control.makefile("r", encoding="utf-8")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "bench.virtual", "--chip", self.board.chip]
        command += ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--until-stdin-closes"]
        if self._flash is not None:
            command += ["--flash", str(self._flash)]
        if self._efuse is not None:
            command += ["--efuse", str(self._efuse)]
        return [*command, "--realtime"] if self._realtime else command

    def _line(self, scheme: str) -> str:
        """The next line the process prints, which must be a URL of that scheme."""
        assert self._process is not None
        assert self._process.stdout is not None
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        stdout = self._process.stdout
        reader = threading.Thread(target=lambda: lines.put(stdout.readline()), daemon=True)
        reader.start()
        try:
            line = lines.get(timeout=_START_LIMIT).strip()
        except queue.Empty:
            line = ""
        if not line.startswith(f"{scheme}://"):
            raise BoardLost(
                f"the virtual board {self.board.name} did not start: expected its {scheme}:// URL, got {line!r} "
                f"(exit code {self._process.poll()}); run `bench virtual --chip {self.board.chip}` to see why"
            )
        return line

    def _end(self) -> None:
        if self._replies is not None:
            self._replies.close()
        if self._control is not None:
            self._control.close()
        process, self._process, self._control, self._replies = self._process, None, None, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """One request to the control channel and its reply. Raises `BoardLost` when the process is gone."""
        if self._control is None:
            raise BoardLost(f"the virtual board {self.board.name} is not running")
        with self._lock:
            try:
                self._control.sendall(json.dumps({"do": do, **arguments}).encode() + b"\n")
                line = self._replies.readline()
            except OSError as error:
                raise BoardLost(f"the virtual board {self.board.name} does not answer: {error}") from error
        if not line:
            raise BoardLost(f"the virtual board {self.board.name} has ended")
        reply: dict[str, Any] = json.loads(line)
        if not reply.get("ok"):
            raise BoardLost(f"the virtual board {self.board.name} refused {do!r}: {reply.get('error')}")
        return reply

    def renew(self) -> None:
        """A new board: flash erased, eFuses as delivered, network up, no power cut planned, power on."""
        self.ask("renew")
        self.ask("power", on=True)  # the last scenario may have ended, by failing, while it was off

    def power(self, on: bool) -> None:
        """Switch the supply."""
        self.ask("power", on=on)

    def plan_power_cut(self, purpose: str, *, phase: str = "before", nth: int = 1, back: bool = False) -> None:
        """Cut the supply at the nth flash or eFuse operation of that purpose, and leave it off unless `back`."""
        self.ask("plan_cut", purpose=purpose, phase=phase, nth=nth, back=back)

    def cuts_fired(self) -> int:
        """How many of the planned cuts have come."""
        return len(self.status()["cuts_fired"])

    def wait_until_off(self, seconds: float) -> None:
        """Wait until a planned power cut has come; the board's counters tell, so it is asked again and again."""
        self._wait(seconds, lambda status: not status["powered"], "the planned power cut did not come")

    def wait_until_idle(self, seconds: float) -> None:
        """Wait until the processor waits for input, or for nothing at all."""
        self._wait(seconds, lambda status: bool(status["idle"]), "the board did not come to rest")

    def _wait(self, seconds: float, come: Callable[[dict[str, Any]], bool], otherwise: str) -> None:
        ends = time.monotonic() + seconds
        while not come(self.status()):
            if time.monotonic() > ends:
                raise ExpectationFailed(f"{otherwise} within {seconds:g} s")
            time.sleep(0.005)

    def set_network(self, up: bool) -> None:
        """Plug the network in, or pull it."""
        self.ask("network", up=up)

    def read_flash(self, offset: int, length: int) -> bytes:
        """Read the flash as it is now. Offset and length in bytes."""
        return base64.b64decode(self.ask("read_flash", offset=offset, length=length)["data"])

    def write_flash(self, offset: int, data: bytes) -> None:
        """Put bytes into the flash, past the firmware. Offset in bytes."""
        self.ask("write_flash", offset=offset, data=base64.b64encode(data).decode())

    def digest_flash(self, offset: int, length: int) -> str:
        """SHA-256 (hexadecimal) of a region of the flash as it is now."""
        return str(self.ask("digest_flash", offset=offset, length=length)["sha256"])

    def burn_efuse(self, block: int, bits: bytes) -> None:
        """Burn the bits that are 1 into an eFuse block."""
        self.ask("burn_efuse", block=block, data=base64.b64encode(bits).decode())

    def secure_version(self) -> int:
        """The secure version in the eFuse."""
        return int(self.ask("efuse")["secure_version"])

    def status(self) -> dict[str, Any]:
        """Counters of the board: flash operations, resets, attempts to burn eFuses, whether it is powered and idle."""
        return self.ask("status")
