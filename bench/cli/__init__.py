"""The `bench` command: one module a command, imported only when it is called.

Exit codes: 0 done, 1 the command's own "no" (documented by each command), 2 bad usage or a `BenchError`,
130 interrupted, 141 whoever read the output has gone.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from types import MappingProxyType

from bench.errors import BenchError

__all__ = ["COMMANDS", "main"]

COMMANDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "Images and builds": {
            "image": "look at images, and make others of them",
            "build": "build firmware with ESP-IDF, once for each content",
            "build-virtual": "write a build for a virtual board",
        },
        "Runs": {
            "report": "write the page of a run from its evidence",
            "gate": "judge a run by a release policy, and bundle its evidence",
            "history": "pass rates, flakes and trends over many runs",
        },
        "Proofs": {
            "sweep": "cut the power at every flash operation of a life",
        },
        "At the desk": {
            "boards": "find boards, try them, and what to write into boards.yaml",
            "otadata": "show or set which slot a board boots",
            "serve": "serve update images over TLS, well or with faults",
            "dialect": "check how a firmware of your own is described",
            "console": "read the console of a board",
            "virtual": "run a virtual board and print its rfc2217:// URL",
        },
        "Setting up": {
            "init": "write boards.yaml, a first scenario and CI files into a firmware repository",
            "doctor": "is this machine fit for the bench?",
            "completion": "completion for bash, zsh and fish",
        },
    }
)
"""Every command with one line about it, in groups: the table of contents. Its module is named like it, with `_`."""

_KNOWN = tuple(name for group in COMMANDS.values() for name in group)


def _overview() -> str:
    lines = ["", "A test bench for over-the-air updates of ESP32 firmware."]
    for title, group in COMMANDS.items():
        lines += ["", f"{title}:", *(f"  {name:15} {told}" for name, told in group.items())]
    return "\n".join([*lines, "", "`bench COMMAND --help` tells the rest; `pytest scenarios` runs the scenarios.", ""])


class _Overview(argparse.ArgumentParser):
    """The parser of the `bench` command itself, whose help is the table of contents."""

    def format_help(self) -> str:
        return self.format_usage() + _overview()


def _parser(called: str | None) -> argparse.ArgumentParser:
    """The parser; only the command that is called brings its own arguments, so that no other is imported."""
    parser = _Overview(prog="bench", usage="bench COMMAND …")
    commands = parser.add_subparsers(
        prog="bench", metavar="COMMAND", required=True, parser_class=argparse.ArgumentParser
    )
    for name in _KNOWN:
        if name == called:
            import_module(f"bench.cli.{name.replace('-', '_')}").register(commands)
        else:
            commands.add_parser(name)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one `bench` command and return its exit code."""
    _open_what_is_closed()
    try:
        try:
            return _called(list(sys.argv[1:] if argv is None else argv))
        finally:
            # A reader that has gone and a full disk are noticed here, and not when the interpreter shuts down.
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe (head, less) has gone: nothing is left to say, and nobody to say it to.
        _say_no_more()
        return 141
    except OSError as error:
        # What a command reads or listens on it explains itself; this is its own output, on a full disk say.
        _say_no_more()
        print(f"bench: {error}", file=sys.stderr)
        return 2


def _called(words: Sequence[str]) -> int:
    try:
        args = _parser(next((word for word in words if not word.startswith("-")), None)).parse_args(words)
        code: int = args.run(args)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return code


def _open_what_is_closed() -> None:
    """Streams that the caller has closed (``>&-``) read as empty, and swallow what is written.

    Otherwise the next file that is opened would take their place, and get what is meant for them.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  (for as long as the process)


def _say_no_more() -> None:
    """What is still to be written goes nowhere: the interpreter would try, and fail once more, when it shuts down."""
    with suppress(OSError), open(os.devnull, "wb") as nowhere:  # OSError: a stream of its own, without a descriptor
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
