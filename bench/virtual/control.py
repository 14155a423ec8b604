"""The control channel: a bench's hands on the virtual board. JSON lines over TCP, one answer to each request.

    {"do": "power", "on": true|false}
    {"do": "reset"}                                    the EN button
    {"do": "renew"}                                    a new chip and a new flash, as delivered
    {"do": "status"}                                   see `ControlPort.status`
    {"do": "read_flash", "offset": 0, "length": 16}    -> {"ok": true, "data": base64}
    {"do": "digest_flash", "offset": 0, "length": 16}  -> {"ok": true, "sha256": hex}
    {"do": "write_flash", "offset": 0, "data": base64} past the door, powered or not
    {"do": "burn_efuse", "block": 4, "data": base64}   the bits that are 1, past the door, powered or not
    {"do": "efuse"}                                    -> {"ok": true, "blocks": [hex, …], "secure_version": 0, …}
    {"do": "network", "up": true|false}
    {"do": "plan_cut", "purpose": "otadata*", "phase": "before|middle|after", "nth": 1, "back": false}
    {"do": "forget_cuts"}

Every answer has "ok"; with false also "error", a sentence. A request that is no such line is answered with an error.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
from collections.abc import Callable
from typing import Any

from bench.errors import BenchError
from bench.virtual.board import Board
from bench.virtual.door import CutPlan, Phase
from bench.virtual.hub import Channel, Hub

__all__ = ["ControlPort"]

_LONGEST_REQUEST = 64 * 1024 * 1024
_OUTPUT_LIMIT = 64 * 1024 * 1024


class _Refused(Exception):
    """The request cannot be done; the message says why."""


class ControlPort:
    """Serves any number of clients.

    Args:
        hub: in whose thread requests are done
        board: on what
        listener: listening socket; owned from here on
    """

    def __init__(self, hub: Hub, board: Board, listener: socket.socket) -> None:
        self._hub = hub
        self._board = board
        self._listener = listener
        self._clients: set[_Client] = set()
        self._requests: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "power": self._power,
            "reset": self._reset,
            "renew": self._renew,
            "status": lambda _: self.status(),
            "read_flash": self._read_flash,
            "digest_flash": self._digest_flash,
            "write_flash": self._write_flash,
            "efuse": self._efuse,
            "burn_efuse": self._burn_efuse,
            "network": self._network,
            "plan_cut": self._plan_cut,
            "forget_cuts": self._forget_cuts,
        }
        hub.watch(listener, self._accept)

    @property
    def url(self) -> str:
        host, port = self._listener.getsockname()[:2]
        return f"control://[{host}]:{port}" if ":" in host else f"control://{host}:{port}"

    def close(self) -> None:
        """Send all clients away and stop listening."""
        for client in list(self._clients):
            client.close()
        self._clients.clear()
        self._hub.forget(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return  # it has left again
        client = _Client(self._hub, sock, self.answer, self._clients.discard)
        self._clients.add(client)

    def answer(self, line: bytes) -> bytes:
        """Do the request in a line; the line of its answer."""
        try:
            result = {"ok": True, **self._do(line)}
        except (_Refused, BenchError) as error:
            result = {"ok": False, "error": str(error)}
        return json.dumps(result).encode() + b"\n"

    def _do(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except ValueError as error:
            raise _Refused(f"not JSON: {error}") from None
        except RecursionError:
            raise _Refused("nested too deeply for a request") from None
        if not isinstance(request, dict) or not isinstance(request.get("do"), str):
            raise _Refused('a request is an object with "do"')
        handler = self._requests.get(request["do"])
        if handler is None:
            raise _Refused(f'no request "{request["do"]}"; there are {", ".join(self._requests)}')
        return handler(request)

    # -- requests

    def status(self) -> dict[str, Any]:
        """What the board is and does.

        Returns:
            chip, powered, idle (the processor waits for input or for nothing), download, resets, operations (of flash
            and eFuse, all and by purpose), lost_bits, overruns (bytes), cuts planned and fired, efuse_burns
            (purposes), network
        """
        machine, door = self._board.machine, self._board.machine.flash.door
        return {
            "chip": machine.chip.name,
            "powered": machine.supply.powered,
            "idle": machine.supply.idle,
            "download": machine.download,
            "resets": self._board.resets,
            "operations": door.operations,
            "by_purpose": dict(door.by_purpose),
            "lost_bits": machine.flash.lost_bits,
            "overruns": machine.uart.overruns,
            "cuts_planned": [_plan(plan) for plan in door.planned],
            "cuts_fired": [_plan(plan) for plan in door.fired],
            "efuse_burns": list(machine.efuse.burns),
            "network": machine.network.up,
        }

    def _power(self, request: dict[str, Any]) -> dict[str, Any]:
        self._board.set_power(_flag(request, "on"))
        return {}

    def _reset(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 (all requests have one signature)
        self._board.reset()
        return {}

    def _renew(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        self._board.renew()
        return {}

    def _read_flash(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"data": base64.b64encode(self._peek(request)).decode()}

    def _digest_flash(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"sha256": hashlib.sha256(self._peek(request)).hexdigest()}

    def _peek(self, request: dict[str, Any]) -> bytes:
        try:
            return self._board.machine.flash.peek(_number(request, "offset"), _number(request, "length"))
        except ValueError as error:
            raise _Refused(str(error)) from None

    def _burn_efuse(self, request: dict[str, Any]) -> dict[str, Any]:
        self._board.machine.efuse.poke(_number(request, "block"), _bytes(request, "data"))
        return {}

    def _write_flash(self, request: dict[str, Any]) -> dict[str, Any]:
        data = _bytes(request, "data")
        try:
            self._board.machine.flash.poke(_number(request, "offset"), data)
        except ValueError as error:
            raise _Refused(str(error)) from None
        return {}

    def _efuse(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        efuse = self._board.machine.efuse
        words = efuse.chip.efuses.block_words
        return {
            "blocks": [efuse.peek(block).hex() for block in range(len(words))],
            "secure_version": efuse.blocks.secure_version,
            "mac": efuse.mac.hex(":"),
            "revision": efuse.blocks.chip_revision,
            "burns": list(efuse.burns),
        }

    def _network(self, request: dict[str, Any]) -> dict[str, Any]:
        self._board.machine.network.set_up(_flag(request, "up"))
        return {}

    def _plan_cut(self, request: dict[str, Any]) -> dict[str, Any]:
        phases = {phase.value: phase for phase in Phase}
        phase = phases.get(str(request.get("phase", "before")))
        if phase is None:
            raise _Refused(f'"phase" is one of {", ".join(phases)}')
        nth = _number(request, "nth") if "nth" in request else 1
        if nth < 1:
            raise _Refused('"nth" counts from 1')
        back = _flag(request, "back") if "back" in request else False
        self._board.machine.flash.door.plan(CutPlan(_text(request, "purpose"), phase, nth, back))
        return {}

    def _forget_cuts(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        self._board.machine.flash.door.forget()
        return {}


class _Client:
    """One connection: bytes to lines, lines to answers."""

    def __init__(
        self,
        hub: Hub,
        sock: socket.socket,
        answer: Callable[[bytes], bytes],
        left: Callable[[_Client], None],
    ) -> None:
        self._answer = answer
        self._part = bytearray()
        self._channel = Channel(hub, sock, received=self._received, gone=lambda: left(self), limit=_OUTPUT_LIMIT)

    def close(self) -> None:
        self._channel.close()

    def _received(self, data: bytes) -> None:
        self._part += data
        while (end := self._part.find(b"\n")) >= 0:
            line = bytes(self._part[:end])
            del self._part[: end + 1]
            if line.strip():
                self._channel.send(self._answer(line))
        if len(self._part) > _LONGEST_REQUEST:
            self._part.clear()


def _plan(plan: CutPlan) -> dict[str, Any]:
    return {"purpose": plan.purpose, "phase": plan.phase.value, "nth": plan.nth, "back": plan.back}


def _number(request: dict[str, Any], name: str) -> int:
    value = request.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _Refused(f'"{name}" is a whole number')
    return value


def _flag(request: dict[str, Any], name: str) -> bool:
    value = request.get(name)
    if not isinstance(value, bool):
        raise _Refused(f'"{name}" is true or false')
    return value


def _bytes(request: dict[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(_text(request, name), validate=True)
    except ValueError as error:  # binascii.Error, or a plain one for what is not ASCII
        raise _Refused(f'"{name}" is not base64: {error}') from None


def _text(request: dict[str, Any], name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str):
        raise _Refused(f'"{name}" is a text')
    return value
