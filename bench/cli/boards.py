"""``bench boards``: what is attached, whether it works, and the schema of boards.yaml.

Exit code 1: `check` found something broken, or `discover` found no chip.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["register"]


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    group = commands.add_parser("boards", description="The boards of this bench.")
    actions = group.add_subparsers(metavar="ACTION", required=True)

    discover = actions.add_parser("discover", help="list what is attached, and print entries ready to paste")
    discover.add_argument("--port", action="append", metavar="PORT", help="ask only here: a device path or a URL")
    discover.add_argument("--boards-file", default="boards.yaml", metavar="FILE", help="whose names are taken already")
    discover.add_argument("--json", action="store_true", help="one JSON object a port")
    discover.set_defaults(run=_discover)

    check = actions.add_parser("check", help="try boards: port, download mode, console, address; what to mend")
    check.add_argument("names", nargs="*", metavar="NAME", help="boards of boards.yaml (default: all of them)")
    check.add_argument("--boards-file", default="boards.yaml", metavar="FILE")
    check.add_argument("--json", action="store_true", help="one JSON object a finding")
    check.set_defaults(run=_check)

    recover = actions.add_parser("recover", help="bring a board that is stuck into download mode, and say how it is")
    recover.add_argument("board", metavar="BOARD|PORT")
    recover.add_argument("--boards-file", type=Path, default=Path("boards.yaml"), metavar="FILE")
    recover.set_defaults(run=_recover)

    schema = actions.add_parser("schema", help="print the JSON Schema of boards.yaml, for editors")
    schema.set_defaults(run=_schema)


def _discover(args: argparse.Namespace) -> int:
    from bench.boards.boards_file import BoardsFile
    from bench.boards.discover import discover, entry
    from bench.boards.ports import Port, machine_ports

    # a port that is on no USB is never probed unasked
    ports = [Port(port) for port in args.port] if args.port else [port for port in machine_ports()() if port.usb]
    path = Path(args.boards_file)
    taken = set(BoardsFile.load(path).boards) if path.exists() else set()
    any_chip, entries = False, []
    for found in discover(ports):
        chip = found.identity
        any_chip = any_chip or chip is not None
        if args.json:
            print(json.dumps(dataclasses.asdict(found)), flush=True)
            continue
        told = found.problem if chip is None else f"{chip.chip} {chip.revision}  {chip.mac}  flash {chip.flash_size}"
        ids = f"{found.port.vid:04x}:{found.port.pid:04x}" if found.port.usb else ""
        usb = " ".join(filter(None, (ids, found.port.product)))
        print(f"{found.port.device:24} {usb:32} {told}", flush=True)
        if chip is not None and (lines := entry(found, taken)):
            entries.append(lines)
            taken.add(lines.split(":")[0].strip())
    if entries:
        print("\nboards:\n" + "".join(entries), end="")
    elif not any_chip and not args.json:
        print(_nothing())
    return 0 if any_chip else 1


def _nothing() -> str:
    from bench.boards.check import check_machine
    from bench.boards.machine import Machine

    known = [f"{finding.told}: {finding.mend}" for finding in check_machine(Machine())]
    return "\n".join(["no chip was found; is the cable one for data?", *known])


def _check(args: argparse.Namespace) -> int:
    from bench.boards.boards_file import BoardsFile
    from bench.boards.check import Finding, check_board, check_machine
    from bench.boards.machine import Machine
    from bench.errors import BenchError

    file = BoardsFile.load(Path(args.boards_file))
    for name in args.names:
        if name not in file.boards:
            raise BenchError(f"{file.path} has no board {name!r}; it names {', '.join(file.boards)}")

    def show(who: str, findings: Iterable[Finding]) -> bool:
        sound = True
        for finding in findings:
            sound = sound and finding.verdict != "broken"
            if args.json:
                print(json.dumps({"board": who, **dataclasses.asdict(finding)}), flush=True)
            else:
                mend = f"\n{'':36}mend: {finding.mend}" if finding.mend else ""
                print(f"{who:18} {finding.verdict:8} {finding.step}: {finding.told}{mend}", flush=True)
        return sound

    sound = show("this machine", check_machine(Machine()))
    for name in args.names or file.boards:
        sound = show(name, check_board(file.boards[name])) and sound
    return 0 if sound else 1


def _recover(args: argparse.Namespace) -> int:
    from bench.boards.at_hand import at_hand
    from bench.boards.flashing import recover

    with at_hand(args.board, args.boards_file, purpose="bench boards recover") as attachment:

        def power_cycle() -> None:
            attachment.supply.power(False)
            attachment.supply.power(True)

        can_cycle = "power_cycle" in attachment.board.capabilities
        print(f"{args.board}: {recover(attachment, power_cycle=power_cycle if can_cycle else None)}")
    return 0


def _schema(_args: argparse.Namespace) -> int:
    from bench.boards.boards_fields import BOARDS
    from bench.settings import json_schema

    json.dump(json_schema(BOARDS, title="boards.yaml of OTA bench"), sys.stdout, indent=2)
    print()
    return 0
