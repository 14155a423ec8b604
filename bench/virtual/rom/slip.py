"""SLIP frames, in which the serial loader speaks: 0xC0 … 0xC0, with 0xC0 and 0xDB inside escaped (RFC 1055)."""

from __future__ import annotations

__all__ = ["SlipReader", "encode"]

_END = b"\xc0"
_LIMIT = 256 * 1024
"""Bytes of a frame that never ends after which it is thrown away."""


def encode(payload: bytes) -> bytes:
    """One frame."""
    return _END + payload.replace(b"\xdb", b"\xdb\xdd").replace(_END, b"\xdb\xdc") + _END


class SlipReader:
    """Bytes to frames. What stands outside of frames is dropped, as is a frame with a wrong escape."""

    def __init__(self) -> None:
        self._inside = False
        self._part = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return the payloads of the frames that are now complete (empty frames are none)."""
        frames = []
        first, *rest = data.split(_END)
        if self._inside:
            self._part += first
        for part in rest:
            # an 0xC0 that does not end a frame begins one; what stands between two frames is noise
            if self._inside and self._part:
                frame = _unescape(bytes(self._part))
                if frame is not None:
                    frames.append(frame)
                self._part.clear()
                self._inside = False
            else:
                self._inside = True
                self._part += part
        if len(self._part) > _LIMIT:
            self._part.clear()
            self._inside = False
        return frames


def _unescape(frame: bytes) -> bytes | None:
    if b"\xdb" not in frame:
        return frame
    if frame.count(b"\xdb") != frame.count(b"\xdb\xdc") + frame.count(b"\xdb\xdd"):
        return None
    return frame.replace(b"\xdb\xdc", _END).replace(b"\xdb\xdd", b"\xdb")
