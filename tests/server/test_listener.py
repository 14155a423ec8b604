"""A listener that is closed lets go of whoever is just arriving."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket

import pytest

from bench.server.listener import Listener, Reception
from tests.server.conftest import DEADLINE


def nobody_is_told() -> Reception:
    def nothing(*_: object) -> None:
        return None

    def http(_: object) -> asyncio.Protocol:
        return asyncio.Protocol()

    return Reception(lambda: 1, nothing, nothing, nothing, http, nothing)


@pytest.mark.parametrize("turns", range(-12, 6))
def test_closed_at_any_turn_of_an_arrival(turns: int) -> None:
    """asyncio takes some turns of its loop from accepting a connection to handing it over.

    The listener is closed so many turns after a client has come; below 0, the client comes while it is being closed.
    """
    said: list[dict[str, object]] = []

    async def close_meanwhile() -> socket.socket | None:
        loop = asyncio.get_running_loop()
        loop.set_debug(True)  # asyncio tells then what becomes of an arrival that fails
        loop.set_exception_handler(lambda _, told: said.append(told))
        listener = Listener(nobody_is_told(), None, DEADLINE)
        await listener.open("127.0.0.1", 0)
        closing = loop.create_task(listener.close()) if turns < 0 else None
        for _ in range(-turns):
            await asyncio.sleep(0)
        try:
            client = socket.create_connection(("127.0.0.1", listener.port), timeout=DEADLINE)
        except ConnectionRefusedError:  # it is closed by then
            client = None
        for _ in range(turns):
            await asyncio.sleep(0)
        await (closing or listener.close())
        return client

    client = asyncio.run(close_meanwhile())
    gc.collect()  # what was let go of half made is warned of here, and a warning is an error
    assert not said
    if client is not None:
        with client, contextlib.suppress(ConnectionError):  # over, too
            assert client.recv(1) == b""
