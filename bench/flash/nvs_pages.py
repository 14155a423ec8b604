"""The pages of an NVS partition: items are appended, cleared away, and mended after a power cut.

Source: components/nvs_flash/src (nvs_page.cpp, nvs_pagemanager.cpp, nvs_types.hpp). A page is a sector: 32 bytes of
header, 32 bytes of bitmap (two bits an entry) and 126 entries of 32 bytes. An entry is written before its bits are, and
a page that is to be erased is marked FREEING before what it still holds is copied; so what a power cut left half done
can be told when the partition is opened.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from bench.errors import FormatError

__all__ = ["ENTRY_SIZE", "PAGE_SIZE", "STRING", "Erase", "Item", "Operation", "Pages", "Program", "crc32"]

PAGE_SIZE = 4096
ENTRY_SIZE = 32
STRING = 0x21
_ENTRIES = 126
_BITMAP_AT = 32
_ENTRIES_AT = 64
_VERSION = 0xFE
"""Format version 2, counted downwards from 0xFF."""
_ITEM = struct.Struct("<BBBBI16s8s")
_WRITTEN, _ERASED, _EMPTY = 0b10, 0b00, 0b11
_BLANK_WORD = b"\xff" * 4


class _State(IntEnum):
    UNINITIALISED = 0xFFFF_FFFF
    ACTIVE = 0xFFFF_FFFE
    FULL = 0xFFFF_FFFC
    FREEING = 0xFFFF_FFF8


_USED = (_State.ACTIVE, _State.FULL, _State.FREEING)


@dataclass(frozen=True)
class Erase:
    """Erase the page at this offset in the partition."""

    offset: int


@dataclass(frozen=True)
class Program:
    """Program these bytes at this offset in the partition; they only clear bits."""

    offset: int
    data: bytes


Operation = Erase | Program


@dataclass(frozen=True)
class Item:
    """One written item: where it is, and what it says."""

    page: int
    index: int
    span: int
    namespace: int
    type: int
    chunk: int
    key: str
    value: bytes

    @property
    def name(self) -> tuple[int, str, int]:
        """What no two items of a page have in common (`HashList` takes these three, not the type)."""
        return self.namespace, self.key, self.chunk


class Pages:
    """All pages of one partition, and the operations that were done to them and not yet given back.

    Args:
        data: the whole partition, a multiple of 4096 bytes

    Raises:
        FormatError: it is no multiple of a page. On appending: no room
    """

    def __init__(self, data: bytes) -> None:
        if not data or len(data) % PAGE_SIZE:
            raise FormatError("NVS partition", 0, f"{len(data)} bytes", "a multiple of 4096")
        self._data = bytearray(data)
        self._operations: list[Operation] = []
        self._read: list[Item] | None = None
        """The items as they were read; None once something was written."""

    def __len__(self) -> int:
        return len(self._data) // PAGE_SIZE

    def to_bytes(self) -> bytes:
        """The partition as it is now."""
        return bytes(self._data)

    def items(self) -> list[Item]:
        """Every written item, page by page in the order in which the pages were begun."""
        if self._read is None:
            self._read = [item for page in self._used() for item in self._items_of(page)]
        return self._read

    def append(self, entries: bytes) -> None:
        """Write an item; begins a page where it does not fit into the active one."""
        span = len(entries) // ENTRY_SIZE
        active = [page for page in self._used() if self._state(page) == _State.ACTIVE]
        if active and self._free_from(active[-1]) + span > _ENTRIES:
            self._set_state(active[-1], _State.FULL)
            active = []
        page = active[-1] if active else self._next_page()
        if self._free_from(page) + span > _ENTRIES:
            raise FormatError("NVS partition", page * PAGE_SIZE, "no room", f"{span} free entries")
        self._put(page, entries)

    def mark_erased(self, item: Item) -> None:
        """Page::eraseEntryAndSpan."""
        self._mark(item.page, item.index, item.span, _ERASED)

    def recover(self) -> None:
        """PageManager::load, as far as it changes flash: mends what a power cut left half done.

        No content raises anything here. Written entries that are no item stay, where ESP-IDF marks them erased: reading
        and moving pass over them, and what is in them may be encrypted (nvs_flash_secure_init), and not lost.
        """
        for page in sorted(self._used()):
            self._finish_entries(page)
        self._forget_replaced()
        self._finish_move()

    def done(self) -> list[Operation]:
        """The operations since the last call."""
        operations, self._operations = self._operations, []
        return operations

    # -- inside: after a power cut

    def _finish_entries(self, page: int) -> None:
        """Page::mLoadEntryTable: no half-written entry is written over, no item is there in part or twice."""
        active = self._state(page) == _State.ACTIVE
        if active:
            self._pass_over_half_written(page)
        seen: dict[tuple[int, str, int], Item] = {}
        for item in list(self._items_of(page)):
            if any(self._bits(page, index) != _WRITTEN for index in range(item.index, item.index + item.span)):
                self.mark_erased(item)
                continue
            if active and item.name in seen:
                self.mark_erased(seen[item.name])
            seen[item.name] = item

    def _pass_over_half_written(self, page: int) -> None:
        """Entries behind the last of the bitmap that begin with anything were written when the power failed."""
        index = next((one for one in range(_ENTRIES) if self._bits(page, one) == _EMPTY), _ENTRIES)
        while index < _ENTRIES:
            at = self._at(page, index)
            if self._data[at : at + 4] == _BLANK_WORD:
                break
            self._mark(page, index, 1, _ERASED)
            index += 1

    def _forget_replaced(self) -> None:
        """The item written last replaced one on an earlier page, which may not have been erased any more."""
        used = self._used()
        last = list(self._items_of(used[-1]))[-1:] if used else []
        for new in last:
            for page in used[:-1]:
                same = (one for one in self._items_of(page) if (one.name, one.type) == (new.name, new.type))
                old = None if self._state(page) == _State.FREEING else next(same, None)
                if old is not None:
                    self.mark_erased(old)
                    return

    def _finish_move(self) -> None:
        """A page that is FREEING still holds everything: the copy that was begun is dropped, and made anew.

        Where no page is free for it, which no power cut brings about, nvs_flash_init fails; here it stays as it is.
        """
        used = self._used()
        freeing = [page for page in used if self._state(page) == _State.FREEING]
        if not freeing:
            return
        sequence = self._next_sequence()
        if self._state(used[-1]) == _State.ACTIVE:
            self._erase(used[-1])
        free = self._free()
        if free:
            self._move(freeing[0], free[0], sequence)

    # -- inside: pages

    def _next_page(self) -> int:
        """PageManager::requestNewPage: where one page alone is free, what the stalest still holds moves there."""
        free, sequence = self._free(), self._next_sequence()
        if not free:
            raise FormatError("NVS partition", 0, "no free page", "one, without which nvs_flash_init fails")
        if len(free) > 1:
            self._begin(free[0], sequence)
            return free[0]
        held = {page: sum(item.span for item in self._items_of(page)) for page in self._used()}
        stale = min(held, key=lambda page: held[page])
        if held[stale] == _ENTRIES:
            raise FormatError("NVS partition", stale * PAGE_SIZE, "no room", "a page with an erased entry")
        self._set_state(stale, _State.FREEING)
        self._move(stale, free[0], sequence)
        if self._state(free[0]) != _State.ACTIVE:
            self._begin(free[0], sequence)
        return free[0]

    def _move(self, stale: int, page: int, sequence: int) -> None:
        """Page::copyItems, which begins no page when there is nothing to copy, and Page::erase."""
        items = list(self._items_of(stale))
        if items:
            self._begin(page, sequence)
        for item in items:
            at = self._at(stale, item.index)
            self._put(page, bytes(self._data[at : at + item.span * ENTRY_SIZE]))
        self._erase(stale)

    def _begin(self, page: int, sequence: int) -> None:
        if any(byte != 0xFF for byte in self._data[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]):
            self._erase(page)
        fields = struct.pack("<IB19s", sequence, _VERSION, b"\xff" * 19)
        header = struct.pack("<I", _State.ACTIVE) + fields + struct.pack("<I", crc32(fields))
        self._program(page * PAGE_SIZE, header)

    def _put(self, page: int, entries: bytes) -> None:
        index = self._free_from(page)
        self._program(self._at(page, index), entries)
        self._mark(page, index, len(entries) // ENTRY_SIZE, _WRITTEN)

    def _used(self) -> list[int]:
        used = [page for page in range(len(self)) if self._state(page) in _USED and self._sound(page)]
        return sorted(used, key=self._sequence)

    def _free(self) -> list[int]:
        used = self._used()
        return [page for page in range(len(self)) if page not in used]

    def _sound(self, page: int) -> bool:
        header = bytes(self._data[page * PAGE_SIZE : page * PAGE_SIZE + ENTRY_SIZE])
        return int.from_bytes(header[28:], "little") == crc32(header[4:28])

    def _state(self, page: int) -> int:
        return int.from_bytes(self._data[page * PAGE_SIZE : page * PAGE_SIZE + 4], "little")

    def _set_state(self, page: int, state: _State) -> None:
        self._program(page * PAGE_SIZE, struct.pack("<I", state))

    def _sequence(self, page: int) -> int:
        return int.from_bytes(self._data[page * PAGE_SIZE + 4 : page * PAGE_SIZE + 8], "little")

    def _next_sequence(self) -> int:
        """A uint32_t: behind a damaged page of the highest number comes 0."""
        return (max((self._sequence(page) for page in self._used()), default=-1) + 1) & 0xFFFF_FFFF

    # -- inside: entries and bits

    def _items_of(self, page: int) -> Iterator[Item]:
        index, end = 0, self._free_from(page)
        while index < end:
            item = self._item(page, index) if self._bits(page, index) == _WRITTEN else None
            if item is not None:
                yield item
            index += item.span if item is not None else 1

    def _item(self, page: int, index: int) -> Item | None:
        at = self._at(page, index)
        entry = bytes(self._data[at : at + ENTRY_SIZE])
        namespace, kind, span, chunk, crc, key, value = _ITEM.unpack(entry)
        if crc != crc32(entry[:4] + entry[8:]) or not 1 <= span <= _ENTRIES - index:
            return None
        if kind == STRING:
            size = int.from_bytes(value[:2], "little")
            value = bytes(self._data[at + ENTRY_SIZE : at + span * ENTRY_SIZE])[:size]
        name = key.partition(b"\0")[0].decode("utf-8", "replace")
        return Item(page, index, span, namespace, kind, chunk, name, value)

    def _at(self, page: int, index: int) -> int:
        return page * PAGE_SIZE + _ENTRIES_AT + index * ENTRY_SIZE

    def _bitmap(self, page: int) -> int:
        """Two bits an entry, the first entry's lowest: empty (3), written (2) or erased (0)."""
        at = page * PAGE_SIZE + _BITMAP_AT
        return int.from_bytes(self._data[at : at + 32], "little")

    def _bits(self, page: int, index: int) -> int:
        return self._data[page * PAGE_SIZE + _BITMAP_AT + index // 4] >> index % 4 * 2 & 0b11

    def _free_from(self, page: int) -> int:
        """The first entry from which on all are empty; 126 where none is."""
        taken = ~self._bitmap(page) & (1 << _ENTRIES * 2) - 1
        return (taken.bit_length() + 1) // 2

    def _mark(self, page: int, index: int, span: int, bits: int) -> None:
        at, bitmap = page * PAGE_SIZE + _BITMAP_AT, self._bitmap(page)
        for one in range(index, index + span):
            bitmap = bitmap & ~(0b11 << one * 2) | bits << one * 2
        first, last = index // 4, (index + span - 1) // 4
        self._program(at + first, bitmap.to_bytes(32, "little")[first : last + 1])

    def _program(self, offset: int, data: bytes) -> None:
        self._read = None
        self._data[offset : offset + len(data)] = data
        self._operations.append(Program(offset, data))

    def _erase(self, page: int) -> None:
        self._read = None
        self._data[page * PAGE_SIZE : (page + 1) * PAGE_SIZE] = b"\xff" * PAGE_SIZE
        self._operations.append(Erase(page * PAGE_SIZE))


def crc32(data: bytes) -> int:
    """esp_rom_crc32_le(0xFFFFFFFF, …)."""
    return zlib.crc32(data, 0xFFFF_FFFF)
