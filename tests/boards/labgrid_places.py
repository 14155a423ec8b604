"""Make places on a coordinator, or tell who holds them. Runs in labgrid's Python.

Usage: ``python labgrid_places.py COORDINATOR make PLACE...`` or ``... who``, which prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib import import_module


async def main(coordinator: str, do: str, *places: str) -> None:
    messages = import_module("labgrid.remote.generated.labgrid_coordinator_pb2")
    session = import_module("labgrid.remote.client").ClientSession(coordinator, asyncio.get_running_loop())
    await session.start()
    for place in places if do == "make" else ():
        await session.stub.AddPlace(messages.AddPlaceRequest(name=place))
        await session.stub.AddPlaceMatch(messages.AddPlaceMatchRequest(placename=place, pattern=f"lab/{place}/*"))
        tags = {"board": "virtual", "name": place}
        await session.stub.SetPlaceTags(messages.SetPlaceTagsRequest(placename=place, tags=tags))
    await session.sync_with_coordinator()
    resources = [
        entry
        for groups in session.resources.values()
        for group in groups.values()
        for entry in group.values()
        if entry.avail
    ]
    reply = await session.stub.GetReservations(messages.GetReservationsRequest())
    print(
        json.dumps(
            {
                "held": {place.name: place.acquired for place in session.places.values() if place.acquired},
                "reserved": [reservation.owner for reservation in reply.reservations],
                "resources": len(resources),
            }
        )
    )
    await session.stop()
    await session.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
