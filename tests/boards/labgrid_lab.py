"""A lab on loopback: labgrid's own coordinator and exporter, two virtual boards, and relays that speak HTTP."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from bench.boards.board import Board, LabgridPlace
from bench.boards.drivers import VirtualBoard
from tests.boards import labgrid_places

__all__ = ["Lab", "Relays", "lab_on_loopback", "until"]

LIMIT = 60.0
"""Seconds for anything in the lab to happen; labgrid's tools take one or two to start."""


def until(happened: Callable[[], bool], what: str) -> None:
    """Wait for it, and fail when it does not come."""
    ends = time.monotonic() + LIMIT
    while not happened():
        assert time.monotonic() < ends, f"waited {LIMIT:g} s for {what}"
        time.sleep(0.05)


class Relays:
    """What labgrid's `simplerest` driver speaks to: GET /relay/INDEX/VALUE switches, GET /relay/INDEX asks."""

    def __init__(self) -> None:
        self.wires: dict[str, Callable[[bool], None]] = {}
        self.on: dict[str, bool] = {}
        self.stuck = False

    @contextmanager
    def served(self) -> Iterator[str]:
        """The URL for a NetworkPowerPort's `host`."""
        relays = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                _, _, index, *value = self.path.split("/")
                if value:
                    relays.switch(index, value[0] == "1")
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"1" if relays.on.get(index, True) else b"0")

            def log_message(self, format: str, *arguments: object) -> None:
                """Nothing on the terminal."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_address[1]}/relay/{{index}}/{{value}}"
            finally:
                server.shutdown()
                thread.join()

    def switch(self, index: str, on: bool) -> None:
        """The relay clicks, unless it is stuck."""
        if not self.stuck:
            self.on[index] = on
            if (wire := self.wires.get(index)) is not None:
                wire(on)


class Lab:
    """The coordinator's address, and what stands at its two places, `alpha` and `beta`."""

    def __init__(self, python: str, coordinator: str, boards: dict[str, VirtualBoard], relays: Relays) -> None:
        self._python = python
        self.coordinator = coordinator
        self.boards = boards
        self.relays = relays

    def board(self, place: str = "", **tags: str) -> Board:
        """As boards.yaml would name it."""
        wanted = LabgridPlace(self.coordinator, place, tuple(tags.items()))
        return Board(name=f"lab-{place or 'any'}", chip="esp32c3", driver="labgrid", labgrid=wanted)

    def tell(self, *arguments: str) -> dict[str, Any]:
        """What the coordinator says, after what was asked of it."""
        command = [self._python, labgrid_places.__file__, self.coordinator, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT)
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told

    def held(self) -> dict[str, str]:
        """Who holds which place."""
        return dict(self.tell("who")["held"])

    def free(self) -> bool:
        """Is nothing held or reserved?"""
        told = self.tell("who")
        return not told["held"] and not told["reserved"]


@contextmanager
def lab_on_loopback(python: str, folder: Path) -> Iterator[Lab]:
    """The lab, as long as the context lasts; `python` is labgrid's."""
    with ExitStack() as stack:
        boards = {
            name: stack.enter_context(VirtualBoard(Board(name=name, chip="esp32c3", driver="virtual")))
            for name in ("alpha", "beta")
        }
        relays = Relays()
        url = stack.enter_context(relays.served())
        exported: dict[str, Any] = {}
        for index, (name, board) in enumerate(boards.items(), 1):
            relays.wires[str(index)] = board.power
            host, port = board.url.removeprefix("rfc2217://").split(":")
            exported[name] = {
                "NetworkSerialPort": {"host": host, "port": int(port), "protocol": "rfc2217"},
                "NetworkPowerPort": {"model": "simplerest", "host": url, "index": index},
            }
        del exported["beta"]["NetworkPowerPort"]
        (folder / "exporter.yaml").write_text(yaml.safe_dump(exported))
        coordinator = stack.enter_context(_running([python, "-m", "labgrid.remote.coordinator"], folder))
        address = _listening(coordinator)
        exporter = [python, "-m", "labgrid.remote.exporter", "-c", address, "-n", "lab", "--hostname", "127.0.0.1"]
        stack.enter_context(_running([*exporter, "exporter.yaml"], folder))
        lab = Lab(python, address, boards, relays)
        lab.tell("make", "alpha", "beta")
        until(lambda: lab.tell("who")["resources"] == 3, "the exporter's resources")
        yield lab


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    listen = ["-l", "127.0.0.1:0"] if command[-1].endswith("coordinator") else []
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [*command, *listen], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _listening(coordinator: subprocess.Popen[str]) -> str:
    """The address that it prints; a thread keeps reading afterwards, for it prints every request."""
    assert coordinator.stdout is not None
    for line in coordinator.stdout:
        if line.startswith("listening on "):
            threading.Thread(target=coordinator.stdout.read, daemon=True).start()
            return line.removeprefix("listening on ").strip()
    raise AssertionError("the coordinator did not start")
