"""ESP-IDF's non-volatile storage: namespaces, numbers and strings in an NVS partition.

Source: components/nvs_flash/src/nvs_storage.cpp and the document "Non-Volatile Storage Library". What is written stays
until its page is erased: a new value is a new entry, and the old one's bits are cleared. So a change is a list of
operations that only clear bits or erase pages, in the device's order; power may be lost between any two of them, or in
the middle of one, and what that leaves half done is mended when the partition is opened (`bench/flash/nvs_pages.py`).
A string is written in one operation and its bits in another, where Page::writeItem takes up to three of each.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from bench.errors import FormatError
from bench.flash.nvs_pages import ENTRY_SIZE, STRING, Erase, Item, Operation, Pages, Program, crc32

__all__ = ["Erase", "Nvs", "Operation", "Program"]

_ANY_CHUNK = 0xFF
_LONGEST_KEY = 15
_U8, _U16, _U32 = 0x01, 0x02, 0x04
_NUMBERS = {_U8: 1, _U16: 2, _U32: 4, 0x08: 8, 0x11: 1, 0x12: 2, 0x14: 4, 0x18: 8}
"""Bytes of the number types; 0x1_ are the signed ones."""


class Nvs:
    """The content of one NVS partition; changes are made to it and given back as operations on flash.

    What is read is what firmware reads once it has opened the partition, so after a power cut was mended.

    Args:
        data: the whole partition, a multiple of 4096 bytes

    Raises:
        FormatError: it is no multiple of a page; every content of a page can be read. On writing: no room, or a single
            page, which ESP-IDF's nvs_flash would not take again (`PageManager::load`: one page has to be free)
    """

    def __init__(self, data: bytes) -> None:
        self._pages = Pages(data)
        self._pages.recover()

    def to_bytes(self) -> bytes:
        """The partition as it is now."""
        return self._pages.to_bytes()

    def opened(self) -> list[Operation]:
        """nvs_flash_init: what it mended after a power cut, once; where nobody asks, the next change begins with it."""
        return self._pages.done()

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
        if item is None or item.type != STRING:
            return None
        return item.value.partition(b"\0")[0].decode("utf-8", "surrogateescape")

    # -- writing

    def set_u16(self, namespace: str, key: str, value: int) -> list[Operation]:
        """nvs_set_u16."""
        return self._set(namespace, key, _U16, struct.pack("<H", value))

    def set_string(self, namespace: str, key: str, value: str) -> list[Operation]:
        """nvs_set_str."""
        return self._set(namespace, key, STRING, value.encode("utf-8", "surrogateescape") + b"\0")

    def erase_all(self, namespace: str) -> list[Operation]:
        """nvs_erase_all: every item of a namespace, not its name."""
        index = self._namespace(namespace)
        for item in [] if index is None else [one for one in self._pages.items() if one.namespace == index]:
            self._pages.mark_erased(item)
        return self._pages.done()

    def _set(self, namespace: str, key: str, kind: int, value: bytes) -> list[Operation]:
        if not 1 <= len(key.encode()) <= _LONGEST_KEY:
            raise FormatError("NVS key", 0, repr(key), f"1 to {_LONGEST_KEY} bytes")
        if len(self._pages) < 2:
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
                self._pages.mark_erased(self._moved(old))
        return self._pages.done()

    # -- inside

    def _namespace(self, name: str) -> int | None:
        return next((item.value[0] for item in self._namespaces() if item.key == name), None)

    def _namespaces(self) -> Iterator[Item]:
        """Each is a number in namespace 0; whatever else is there is damage, which nvs_flash passes over too."""
        return (item for item in self._pages.items() if item.namespace == 0 and item.type == _U8)

    def _find(self, namespace: str, key: str) -> Item | None:
        index = self._namespace(namespace)
        found = [item for item in self._pages.items() if item.namespace == index and item.key == key]
        return found[-1] if found and index else None

    def _moved(self, old: Item) -> Item:
        """An item that was copied to another page when its own was cleared away: the earliest of the same value."""
        same = [item for item in self._pages.items() if (item.namespace, item.key) == (old.namespace, old.key)]
        return same[0]

    def _write(self, namespace: int, kind: int, key: str, value: bytes) -> None:
        name = key.encode().ljust(16, b"\0")
        if kind == STRING:
            blocks = -(-len(value) // ENTRY_SIZE)
            field = struct.pack("<HHI", len(value), 0xFFFF, crc32(value))
            rest = value.ljust(blocks * ENTRY_SIZE, b"\xff")
        else:
            blocks, field, rest = 0, value.ljust(8, b"\xff"), b""
        head = struct.pack("<BBBB", namespace, kind, 1 + blocks, _ANY_CHUNK)
        entry = head + struct.pack("<I", crc32(head + name + field)) + name + field
        self._pages.append(entry + rest)
