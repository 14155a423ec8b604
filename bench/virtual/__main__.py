"""``python -m bench.virtual --chip esp32s3 …``: a virtual board in a process of its own."""

from __future__ import annotations

import argparse
import sys

from bench.errors import BenchError
from bench.virtual.options import add_arguments, options_of
from bench.virtual.process import serve


def main(argv: list[str] | None = None) -> int:
    """Run the board; exit status 2 where it cannot begin."""
    parser = argparse.ArgumentParser(prog="python -m bench.virtual", description="A virtual ESP32 board.")
    add_arguments(parser)
    try:
        return serve(options_of(parser.parse_args(argv)))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
