"""The partitions CSV, read and written by the rules of ESP-IDF's gen_esp32part.py.

Blank offsets follow the partition before, aligned for their type; a negative size means "up to that offset";
sizes take K and M; types and subtypes go by name or number. Errors name the line and the mend.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.errors import FormatError
from bench.flash.partition import LABEL_SIZE, Partition
from bench.flash.partition_names import (
    APP,
    BOOTLOADER,
    DATA,
    FLAGS,
    PARTITION_TABLE,
    SUBTYPES,
    TYPES,
    subtype_name,
    type_name,
)

__all__ = ["format_csv", "parse_csv"]

_TABLE_SECTOR = 0x1000
_OFFSET_ALIGNMENT = {APP: 0x10000}
_APP_SIZE_ALIGNMENT = 0x1000
_OTADATA_SIZE = 0x2000
_UNITS = {"k": 1024, "m": 1024 * 1024}
_ALWAYS_WRITABLE = {(DATA, SUBTYPES[DATA]["ota"]), (DATA, SUBTYPES[DATA]["coredump"])}


@dataclass(frozen=True)
class _Place:
    """Where in the text a row stands, for its errors."""

    line: int  # from 1
    offset: int  # characters from the start of the text

    def error(self, found: str, expected: str) -> FormatError:
        return FormatError(f"partitions CSV, line {self.line}", self.offset, found, expected)


@dataclass(frozen=True)
class _Row:
    """A row as written: the offset may be missing, the size negative."""

    place: _Place
    label: str
    type: int
    subtype: int
    offset: int | None
    size: int
    flags: int


def parse_csv(text: str, *, flash_size: int | None, table_offset: int) -> tuple[Partition, ...]:
    """Read a partitions CSV.

    Args:
        text: the file's text
        flash_size: bytes of flash that all partitions must fit in; None: not checked
        table_offset: where the table itself will lie; partitions follow one sector after it

    Raises:
        FormatError: the subject names the line
    """
    rows = [_parse_row(line, place) for line, place in _lines(text)]
    placed = list(_place_all(rows, table_offset + _TABLE_SECTOR))
    _check_each(placed)
    _check_together(placed, table_offset + _TABLE_SECTOR, flash_size)
    return tuple(partition for _, partition in placed)


def format_csv(partitions: Iterable[Partition]) -> str:
    """The text that gen_esp32part.py prints for a binary table."""
    lines = ["# ESP-IDF Partition Table", "# Name, Type, SubType, Offset, Size, Flags"]
    for partition in partitions:
        flags = ":".join(name for name, bit in FLAGS.items() if partition.flags & bit)
        fields = [
            partition.label,
            type_name(partition.type),
            subtype_name(partition.type, partition.subtype),
            f"0x{partition.offset:x}",
            _format_size(partition.size),
            flags,
        ]
        lines.append(",".join(fields))
    return "\n".join(lines) + "\n"


def _lines(text: str) -> Iterable[tuple[str, _Place]]:
    offset = 0
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        bare = line.strip().removeprefix("\ufeff")
        if bare and not bare.startswith("#"):
            yield bare, _Place(number, offset)
        offset += len(line)


def _parse_row(line: str, place: _Place) -> _Row:
    if "$" in line:
        raise place.error("a '$' variable", "plain values: variables are expanded by ESP-IDF's build, not here")
    fields = [field.strip() for field in line.split(",")]
    label, type_text, subtype_text, offset_text, size_text, flags_text = (fields + [""] * 6)[:6]
    if not type_text:
        raise place.error("an empty type", f"one of {', '.join(TYPES)}, or a number from 0x40 to 0xfe")
    type_ = _number(type_text, TYPES, place, "type")
    if subtype_text:
        subtype = _number(subtype_text, SUBTYPES.get(type_, {}), place, "subtype")
    elif type_ == APP:
        raise place.error("an app partition with an empty subtype", "factory, test or ota_0 … ota_15")
    else:
        subtype = SUBTYPES[DATA]["undefined"]
    for name, value in (("type", type_), ("subtype", subtype)):
        if not 0 <= value <= 0xFE:
            raise place.error(f"{name} {value}", "a number from 0 to 0xfe")
    if not size_text:
        raise place.error("an empty size", "a size in bytes, such as 0x6000, 64K or 1M")
    return _Row(
        place,
        # docs/en/api-guides/partition-tables.rst: longer names are truncated
        label.encode()[:LABEL_SIZE].decode(errors="ignore"),
        type_,
        subtype,
        _number(offset_text, {}, place, "offset") if offset_text else None,
        _number(size_text, {}, place, "size"),
        _flags(flags_text, place),
    )


def _number(text: str, names: Mapping[str, int], place: _Place, field: str) -> int:
    """A number in any of C's bases, with K or M behind it, or one of `names`."""
    unit = _UNITS.get(text[-1:].lower())
    try:
        return int(text, 0) if unit is None else int(text[:-1], 0) * unit
    except ValueError:
        if text.lower() in names:
            return names[text.lower()]
    expected = f"one of {', '.join(names)}, or a number" if names else "a number, such as 0x6000, 64K or 1M"
    raise place.error(f"{field} {text!r}", expected)


def _flags(text: str, place: _Place) -> int:
    flags = 0
    for name in filter(None, text.split(":")):
        if name not in FLAGS:
            raise place.error(f"flag {name!r}", f"{' or '.join(FLAGS)}, joined by ':'")
        flags |= FLAGS[name]
    return flags


def _place_all(rows: list[_Row], first_free: int) -> Iterable[tuple[_Place, Partition]]:
    """Fill in missing offsets and sizes given as an end, in the order of the rows."""
    free = first_free
    for number, row in enumerate(rows):
        if _is_primary(row.type, row.subtype):  # lies before the table, and moves nothing
            if row.offset is None:
                raise row.place.error("no offset", "the offset of the bootloader or partition table itself")
            yield row.place, _partition(row, row.offset, row.size)
            continue
        offset = row.offset
        if offset is None:
            offset = _aligned(free, _OFFSET_ALIGNMENT.get(row.type, 0x1000))
        elif offset < free:
            before = "the partition table" if number == 0 else "the partition before"
            raise row.place.error(f"offset 0x{offset:x}, inside {before}", f"0x{free:x} or higher, or a blank")
        size = row.size if row.size >= 0 else -row.size - offset
        if size < 0:
            raise row.place.error(f"an end of 0x{-row.size:x} before the start 0x{offset:x}", "a higher end")
        partition = _partition(row, offset, size)
        free = partition.end
        yield row.place, partition


def _partition(row: _Row, offset: int, size: int) -> Partition:
    if not (0 <= offset <= 0xFFFF_FFFF and 0 <= size <= 0xFFFF_FFFF):
        raise row.place.error(f"offset 0x{offset:x}, size 0x{size:x}", "numbers of 32 bits")
    return Partition(row.label, row.type, row.subtype, offset, size, row.flags)


def _check_each(placed: list[tuple[_Place, Partition]]) -> None:
    for place, partition in placed:
        alignment = _OFFSET_ALIGNMENT.get(partition.type, 0x1000)
        if partition.offset % alignment:
            found = f"offset 0x{partition.offset:x}"
            better = _aligned(partition.offset, alignment)
            raise place.error(found, f"a multiple of 0x{alignment:x}, such as 0x{better:x}, or a blank")
        if partition.type == APP and partition.size % _APP_SIZE_ALIGNMENT:
            raise place.error(f"size 0x{partition.size:x}", f"a multiple of 0x{_APP_SIZE_ALIGNMENT:x} for an app")
        if partition.readonly and (partition.type, partition.subtype) in _ALWAYS_WRITABLE:
            raise place.error("the flag readonly", "none: otadata and coredump are always written")


def _check_together(placed: list[tuple[_Place, Partition]], first_free: int, flash_size: int | None) -> None:
    labels: dict[str, _Place] = {}
    otadata: _Place | None = None
    for place, partition in placed:
        if partition.label in labels:
            first = labels[partition.label].line
            raise place.error(f"a second partition {partition.label!r}", f"another name: line {first} has this one")
        labels[partition.label] = place
        if (partition.type, partition.subtype) == (DATA, SUBTYPES[DATA]["ota"]):
            if otadata is not None:
                raise place.error("a second otadata partition", f"only the one of line {otadata.line}")
            if partition.size != _OTADATA_SIZE:
                raise place.error(f"an otadata partition of 0x{partition.size:x} bytes", f"0x{_OTADATA_SIZE:x}")
            otadata = place
    last: Partition | None = None
    for place, partition in sorted(placed, key=lambda item: item[1].offset):
        if partition.offset < first_free and not _is_primary(partition.type, partition.subtype):
            raise place.error(f"offset 0x{partition.offset:x}", f"0x{first_free:x} or higher, after the table")
        if last is not None and partition.offset < last.end:
            raise place.error(f"offset 0x{partition.offset:x}, inside {last.label!r}", f"0x{last.end:x} or higher")
        if flash_size is not None and partition.end > flash_size:
            raise place.error(f"an end at 0x{partition.end:x}", f"at most 0x{flash_size:x}, the size of the flash")
        last = partition


def _is_primary(type_: int, subtype: int) -> bool:
    return type_ in (BOOTLOADER, PARTITION_TABLE) and subtype == 0


def _aligned(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment


def _format_size(size: int) -> str:
    for unit, suffix in ((0x100000, "M"), (0x400, "K")):
        if size % unit == 0:
            return f"{size // unit}{suffix}"
    return f"0x{size:x}"
