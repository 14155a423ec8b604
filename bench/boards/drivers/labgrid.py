"""A board at a place of a labgrid coordinator: acquired, reached over the network, and released whatever happens.

labgrid is never imported here. A process of labgrid's own Python (`bench.boards.labgrid_side.place`) holds the place;
its stdin is this process's hand on it, so it releases the place even when this process is killed.
"""

from __future__ import annotations

import json
import logging
import queue
import socket
import subprocess
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import IO, Any, Self

from bench.boards.board import Board, LabgridPlace
from bench.boards.drivers.switched import RealSupply
from bench.boards.labgrid_python import labgrid_python, side_script
from bench.boards.power_command import run_tool
from bench.boards.serialurl import register
from bench.errors import BenchError, BoardBusy, BoardLost

__all__ = ["LabgridBoard"]

WAIT = 60.0
"""Seconds that a place which somebody else has is waited for."""

_ANSWER = 60.0
"""Seconds beyond that for labgrid to load, to be reached, and for an exporter to start its port."""

_END = 30.0
"""Seconds to release; the process that holds the place gives up before that."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Held:
    """What is known of the place once it is ours."""

    place: str
    port: str
    power: bool
    environment: dict[str, str]
    """Under which name labgrid's own tools must come to be let at it."""


class LabgridBoard(RealSupply):
    """A place of a coordinator, from `__enter__` to `__exit__`.

    Args:
        wait: seconds to wait for the place where somebody else has it

    Entering raises `BoardBusy` with the holder's name where it stays taken, and `BenchError` where there is no such
    place, no coordinator, or no labgrid.
    """

    def __init__(self, board: Board, *, wait: float = WAIT) -> None:
        super().__init__(board)
        assert board.labgrid is not None  # boards.yaml is not valid without
        self._wanted: LabgridPlace = board.labgrid
        self._wait = wait
        self._process: subprocess.Popen[str] | None = None
        self._told: IO[bytes] | None = None
        self._held: _Held | None = None

    @property
    def port(self) -> str:
        """The URL for the bench's own client of RFC 2217, or ``socket://`` where the exporter serves raw bytes."""
        return self._holding().port

    @property
    def place(self) -> str:
        """The name of the place, also where a reservation found it."""
        return self._holding().place

    @property
    def supply(self) -> LabgridBoard:
        """The place's power port is switched here."""
        return self

    def __enter__(self) -> Self:
        register()
        wanted = self._wanted
        command = [labgrid_python(), side_script("place"), "--coordinator", wanted.coordinator]
        command += ["--wait", f"{self._wait:g}", *(["--place", wanted.place] if wanted.place else [])]
        command += [word for key, value in wanted.tags for word in ("--tag", f"{key}={value}")]
        self._told = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._told,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # a Ctrl-C is for the bench, which then has the place released
        )
        try:
            self._held = self._holds(self._answer(self._process))
        except BaseException:
            self._end()
            raise
        # What the place has decides what the board can do, and only now is it known.
        self.board = replace(self.board, can=self.board.can | ({"power_cycle"} if self._held.power else set()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.leave(error)  # as long as the place is ours: nobody else may switch it
        finally:
            self._end()

    def power(self, on: bool) -> None:
        """Switch the place's power port, whatever it is, as `labgrid-client power` does."""
        if not self._holding().power:
            self._cannot("power_cycle")
        super().power(on)

    def _switch_to(self, on: bool) -> None:
        held = self._holding()
        client = [labgrid_python(), "-m", "labgrid.remote.client", "-x", self._wanted.coordinator]
        switch = [*client, "-p", held.place, "power", "on" if on else "off"]
        run_tool(switch, mend="check OTA_BENCH_LABGRID", environment=held.environment)

    def _holding(self) -> _Held:
        if self._held is None or self._process is None:
            raise BoardLost(f"{self.board.name}: its place is not acquired")
        if self._process.poll() is not None:
            raise BoardLost(
                f"{self.board.name}: place {self._held.place} is no longer held, for labgrid's session ended:\n"
                f"{self._stderr()}"
            )
        return self._held

    def _answer(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        """The line that says what became of the request. Raises what it says went wrong."""
        assert process.stdout is not None
        stdout, lines = process.stdout, queue.SimpleQueue[str]()
        threading.Thread(target=lambda: lines.put(stdout.readline()), daemon=True).start()
        try:
            line = lines.get(timeout=self._wait + _ANSWER)
            answer: dict[str, Any] = json.loads(line)
            known = answer.keys() & {"place", "error"}
        except (queue.Empty, ValueError, AttributeError):
            known = set()
        if not known:
            with suppress(subprocess.TimeoutExpired):  # it may be about to say more
                process.wait(1)
            raise BenchError(f"{self.board.name}: labgrid's client did not answer:\n{self._stderr()}")
        if "error" in answer:
            raise (BoardBusy if answer["busy"] else BenchError)(f"{self.board.name}: {answer['error']}")
        return answer

    def _holds(self, answer: dict[str, Any]) -> _Held:
        for line in answer["took_over"]:
            _log.warning("%s: %s", self.board.name, line)
        raw = answer["protocol"] == "raw"
        if raw and self.board.reset_by != "power":
            raise BenchError(
                f"{self.board.name}: place {answer['place']} serves its serial port as raw bytes, without RTS and DTR, "
                "so the board cannot be reset or flashed; have its exporter serve it by rfc2217"
            )
        host = f"[{answer['host']}]" if ":" in answer["host"] else answer["host"]
        address = f"{host}:{answer['port']}"
        # ser2net, which exporters run, does not answer every SET-CONTROL; labgrid's own driver says so too.
        port = f"socket://{address}" if raw else f"fast2217://{address}?ign_set_control"
        environment = {"LG_HOSTNAME": socket.gethostname(), "LG_USERNAME": str(answer["user"])}
        return _Held(answer["place"], port, bool(answer["power"]), environment)

    def _end(self) -> None:
        """Have the place released, and wait until it is."""
        process, self._process, self._held = self._process, None, None
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(OSError):  # it may have ended by itself
                process.stdin.close()
            try:
                process.wait(timeout=_END)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                _log.warning("%s: labgrid did not release the place in time; the next run will", self.board.name)
            process.stdout.close()
        if self._told is not None:
            self._told.close()
            self._told = None

    def _stderr(self) -> str:
        if self._told is None:
            return ""
        self._told.seek(0)
        return self._told.read()[-1000:].decode("utf-8", "replace")
