"""serial_ota: an application of the bench's own that is updated over its console, in chunks, with no network at all.

It stands for the many devices that get their updates from a neighbour over UART, and uses esp_ota_ops as ESP-IDF's
native_ota_example does. The protocol is described in docs/serial-update.md; `bench.ota.wire` speaks its other side.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from bench.flash.otadata import OtaImgState
from bench.images import Defect
from bench.virtual.apps.example import Example
from bench.virtual.apps.misbehaviour import after_confirming, before_confirming
from bench.virtual.idf.err import EspErr, EspError, esp_err_to_name
from bench.virtual.idf.ota_ops import OTA_WITH_SEQUENTIAL_WRITES, OtaHandle
from bench.virtual.machine import ResetReason
from bench.virtual.running import Running

__all__ = ["FrameReader", "run"]

_TAG = "serial_ota"
_MAGIC = b"WOTA"
_HEADER = struct.Struct("<4sBxHI")  # magic, kind, payload bytes, sequence
_BEGIN = struct.Struct("<I32s")  # image bytes, SHA-256
_CRC = struct.Struct("<I")
_LONGEST = 16384
_KIND_BEGIN, _KIND_DATA, _KIND_END = 1, 2, 3


class _Frame(NamedTuple):
    kind: int
    sequence: int
    payload: bytes
    fault: str = ""
    """Why the frame cannot be believed; "" for a sound one."""


class _Refused(Exception):
    """This update is over; the text says why."""


@dataclass
class _Update:
    """One update being received."""

    handle: OtaHandle
    size: int
    digest: bytes
    next: int = 0
    came: int = 0
    sum: Any = field(default_factory=hashlib.sha256)


def run(running: Running) -> NoReturn:
    """app_main: confirm what runs, and then take updates for ever."""
    with Example(running, _TAG) as example:
        _confirm(example)
        after_confirming(example)
        receiver = _Receiver(example)
        frames = FrameReader(running.machine.uart.read)
        running.log.info(_TAG, "Waiting for an update over the console")
        while True:
            receiver.take(frames.next())


def _confirm(example: Example) -> None:
    """That it has come up and can listen is all the health that the application asks for."""
    if not before_confirming(example) or example.ops.state_of(example.running.partition) != OtaImgState.PENDING_VERIFY:
        return
    try:
        example.ops.mark_app_valid_cancel_rollback()
    except EspError:
        example.log.error(_TAG, "Failed to cancel rollback")
    else:
        example.log.info(_TAG, "App is valid, rollback cancelled successfully")


class FrameReader:
    """The frames in what comes over the wire; bytes between them are passed over."""

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read
        self._held = bytearray()

    def next(self) -> _Frame:
        """Wait for the next frame, for ever: who has lost its neighbour resets the board, or begins again."""
        while (at := self._held.find(_MAGIC)) < 0:
            del self._held[: max(0, len(self._held) - len(_MAGIC) + 1)]
            self._held += self._read()
        del self._held[:at]
        header = self._peek(_HEADER.size)
        _, kind, length, sequence = _HEADER.unpack(header)
        if length > _LONGEST:
            del self._held[: len(_MAGIC)]
            return _Frame(kind, sequence, b"", f"Frame of {length} bytes is longer than {_LONGEST}")
        whole = self._peek(_HEADER.size + length + _CRC.size)
        del self._held[: len(whole)]
        found, (told,) = zlib.crc32(whole[: -_CRC.size]), _CRC.unpack(whole[-_CRC.size :])
        fault = "" if found == told else f"Chunk {sequence} is damaged: its CRC is 0x{found:08x}, and not 0x{told:08x}"
        return _Frame(kind, sequence, whole[_HEADER.size : -_CRC.size], fault)

    def _peek(self, count: int) -> bytes:
        while len(self._held) < count:
            self._held += self._read()
        return bytes(self._held[:count])


class _Receiver:
    """Takes frames, answers each with a line, and switches to an image that came whole."""

    def __init__(self, example: Example) -> None:
        self._example = example
        self._log = example.log
        self._ops = example.ops
        self._update: _Update | None = None
        self._defect = example.running.defect
        self._stuck = False

    def take(self, frame: _Frame) -> None:
        """One frame. Chunks of an update that was refused, or never begun, are passed over."""
        if self._stuck or (self._update is None and frame.kind != _KIND_BEGIN):
            return
        try:
            self._handle(frame)
        except _Refused as refused:
            self._refuse(str(refused))
        except EspError as error:
            if error.code == EspErr.ESP_ERR_OTA_VALIDATE_FAILED:
                self._refuse("Image validation failed, image is corrupted")
            else:
                self._refuse(f"Writing the image failed ({esp_err_to_name(error.code)})")

    def _refuse(self, why: str) -> None:
        self._update = None
        self._stuck = self._defect is Defect.STUCK
        if self._defect is Defect.FORGET_ON_FAILURE:
            self._ops.forget()
        self._log.error(_TAG, why)
        self._log.error(_TAG, "Update refused")

    def _handle(self, frame: _Frame) -> None:
        if frame.fault and self._defect is not Defect.ANY_CHUNK:
            raise _Refused(frame.fault)
        if frame.kind == _KIND_BEGIN and self._update is not None and self._defect is Defect.MIXED:
            self._update.size, self._update.digest = _BEGIN.unpack(frame.payload)
            return
        if frame.kind == _KIND_BEGIN:
            self._update = self._begin(frame.payload)
            return
        assert self._update is not None
        if frame.sequence != self._update.next and self._defect is not Defect.ANY_ORDER:
            raise _Refused(f"Chunk {frame.sequence} came, and chunk {self._update.next} was expected")
        if frame.kind == _KIND_DATA:
            self._write(self._update, frame.payload)
        elif frame.kind == _KIND_END:
            self._finish(self._update)
        else:
            raise _Refused(f"Frame of unknown kind {frame.kind}")

    def _begin(self, payload: bytes) -> _Update:
        """A beginning; one in mid-update gives the former up, as after a reset of the neighbour."""
        if len(payload) != _BEGIN.size:
            raise _Refused("Beginning of an update is not fit len")
        size, digest = _BEGIN.unpack(payload)
        partition = self._ops.next_update_partition()
        assert partition is not None, "a table that this application boots from has an OTA slot"
        if size > partition.size and self._defect is not Defect.ANY_SIZE:
            raise _Refused(f"Image of {size} bytes does not fit a partition of {partition.size}")
        handle = self._ops.begin(partition, OTA_WITH_SEQUENTIAL_WRITES)
        self._log.info(_TAG, f"Writing to partition subtype {partition.subtype} at offset 0x{partition.offset:x}")
        return _Update(handle, size, digest)

    def _write(self, update: _Update, data: bytes) -> None:
        if update.came + len(data) > update.size:
            raise _Refused(f"More came than the {update.size} bytes that were announced")
        self._ops.write(update.handle, data)
        update.sum.update(data)
        update.came += len(data)
        update.next += 1
        self._log.info(_TAG, f"Chunk {update.next - 1} taken")

    def _finish(self, update: _Update) -> NoReturn:
        if update.came != update.size:
            raise _Refused(f"Image is incomplete: {update.came} of {update.size} bytes came")
        if update.sum.digest() != update.digest and self._defect is not Defect.ANY_SUM:
            raise _Refused("SHA-256 of the image is not the announced one")
        self._ops.end(update.handle)
        self._ops.set_boot_partition(update.handle.partition)
        self._log.info(_TAG, "Update complete, restarting")
        self._example.machine.restart(ResetReason.SW_CPU)
