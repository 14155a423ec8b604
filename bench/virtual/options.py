"""The virtual board's command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from bench.virtual.chips import CHIPS

__all__ = ["Options", "add_arguments", "options_of"]


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    chip: str
    flash: Path | None
    efuse: Path | None
    listen: tuple[str, int]
    control: tuple[str, int] | None
    realtime: bool
    until_stdin_closes: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The board's options."""
    parser.add_argument("--chip", required=True, choices=sorted(CHIPS), help="what the board is")
    parser.add_argument("--flash", type=Path, metavar="FILE", help="keep the flash in FILE; made if absent")
    parser.add_argument("--efuse", type=Path, metavar="FILE", help="keep the eFuses in FILE; made if absent")
    parser.add_argument(
        "--listen",
        type=_address,
        default=("127.0.0.1", 0),
        metavar="HOST:PORT",
        help="where the serial port is served (default 127.0.0.1:0, a free port)",
    )
    parser.add_argument("--control", type=_address, metavar="HOST:PORT", help="serve the control channel there")
    parser.add_argument("--realtime", action="store_true", help="let waiting take as long as on a real board")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when stdin ends")


def options_of(arguments: argparse.Namespace) -> Options:
    """The options in parsed arguments."""
    return Options(
        chip=arguments.chip,
        flash=arguments.flash,
        efuse=arguments.efuse,
        listen=arguments.listen,
        control=arguments.control,
        realtime=arguments.realtime,
        until_stdin_closes=arguments.until_stdin_closes,
    )


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)
