"""``bench dialect``: check the file that describes a firmware of one's own, and print its JSON Schema.

``check`` exits with 0 for a valid file, and with 2 and one line (file, line, field, mend) for any other.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.ota import Dialect

__all__ = ["register"]


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `bench dialect`."""
    parser = commands.add_parser("dialect", help="check how a firmware of your own is described")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="read a dialect file, and tell what the bench makes of it")
    check.add_argument("file", type=Path, metavar="FILE")
    check.add_argument(
        "--console", type=Path, metavar="LOG", help="a recorded console: tell which lines mean something"
    )
    check.set_defaults(run=_check)
    schema = actions.add_parser("schema", help="print the JSON Schema of dialect files, for editors")
    schema.set_defaults(run=_schema)


def _check(args: argparse.Namespace) -> int:
    from bench.ota import load_dialect

    dialect = load_dialect(args.file)
    print(
        f"{args.file}: {dialect.project_name}, held to the promises of {dialect.like}; URL from {dialect.place.source}"
    )
    told = sorted(name.removeprefix("ESP_HTTPS_OTA_") for name in dialect.events)
    print(f"events: {', '.join(told) or 'none: scenarios that wait for one are skipped'}")
    if args.console is not None:
        _try_on(dialect, args.console)
    return 0


def _try_on(dialect: Dialect, path: Path) -> None:
    """Which lines of a recorded console mean something in that dialect."""
    from bench.console import ConsoleReader, Judge, Noise, Record
    from bench.errors import BenchError

    try:
        data = path.read_bytes()
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror}") from None
    reader, judge = ConsoleReader(dialect.speech), Judge(dialect.speech)
    items = [*reader.feed(data), *reader.close()]
    judge.feed(items)
    for item in items:
        if isinstance(item, Record | Noise):
            event, sign = dialect.speech.event_of(item), dialect.speech.sign_of(item)
            if event is not None or sign is not None:
                payload = "" if event is None or event.payload is None else f" ({event.payload})"
                means = f"{event.name}{payload}" if event is not None else str(sign and sign.name).lower()
                print(
                    f"line {item.line_no}: {means}: {(item.message if isinstance(item, Record) else item.text).strip()}"
                )
    print(f"verdict: {judge.judgement().verdict}")


def _schema(_args: argparse.Namespace) -> int:
    from bench.ota.dialect_fields import DIALECT
    from bench.settings import json_schema

    json.dump(json_schema(DIALECT, title="dialect file of OTA bench"), sys.stdout, indent=2)
    print()
    return 0
