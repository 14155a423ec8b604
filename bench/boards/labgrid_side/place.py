"""Hold one place of a labgrid coordinator for as long as stdin stays open, and release it then.

A coordinator does not release a place when the client that acquired it is gone: "place.acquired" outlives the session
(labgrid/remote/coordinator.py, AcquirePlace). So this process outlives the bench: it stands in a session of its own,
its stdin closes when the bench ends, however that ended, and then it releases. Should it be killed as well, the next
one on this machine sees by the owner's name, which holds its process, that nobody is left, and releases first.

Prints one line of JSON: ``{"place": …, "user": …, "host": …, "port": …, "protocol": …, "speed": …, "power": …,
"took_over": […]}``, or ``{"error": …, "busy": …}`` and ends with exit code 1. Runs in labgrid's Python (3.11 or later)
and imports nothing of the bench.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import hashlib
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any

CONNECT_LIMIT, PORT_LIMIT, RELEASE_LIMIT, STEP = 20.0, 15.0, 20.0, 0.25
"""Seconds: to reach the coordinator; for an exporter to open its port; to give all back; between two looks."""

POWER = frozenset(
    {"NetworkPowerPort", "NetworkUSBPowerPort", "NetworkSiSPMPowerPort", "PDUDaemonPort", "TasmotaPowerPort"}
    | {"NetworkYKUSHPowerPort"}
)
"""What `labgrid-client power` can switch."""

PREFIX = "ota-bench"

MACHINE_ID = Path("/etc/machine-id")
"""32 hexadecimal digits, made when the system was installed (machine-id(5))."""


class Refused(Exception):
    """The place cannot be had; `busy` where somebody else has it."""

    def __init__(self, told: str, *, busy: bool = False) -> None:
        super().__init__(told)
        self.busy = busy


class Holder:
    """One client session, and what it has acquired."""

    def __init__(self, session: Any, owner: str, ends: float) -> None:
        self._session = session
        self._owner = owner
        self._ends = ends
        self._messages = import_module("labgrid.remote.generated.labgrid_coordinator_pb2")
        self._failure = import_module("grpc").aio.AioRpcError
        self.place = ""
        self.token = ""
        self.took_over: list[str] = []

    async def take(self, place: str, tags: dict[str, str]) -> None:
        """Acquire that place, or one that a reservation by tags gives."""
        while True:
            await self._free_what_the_dead_hold()
            name = place or await self._reserved(tags)
            why = await self._acquire(name) if name else f"no place with the tags {_told(tags)} is free"
            if not why:
                return
            if time.monotonic() > self._ends:
                raise Refused(why, busy=True)
            await asyncio.sleep(STEP)

    async def _acquire(self, name: str) -> str:
        """Empty where it is ours now, else why not."""
        place = self._session.places.get(name)
        if place is None:
            known = ", ".join(sorted(self._session.places)) or "none"
            raise Refused(f"the coordinator has no place {name!r}; its places: {known}")
        if place.acquired:
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(place.changed))
            return f"place {name} is held by {place.acquired} since {since}"
        self.place = name  # from here on there may be something to release, whatever happens
        try:
            await self._session.stub.AcquirePlace(self._messages.AcquirePlaceRequest(placename=name))
        except self._failure as error:
            return str(error.details())
        await self._session.sync_with_coordinator()
        return ""

    async def _reserved(self, tags: dict[str, str]) -> str:
        """The place that the reservation has been given; empty while it waits."""
        message = self._messages
        if not self.token:
            wanted = (
                message.CreateReservationRequest.Filter if hasattr(message.CreateReservationRequest, "Filter") else None
            )
            main = (wanted or message.Reservation.Filter)(filter=tags)
            reply = await self._session.stub.CreateReservation(
                message.CreateReservationRequest(filters={"main": main}, prio=0.0)
            )
            self.token = reply.reservation.token
        else:
            reply = await self._session.stub.PollReservation(message.PollReservationRequest(token=self.token))
        return str(reply.reservation.allocations.get("main", ""))

    async def _free_what_the_dead_hold(self) -> None:
        """Release what processes of the bench on this machine left behind when they were killed."""
        stub, message = self._session.stub, self._messages
        for place in list(self._session.places.values()):
            if place.acquired and _is_dead(place.acquired):
                owner = place.acquired
                await stub.ReleasePlace(message.ReleasePlaceRequest(placename=place.name, fromuser=owner))
                self.took_over.append(f"place {place.name} released for {owner}, which is gone")
        for reservation in (await stub.GetReservations(message.GetReservationsRequest())).reservations:
            if _is_dead(reservation.owner):
                await stub.CancelReservation(message.CancelReservationRequest(token=reservation.token))
        await self._session.sync_with_coordinator()

    async def port(self) -> dict[str, Any]:
        """The place's serial port, once its exporter serves it."""
        ends = time.monotonic() + PORT_LIMIT
        while not (ready := [entry for entry in self._resources("NetworkSerialPort") if _is_served(entry[1])]):
            if time.monotonic() > ends:
                told = "whose exporter does not serve it" if self._resources("NetworkSerialPort") else "at all"
                raise Refused(f"place {self.place} has no serial port {told}; see labgrid-client -p {self.place} show")
            await asyncio.sleep(STEP)
        named = [entry for entry in ready if entry[0] == "console"] if len(ready) > 1 else ready
        if len(named) != 1:
            raise Refused(f"place {self.place} has {len(ready)} serial ports; rename one to `console` in its match")
        args, extra = dict(named[0][1].args), named[0][1].extra
        host, number = await asyncio.to_thread(_reached, args, extra)
        protocol, speed = args.get("protocol", "rfc2217"), args.get("speed", 115200)
        return {"host": host, "port": number, "protocol": protocol, "speed": speed, "power": self._has_power()}

    def _has_power(self) -> bool:
        return any(self._resources(kind) for kind in POWER)

    def _resources(self, kind: str) -> list[tuple[str, Any]]:
        """What the place has acquired of that class, by the name that its match gives it."""
        found, place = [], self._session.places[self.place]
        for exporter, groups in self._session.resources.items():
            for group, resources in groups.items():
                for name, entry in resources.items():
                    path = (exporter, group, entry.data.get("cls"), name)
                    if path[2] == kind and entry.acquired == self.place and (match := place.getmatch(path)):
                        found.append((match.rename or name, entry))
        return found

    async def release(self) -> None:
        """Give back what is ours; nothing of anybody else's."""
        stub, message = self._session.stub, self._messages
        if self.place:
            await stub.ReleasePlace(message.ReleasePlaceRequest(placename=self.place, fromuser=self._owner))
        if self.token:
            await stub.CancelReservation(message.CancelReservationRequest(token=self.token))


def _told(tags: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in tags.items())


def _is_served(entry: Any) -> bool:
    return bool(entry.avail and entry.args.get("host") and entry.args.get("port"))


def _reached(args: dict[str, Any], extra: dict[str, Any]) -> tuple[str, int]:
    """Host and port as this machine reaches them: through an SSH tunnel where the exporter or LG_PROXY wants one."""
    target = import_module("labgrid.target").Target("ota-bench")
    resource = import_module("labgrid.resource.serialport").NetworkSerialPort(target, None, **args)
    resource.extra = extra
    host, port = import_module("labgrid.util.proxy").proxymanager.get_host_and_port(resource)
    return str(host), int(port)


def owner_of(pid: int) -> str:
    """The user part of a name that says which process it is.

    The start time tells it from a later one of that pid, the namespace from one in another container of that hostname,
    and the machine from one on another machine of that hostname: the first namespace has one number on all of them.
    """
    return f"{PREFIX}-{getpass.getuser()}-m{_machine()}-{_namespace()}-{pid}-{started(pid)}"


def _machine() -> str:
    """Which machine this is, in 12 hexadecimal digits; empty where it does not say. Its id itself is not for others."""
    try:
        told = MACHINE_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    if not re.fullmatch(r"[0-9a-f]{32}", told):  # an image that has not been started yet has none, or "uninitialized"
        return ""
    return hashlib.sha256(f"{PREFIX} {told}".encode()).hexdigest()[:12]


def _namespace() -> str:
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return "0"


def started(pid: int) -> str:
    """When the process started, in clock ticks since the machine did (proc(5), field 22).

    Empty where there is none, or only what is left of one that nobody has waited for: no init reaps in many containers.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *fields = status.rpartition(")")[2].split()
    return "" if state in "ZX" else fields[18]


def _is_dead(owner: str) -> bool:
    """Is it the name of a process of this machine that does not run any more? A name without a machine never is."""
    host, _, user = owner.partition("/")
    named = re.fullmatch(rf"{PREFIX}-.+-m([0-9a-f]*)-([0-9]+)-([0-9]{{1,9}})-([0-9]+)", user)
    if host != socket.gethostname() or named is None or (named[1], named[2]) != (_machine(), _namespace()):
        return False
    return started(int(named[3])) != named[4]


async def _connected(address: str) -> Any:
    client = import_module("labgrid.remote.client")
    target = import_module("labgrid.util.proxy").proxymanager.get_grpc_address(address, default_port=20408)
    session = client.ClientSession(target, asyncio.get_running_loop())
    try:
        await asyncio.wait_for(session.start(), CONNECT_LIMIT)
    except (TimeoutError, client.ServerError):
        raise Refused(f"no labgrid coordinator answers at {address}") from None
    return session


async def hold(options: argparse.Namespace, ended: asyncio.Event) -> int:
    """Acquire, tell, wait until ended, release."""
    session = await _connected(options.coordinator)
    holder = Holder(session, f"{session.gethostname()}/{session.getuser()}", time.monotonic() + options.wait)
    over = asyncio.ensure_future(ended.wait())
    work = asyncio.ensure_future(_acquired(holder, options))
    try:
        await asyncio.wait({over, work}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            print(json.dumps(work.result()), flush=True)
            lost = asyncio.ensure_future(session.stopping.wait())
            await asyncio.wait({over, lost}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        work.cancel()
        await asyncio.wait({work})
        await asyncio.wait_for(holder.release(), RELEASE_LIMIT)
        await session.stop()
        await session.close()
    return 0


async def _acquired(holder: Holder, options: argparse.Namespace) -> dict[str, Any]:
    await holder.take(options.place, dict(tag.split("=", 1) for tag in options.tag))
    port = await holder.port()
    return {"place": holder.place, "user": os.environ["LG_USERNAME"], "took_over": holder.took_over, **port}


async def _main(options: argparse.Namespace) -> int:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)

    def watch() -> None:
        while sys.stdin.buffer.read(1):
            pass
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=watch, daemon=True).start()
    failure = import_module("grpc").aio.AioRpcError
    try:
        return await hold(options, ended)
    except Refused as error:
        print(json.dumps({"error": str(error), "busy": error.busy}), flush=True)
    except failure as error:
        print(json.dumps({"error": f"the coordinator says: {error.details()}", "busy": False}), flush=True)
    return 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--coordinator", required=True)
    parser.add_argument("--place", default="")
    parser.add_argument("--tag", action="append", default=[])
    parser.add_argument("--wait", type=float, default=0.0, help="seconds to wait for a place that is taken")
    # labgrid's session takes its name from there; `labgrid-client power` must come under the same one.
    os.environ["LG_HOSTNAME"] = socket.gethostname()
    os.environ["LG_USERNAME"] = owner_of(os.getpid())
    sys.exit(asyncio.run(_main(parser.parse_args())))
