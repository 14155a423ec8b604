"""ESP-IDF's non-volatile storage: the pages of an NVS partition, as far as numbers and strings need it.

Source: components/nvs_flash/src (nvs_page.hpp, nvs_types.hpp, nvs_storage.cpp) and the document "Non-Volatile Storage
Library". A page is a sector: 32 bytes of header, 32 bytes of bitmap (two bits an entry) and 126 entries of 32 bytes.
What is written stays until its page is erased: a new value is a new entry, and the old one's bits are cleared. So a
change is a list of operations that only clear bits or erase pages, in the device's order; power may be lost between
any two of them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from bench.errors import FormatError

__all__ = ["Erase", "Nvs", "Operation", "Program"]

PAGE_SIZE = 4096
_ENTRIES = 126
_ENTRY_SIZE = 32
_BITMAP_AT = 32
_ENTRIES_AT = 64
_VERSION = 0xFE
"""Format version 2, counted downwards from 0xFF."""
_ITEM = struct.Struct("<BBBBI16s8s")
_ANY_CHUNK = 0xFF
_LONGEST_KEY = 15
_U8, _U16, _U32, _STRING = 0x01, 0x02, 0x04, 0x21
_NUMBERS = {_U8: 1, _U16: 2, _U32: 4, 0x08: 8, 0x11: 1, 0x12: 2, 0x14: 4, 0x18: 8}
"""Bytes of the number types; 0x1_ are the signed ones."""


class _State(IntEnum):
    UNINITIALISED = 0xFFFF_FFFF
    ACTIVE = 0xFFFF_FFFE
    FULL = 0xFFFF_FFFC


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
class _Item:
    """One written item: where it is, and what it says."""

    page: int
    index: int
    span: int
    namespace: int
    type: int
    key: str
    value: bytes


class Nvs:
    """The content of one NVS partition; changes are made to it and given back as operations on flash.

    Args:
        data: the whole partition, a multiple of 4096 bytes

    Raises:
        FormatError: it is no multiple of a page; every content of a page can be read. On writing: no room, or a single
            page, which ESP-IDF's nvs_flash would not take again (`PageManager::load`: one page has to be free)
    """

    def __init__(self, data: bytes) -> None:
        if not data or len(data) % PAGE_SIZE:
            raise FormatError("NVS partition", 0, f"{len(data)} bytes", "a multiple of 4096")
        self._data = bytearray(data)
        self._operations: list[Operation] = []
        self._read: list[_Item] | None = None
        """The items as they were read; None once something was written."""

    def to_bytes(self) -> bytes:
        """The partition as it is now."""
        return bytes(self._data)

    # -- reading

    def get_number(self, namespace: str, key: str) -> int | None:
        """The (unsigned) number of that name, None where there is none."""
        item = self._find(namespace, key)
        if item is None or item.type not in _NUMBERS:
            return None
        return int.from_bytes(item.value[: _NUMBERS[item.type]], "little")

    def get_string(self, namespace: str, key: str) -> str | None:
        """The string of that name without its NUL, None where there is none."""
        item = self._find(namespace, key)
        if item is None or item.type != _STRING:
            return None
        return item.value.partition(b"\0")[0].decode("utf-8", "surrogateescape")

    # -- writing

    def set_u16(self, namespace: str, key: str, value: int) -> list[Operation]:
        """nvs_set_u16."""
        return self._set(namespace, key, _U16, struct.pack("<H", value))

    def set_string(self, namespace: str, key: str, value: str) -> list[Operation]:
        """nvs_set_str."""
        return self._set(namespace, key, _STRING, value.encode("utf-8", "surrogateescape") + b"\0")

    def erase_all(self, namespace: str) -> list[Operation]:
        """nvs_erase_all: every item of a namespace, not its name."""
        index = self._namespace(namespace)
        for item in [] if index is None else [one for one in self._items() if one.namespace == index]:
            self._mark_erased(item)
        return self._done()

    def _set(self, namespace: str, key: str, kind: int, value: bytes) -> list[Operation]:
        if not 1 <= len(key.encode()) <= _LONGEST_KEY:
            raise FormatError("NVS key", 0, repr(key), f"1 to {_LONGEST_KEY} bytes")
        if len(self._data) < 2 * PAGE_SIZE:
            raise FormatError("NVS partition", 0, "a single page", "at least two (0x3000 bytes in a partition table)")
        index = self._namespace(namespace)
        if index is None:
            taken = {item.value[0] for item in self._namespaces()}
            index = next((number for number in range(1, 255) if number not in taken), None)
            if index is None:
                raise FormatError("NVS partition", 0, "254 namespaces", "room for another")
            self._write(0, _U8, namespace, bytes([index]))
        old = self._find(namespace, key)
        if old is None or old.type != kind or old.value[: len(value)] != value:
            self._write(index, kind, key, value)
            if old is not None:
                self._mark_erased(self._moved(old))
        return self._done()

    # -- inside: items

    def _namespace(self, name: str) -> int | None:
        return next((item.value[0] for item in self._namespaces() if item.key == name), None)

    def _namespaces(self) -> Iterator[_Item]:
        """Each is a number in namespace 0; whatever else is there is damage, which nvs_flash passes over too."""
        return (item for item in self._items() if item.namespace == 0 and item.type == _U8)

    def _find(self, namespace: str, key: str) -> _Item | None:
        index = self._namespace(namespace)
        found = [item for item in self._items() if item.namespace == index and item.key == key]
        return found[-1] if found and index else None

    def _moved(self, old: _Item) -> _Item:
        """An item that was copied to another page when its own was cleared away: the earliest of the same value."""
        same = [item for item in self._items() if (item.namespace, item.key) == (old.namespace, old.key)]
        return same[0]

    def _items(self) -> list[_Item]:
        """Every written item, page by page in the order in which the pages were begun."""
        if self._read is None:
            self._read = [item for page in self._used_pages() for item in self._items_of(page)]
        return self._read

    def _items_of(self, page: int) -> Iterator[_Item]:
        bitmap, index, end = self._bitmap(page), 0, self._free_from(page)
        while index < end:
            item = self._item(page, index) if bitmap >> index * 2 & 0b11 == 0b10 else None
            if item is not None:
                yield item
            index += item.span if item is not None else 1

    def _item(self, page: int, index: int) -> _Item | None:
        at = self._at(page, index)
        entry = bytes(self._data[at : at + _ENTRY_SIZE])
        namespace, kind, span, _chunk, crc, key, value = _ITEM.unpack(entry)
        if crc != _crc(entry[:4] + entry[8:]) or not 1 <= span <= _ENTRIES - index:
            return None
        if kind == _STRING:
            size = int.from_bytes(value[:2], "little")
            value = bytes(self._data[at + _ENTRY_SIZE : at + span * _ENTRY_SIZE])[:size]
        name = key.partition(b"\0")[0].decode("utf-8", "replace")
        return _Item(page, index, span, namespace, kind, name, value)

    def _write(self, namespace: int, kind: int, key: str, value: bytes) -> None:
        name = key.encode().ljust(16, b"\0")
        if kind == _STRING:
            blocks = -(-len(value) // _ENTRY_SIZE)
            field = struct.pack("<HHI", len(value), 0xFFFF, _crc(value))
            rest = value.ljust(blocks * _ENTRY_SIZE, b"\xff")
        else:
            blocks, field, rest = 0, value.ljust(8, b"\xff"), b""
        head = struct.pack("<BBBB", namespace, kind, 1 + blocks, _ANY_CHUNK)
        entry = head + struct.pack("<I", _crc(head + name + field)) + name + field
        self._append(entry + rest)

    def _append(self, entries: bytes) -> None:
        span = len(entries) // _ENTRY_SIZE
        page, index = self._place_for(span)
        self._program(self._at(page, index), entries)
        self._mark(page, index, span, 0b10)

    def _mark_erased(self, item: _Item) -> None:
        self._mark(item.page, item.index, item.span, 0b00)

    # -- inside: pages

    def _place_for(self, span: int) -> tuple[int, int]:
        """Where the next entries go; begins a page where they do not fit into the active one."""
        active = [page for page in self._used_pages() if self._state(page) == _State.ACTIVE]
        if active:
            page = active[-1]
            free = self._free_from(page)
            if free + span <= _ENTRIES:
                return page, free
            self._program(page * PAGE_SIZE, struct.pack("<I", _State.FULL))
        page = self._begin_page()
        index = self._free_from(page)
        if index + span > _ENTRIES:
            raise FormatError("NVS partition", page * PAGE_SIZE, "no room", f"{span} free entries")
        return page, index

    def _begin_page(self) -> int:
        """The next page; where it is the last that is free, what the stalest page still holds moves there."""
        pages = len(self._data) // PAGE_SIZE
        used = self._used_pages()
        free = [page for page in range(pages) if page not in used]
        page = free[0] if free else used[0]
        last = len(free) == 1
        sequence = max((self._sequence(one) for one in used), default=-1) + 1
        if any(byte != 0xFF for byte in self._data[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]):
            self._erase(page)
        fields = struct.pack("<IB19s", sequence, _VERSION, b"\xff" * 19)
        header = struct.pack("<I", _State.ACTIVE) + fields + struct.pack("<I", _crc(fields))
        self._program(page * PAGE_SIZE, header)
        if last:
            stale = min(used, key=lambda one: sum(item.span for item in self._items() if item.page == one))
            for item in [one for one in self._items() if one.page == stale]:
                at = self._at(stale, item.index)
                self._append(bytes(self._data[at : at + item.span * _ENTRY_SIZE]))
            self._erase(stale)
        return page

    def _used_pages(self) -> list[int]:
        pages = range(len(self._data) // PAGE_SIZE)
        used = [page for page in pages if self._state(page) in (_State.ACTIVE, _State.FULL) and self._sound(page)]
        return sorted(used, key=self._sequence)

    def _sound(self, page: int) -> bool:
        header = bytes(self._data[page * PAGE_SIZE : page * PAGE_SIZE + _ENTRY_SIZE])
        return int.from_bytes(header[28:], "little") == _crc(header[4:28])

    def _state(self, page: int) -> int:
        return int.from_bytes(self._data[page * PAGE_SIZE : page * PAGE_SIZE + 4], "little")

    def _sequence(self, page: int) -> int:
        return int.from_bytes(self._data[page * PAGE_SIZE + 4 : page * PAGE_SIZE + 8], "little")

    # -- inside: bits

    def _at(self, page: int, index: int) -> int:
        return page * PAGE_SIZE + _ENTRIES_AT + index * _ENTRY_SIZE

    def _bitmap(self, page: int) -> int:
        """Two bits an entry, the first entry's lowest: empty (3), written (2) or erased (0)."""
        at = page * PAGE_SIZE + _BITMAP_AT
        return int.from_bytes(self._data[at : at + 32], "little")

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

    def _done(self) -> list[Operation]:
        operations, self._operations = self._operations, []
        return operations


def _crc(data: bytes) -> int:
    """esp_rom_crc32_le(0xFFFFFFFF, …)."""
    return zlib.crc32(data, 0xFFFF_FFFF)
