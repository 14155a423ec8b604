"""``bench otadata``: which slot a board will boot and in which state it is, shown or set.

Works on a dump of the otadata partition (8 KiB), on a dump of the whole flash, and on a board: by its name in
boards.yaml or by its port.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.arguments import count, number
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.flash import OtaData, OtaImgState, PartitionTable

__all__ = ["register"]

_STATES = ("new", "pending_verify", "valid", "invalid", "aborted", "undefined")


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    group = commands.add_parser("otadata", description="The otadata partition of a dump or a board.")
    actions = group.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("show", help="both entries, which one counts, and what boots")
    show.add_argument("--json", action="store_true", help="one JSON object")
    change = actions.add_parser("set", help="let another slot boot next, or give a slot another state")
    change.add_argument(
        "--slot", required=True, metavar="SLOT", help="ota_0, ota_1 …; or factory, which erases otadata"
    )
    change.add_argument("--state", choices=_STATES, help="of its entry; default: undefined, as without rollback")
    for action, run in ((show, _show), (change, _set)):
        action.add_argument("where", metavar="FILE|BOARD|PORT")
        action.add_argument("--slots", type=count, default=2, metavar="N", help="OTA slots, where no table tells (2)")
        action.add_argument("--table-offset", type=number, default=0x8000, metavar="N", help="of the table (0x8000)")
        action.add_argument("--boards-file", type=Path, default=Path("boards.yaml"), metavar="FILE")
        action.set_defaults(run=run)


@dataclass(frozen=True)
class _Place:
    """Where otadata was found, and how it is written back. `has_factory` is None where no table tells."""

    otadata: OtaData
    labels: tuple[str, ...]
    has_factory: bool | None
    write: Callable[[bytes], None]


@contextmanager
def _opened(args: argparse.Namespace) -> Iterator[_Place]:
    path = Path(args.where)
    if path.is_file():
        yield _in_file(path, args)
        return
    from bench.boards.at_hand import at_hand
    from bench.boards.flashing import in_loader
    from bench.boards.reset import pulse_enable

    with at_hand(args.where, args.boards_file, purpose="bench otadata") as attachment:
        with in_loader(attachment) as loader:
            table = _table(loader.read(args.table_offset, 0xC00))
            at = _otadata_of(table)
            yield _place(loader.read(at, 0x2000), table, lambda data: _rewrite(loader, at, data))
        _restart(attachment.port, pulse_enable)


def _rewrite(loader: object, at: int, data: bytes) -> None:
    from bench.boards.flashing import Loader

    assert isinstance(loader, Loader)
    loader.erase(at, len(data))
    loader.write([(at, data)])


def _restart(port: str, pulse: Callable[..., None]) -> None:
    import serial

    with serial.serial_for_url(port) as opened:
        pulse(opened)


def _in_file(path: Path, args: argparse.Namespace) -> _Place:
    from bench.flash import OtaData
    from bench.flash.otadata import OTADATA_SIZE

    data = path.read_bytes()
    if len(data) == OTADATA_SIZE:
        labels = tuple(f"ota_{slot}" for slot in range(args.slots))
        return _Place(OtaData.parse(data), labels, None, lambda new: _replace(path, new))
    table = _table(data[args.table_offset :][:0xC00])
    at = _otadata_of(table)
    whole = data[at : at + OTADATA_SIZE]
    return _place(whole, table, lambda new: _replace(path, data[:at] + new + data[at + len(new) :]))


def _replace(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(data)
    beside.replace(path)


def _table(data: bytes) -> PartitionTable:
    from bench.flash import PartitionTable

    return PartitionTable.parse(data)


def _otadata_of(table: PartitionTable) -> int:
    if table.otadata is None:
        raise BenchError("the partition table has no otadata: nothing chooses a slot there")
    return table.otadata.offset


def _place(data: bytes, table: PartitionTable, write: Callable[[bytes], None]) -> _Place:
    from bench.flash import OtaData

    labels = tuple(partition.label for partition in table.ota_slots)
    if not labels:
        raise BenchError("the partition table has no OTA slot: there is nothing that otadata could choose")
    return _Place(OtaData.parse(data), labels, table.factory is not None, write)


def _boots(place: _Place) -> str:
    active = place.otadata.active
    if active is None:
        if place.has_factory is None:
            return f"factory, or {place.labels[0]} where there is none"
        return "factory" if place.has_factory else f"{place.labels[0]} (no entry is valid)"
    return place.labels[active.slot(len(place.labels))]


def _show(args: argparse.Namespace) -> int:
    with _opened(args) as place:
        data, told = place.otadata, []
        for index, entry in enumerate(data.entries):
            told.append(
                {
                    "entry": index,
                    "erased": entry.is_erased,
                    "valid": entry.is_valid,
                    "counts": data.active_index == index,
                    "slot": None if entry.is_erased else place.labels[entry.slot(len(place.labels))],
                    "ota_seq": entry.ota_seq,
                    "state": getattr(entry.state, "name", f"0x{entry.state:x}"),
                    "crc": f"0x{entry.crc:08x}",
                }
            )
        if args.json:
            print(json.dumps({"boots": _boots(place), "entries": told}))
            return 0
        for one in told:
            if one["erased"]:
                print(f"entry {one['entry']}: erased")
                continue
            valid = "" if one["valid"] else ", not valid"
            counts = "  <- counts" if one["counts"] else ""
            print(f"entry {one['entry']}: {one['slot']}, ota_seq {one['ota_seq']}, {one['state']}{valid}{counts}")
        print(f"boots: {_boots(place)}, if its image is sound")
    return 0


def _set(args: argparse.Namespace) -> int:
    with _opened(args) as place:
        changed = _changed(place, args)
        place.write(changed.to_bytes())
        after = replace(place, otadata=changed)
    entry = "otadata is erased" if args.slot == "factory" else f"the entry of {args.slot} is {_state(args).name}"
    print(f"{args.where}: {entry}; {_boots(after)} boots next, if its image is sound")
    return 0


def _state(args: argparse.Namespace) -> OtaImgState:
    from bench.flash import OtaImgState

    return OtaImgState[(args.state or "undefined").upper()]


def _changed(place: _Place, args: argparse.Namespace) -> OtaData:
    """What is to be written; `BenchError` where the slot is not there, or has no state."""
    from bench.flash import OtaData

    data = place.otadata
    if args.slot == "factory":
        if place.has_factory is False:
            raise BenchError(f"there is no factory partition: there are {', '.join(place.labels)}")
        if args.state is not None:
            raise BenchError("--state is of the entry of an OTA slot, and factory has none: leave it out")
        return OtaData.erased()
    if args.slot not in place.labels:
        factory = "" if place.has_factory is False else ", and factory"
        raise BenchError(f"there is no slot {args.slot!r}: there are {', '.join(place.labels)}{factory}")
    slot, slots = place.labels.index(args.slot), len(place.labels)
    if data.active is not None and data.active_index is not None and data.active.slot(slots) == slot:
        return data.with_entry(data.active_index, data.active.with_state(_state(args)))
    return data.switched_to(slot, slots, _state(args))
