"""How the stub sends flash content: blocks in SLIP frames ahead of the host's acknowledgements, then their MD5."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable

__all__ = ["send_flash"]


def send_flash(
    content: bytes,
    *,
    block: int,
    window: int,
    send: Callable[[bytes], None],
    receive: Callable[[], bytes],
) -> None:
    """Send `content` in blocks, at most `window` of them unacknowledged.

    Args:
        block: bytes in a frame
        window: blocks under way at once
        send, receive: one frame; an acknowledgement is the number of bytes received, 4 bytes little-endian
    """
    sent = acknowledged = 0
    while acknowledged < len(content):
        while sent < len(content) and sent - acknowledged < block * window:
            send(content[sent : sent + block])
            sent = min(sent + block, len(content))
        frame = receive()
        if len(frame) != 4:
            return  # the host is no longer reading
        acknowledged = struct.unpack("<I", frame)[0]
    send(hashlib.md5(content, usedforsecurity=False).digest())
