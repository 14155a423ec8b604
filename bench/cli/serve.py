"""`bench serve`: put files up on the OTA server and tell what is asked of it, until interrupted."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bench.timeline import Entry, Timeline

__all__ = ["register"]


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "serve",
        help="serve update images over TLS",
        description="Serve update images over TLS 1.2 and 1.3, print their URLs and the certificate to trust, and log "
        "every request. Ends with Ctrl-C.",
        add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-h", "--help", action=_Help, nargs=0, help="show this, and every fault")
    parser.add_argument("files", nargs="+", metavar="FILE", help="a file to serve under its own name")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on, also the name in the certificate (127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one (the default)")
    parser.add_argument("--name", help="what a board calls this machine, where that is not --host")
    parser.add_argument("--chunked", action="store_true", help="announce no length and send chunks")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="FAULT",
        help="misbehave: cut:after=20000, not-found, wrong-certificate ...; may be given several times; listed below",
    )
    parser.set_defaults(run=_serve)


class _Help(argparse.Action):
    """The usual help, with the faults at its end: the server is imported only where they are asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from bench.server import fault_help

        faults = "\n".join(f"  {usage}\n      {told}" for usage, told in fault_help())
        parser.epilog = f"faults ([field=value] may be left out):\n{faults}"
        parser.print_help()
        parser.exit()


def _serve(args: argparse.Namespace) -> int:
    import signal
    import threading

    from bench.server import Authority, OtaServer, parse_fault
    from bench.timeline import Timeline

    faults = tuple(parse_fault(spec) for spec in args.fault)
    files = _read(args.files)
    if threading.current_thread() is threading.main_thread():
        # A supervisor's SIGTERM is as good an end as Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    authority = Authority.load_or_create()
    timeline = Timeline()
    try:
        with OtaServer(timeline, authority, args.host, args.port, name=args.name, faults=faults) as server:
            for path, data in files.items():
                print(server.publish(path.name, data, *faults, chunked=args.chunked).url)
            print(f"CA certificate: {authority.ca_path}", flush=True)
            _follow(timeline)
    except KeyboardInterrupt:
        print("stopped", flush=True)
    return 0


def _read(names: list[str]) -> dict[Path, bytes]:
    """The files, whole; ServerError for one that is missing or given twice."""
    from pathlib import Path

    from bench.errors import ServerError

    files: dict[Path, bytes] = {}
    for name in names:
        path = Path(name)
        if any(path.name == other.name for other in files):
            raise ServerError(f"two files are called {path.name!r}: each needs a name of its own to be served under")
        try:
            files[path] = path.read_bytes()
        except OSError as error:
            raise ServerError(f"cannot serve {name}: {error.strerror or error}") from error
    return files


def _follow(timeline: Timeline) -> None:
    """Print what happens as it happens, for ever; clients' words are escaped where a terminal could not take them."""
    from bench.timeline import Deadline

    position = 0
    while True:
        # With a deadline, because a wait without one cannot be interrupted on every platform.
        for entry in timeline.next_entries(position, Deadline(3600)):
            position = entry.index + 1
            line = _told(entry)
            if line is not None:
                print(f"{entry.at:10.3f} s  {_printable(line)}", flush=True)


def _told(entry: Entry) -> str | None:
    """One line about an entry, None where it is not worth one."""
    data: dict[str, object] = dict(entry.data)
    head = f"#{data.get('connection')}"
    match entry.kind:
        case "tls" if data["ok"]:
            return f"{head} connection from {data['peer']}, {data['version']}"
        case "tls":
            return f"{head} connection from {data['peer']}: TLS failed: {data['reason']}"
        case "request":
            query = f"?{data['query']}" if data["query"] else ""
            asked = f" {data['range']}" if data["range"] else ""
            return f"{head} {data['method']} {data['path']}{query}{asked}"
        case "response":
            announced = f" of {data['announced']}" if data["announced"] is not None else ""
            end = "" if data["complete"] else f", ended by the {data['aborted']}"
            return f"{head} {data['status']}, sent {data['sent']}{announced} bytes{end}"
        case "fault":
            particulars = {name: value for name, value in data.items() if name not in ("connection", "request", "path")}
            told = ", ".join(f"{name}={value}" for name, value in particulars.items() if name != "fault")
            return f"{head} fault {data['fault']}" + (f" ({told})" if told else "")
        case "rejected":
            return f"{head} sent what is no HTTP request: {data['status']}"
    return None


def _printable(text: str) -> str:
    """Text with what cannot be printed here spelled out, as ``\\x1b``."""
    import sys

    text = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
