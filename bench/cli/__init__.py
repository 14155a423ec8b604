"""The `bench` command: one module a command group, imported only for its own arguments.

Exit codes: 0 done, 1 the command's own "no" (documented by each command), 2 bad usage or a `BenchError`,
130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from bench.errors import BenchError

__all__ = ["main"]

COMMANDS = ("build_virtual", "console", "image", "serve", "virtual")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench", description="A test bench for over-the-air updates of ESP32 firmware."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(f"bench.cli.{name}").register(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one `bench` command and return its exit code."""
    args = _parser().parse_args(argv)
    try:
        code: int = args.run(args)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of a pipe (head, less) has gone: nothing is left to say, and nobody to say it to.
        sys.stderr.close()
        return 141
    except OSError as error:
        # What a command reads or listens on it explains itself; this is its own output, on a full disk say.
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return code
