"""`bench console parse FILE [--json]` and `bench console live BOARD|PORT`: what a console says.

`parse` tells what became of the updates in it. FILE is a raw console, bytes as they came from the UART; ``-`` is
standard input. Without `--json` it is told in a few lines; with it every item is a JSON object on a line of its own,
as `bench.console.as_json` describes them, and the last one is the summary. Either way it is read as a stream, in flat
memory. Exit code 0 whatever the verdict; 2 for a file that cannot be read.

`live` shows the console of a board as it comes, coloured by level, with boots, events and panics marked; what is typed
goes to the board, Ctrl-C ends it. Where nobody can type, with a stdin that has ended, it goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, BinaryIO

from bench.errors import BenchError, BoardLost

if TYPE_CHECKING:
    import argparse

__all__ = ["register"]

_CHUNK = 1 << 16


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `bench console`."""
    group = commands.add_parser("console", help="read the console of a board")
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    parse = actions.add_parser("parse", help="boots, events and panics of a console, and a verdict on its updates")
    parse.add_argument("file", metavar="FILE", help="raw console, or - for standard input")
    parse.add_argument("--json", action="store_true", help="one JSON object a line, the summary last")
    parse.set_defaults(run=_parse)
    live = actions.add_parser("live", help="the console of a board as it comes, with events marked; type to it")
    live.add_argument("board", metavar="BOARD|PORT")
    live.add_argument("--boards-file", type=Path, default=Path("boards.yaml"), metavar="FILE")
    live.add_argument("--reset", action="store_true", help="reset the board first")
    live.add_argument("--raw", metavar="FILE", help="keep the bytes as they came")
    live.add_argument("--colour", choices=("auto", "always", "never"), default="auto")
    live.set_defaults(run=_live)


def _parse(args: argparse.Namespace) -> int:
    with _opened(args.file) as stream:
        lines = _json_lines(args.file, stream) if args.json else _story_lines(args.file, stream)
        for line in lines:
            sys.stdout.write(line + "\n")
        # A reader that has gone is noticed here, and not when the interpreter shuts down.
        sys.stdout.flush()
    return 0


def _live(args: argparse.Namespace) -> int:
    from bench.boards.at_hand import at_hand
    from bench.boards.drivers.console import console_of
    from bench.cli.live import Screen, typed, when_unread

    colour = args.colour == "always" or (args.colour == "auto" and sys.stdout.isatty())
    with at_hand(args.board, args.boards_file, purpose="bench console live") as attachment, ExitStack() as stack:
        raw = stack.enter_context(open(args.raw, "ab", buffering=0)) if args.raw else None
        screen = Screen(sys.stdout.write, colour=colour)
        endings: SimpleQueue[Exception] = SimpleQueue()

        def feed(data: bytes) -> None:
            try:
                if raw is not None:
                    raw.write(data)
                screen.feed(data)
                sys.stdout.flush()
            except OSError as error:
                endings.put(error)  # before the console calls it the loss of the board
                raise

        port = stack.enter_context(console_of(attachment, feed, lost=endings.put))
        try:
            if args.reset:
                port.reset()
            for data in typed(sys.stdin.buffer):
                port.write(data)
            if not sys.stdin.isatty():
                # Nobody types, in CI say: it records until it is interrupted, or nothing more can come or be shown.
                when_unread(sys.stdout, lambda: endings.put(BrokenPipeError()))
                raise endings.get()
        except BoardLost:
            if endings.empty():
                raise
            raise endings.get() from None  # an output that failed took the port with it
        finally:
            screen.close()
    return 0


def _json_lines(name: str, stream: BinaryIO) -> Iterator[str]:
    from bench.console import ConsoleReader, Judge
    from bench.console.as_json import item_json, summary_json

    reader, judge = ConsoleReader(), Judge()
    for data in _chunks(name, stream):
        items = reader.feed(data) if data else reader.close()
        judge.feed(items)
        yield from map(item_json, items)
    yield summary_json(judge.judgement())


def _story_lines(name: str, stream: BinaryIO) -> Iterator[str]:
    from bench.console import ConsoleReader, Judge
    from bench.console.story import Story, ending

    reader, judge, story = ConsoleReader(), Judge(), Story()
    for data in _chunks(name, stream):
        items = reader.feed(data) if data else reader.close()
        judge.feed(items)
        yield from story.tell(items)
    yield from story.rest()
    yield from ending(judge.judgement())


def _chunks(name: str, stream: BinaryIO) -> Iterator[bytes]:
    """What the stream holds, and then one empty chunk for its end."""
    read = getattr(stream, "read1", stream.read)
    while True:
        try:
            data: bytes = read(_CHUNK)
        except OSError as error:
            raise BenchError(f"{name}: {error.strerror}") from None
        yield data
        if not data:
            return


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = open(name, "rb")  # noqa: SIM115  (only a failure to open becomes a BenchError here)
    except OSError as error:
        raise BenchError(f"{name}: {error.strerror}") from None
    with stream:
        yield stream
