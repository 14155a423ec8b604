"""``bench virtual``: a virtual board on a port of its own."""

from __future__ import annotations

import argparse

__all__ = ["register"]


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    # the options stand where the process is; chips and argparse are all that is loaded for them
    from bench.virtual.options import add_arguments

    parser = commands.add_parser(
        "virtual",
        help="run a virtual board and print its rfc2217:// URL",
        description="Run a virtual board until it is interrupted. esptool, espefuse and pytest-embedded reach it "
        "through the rfc2217:// URL on the first line of its output.",
    )
    add_arguments(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from bench.virtual.options import options_of
    from bench.virtual.process import serve

    return serve(options_of(arguments))
