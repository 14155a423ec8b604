"""Serving a release of 1 MB over TLS to 8 keep-alive clients: the OTA server against nginx and http.server.

    python benchmarks/serve.py [--seconds S] [--rounds N] [--gate]

Each server is a process of its own, has one worker, a P-256 certificate and TLS 1.3, and is asked by wrk for the same
bytes; the servers take turns in each round, and the median of the rounds' ratios counts, since a machine with other
things to do changes its speed from second to second. The target is 1.0 x nginx or more; with
--gate the exit status tells whether it was met. Needs nginx and wrk: apt-get install nginx wrk.
"""

from __future__ import annotations

import argparse
import http.server
import random
import re
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import trustme

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.server import Authority, OtaServer  # noqa: E402  (the benchmark runs from a checkout)
from bench.timeline import Timeline  # noqa: E402

SIZE = 1_000_000
CLIENTS = 8
TARGET = 1.0
_RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")

_NGINX = """
daemon off; worker_processes 1; error_log {folder}/error.log; pid {folder}/nginx.pid;
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{
    listen 127.0.0.1:{port} ssl; root {folder}/files;
    ssl_certificate {folder}/chain.pem; ssl_certificate_key {folder}/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
  }}
}}
"""


def release() -> bytes:
    """1 MB that compresses badly."""
    return random.Random(1).randbytes(SIZE)


# -- the servers, each in a process of its own


def be_the_bench() -> None:
    """Serve until the standard input is closed; the URL is the first line."""
    with Timeline() as timeline, OtaServer(timeline, Authority.throwaway()) as server:
        print(server.publish("/app.bin", release()).url, flush=True)
        sys.stdin.read()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def be_http_server(folder: Path) -> None:
    """Serve the folder's files by a thread for each connection, until the standard input is closed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    server_class = type("Server", (http.server.ThreadingHTTPServer,), {"handle_error": lambda *_: None})
    with server_class(("127.0.0.1", 0), lambda *args: _Quiet(*args, directory=str(folder / "files"))) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        print(f"https://127.0.0.1:{server.server_address[1]}/app.bin", flush=True)
        server.daemon_threads = True
        server.serve_forever()


@contextmanager
def python_server(*arguments: str) -> Iterator[str]:
    """This file as one of its servers; its URL."""
    command = [sys.executable, __file__, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """nginx with one worker on a free port; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, port=port))
    with subprocess.Popen(["nginx", "-p", str(folder), "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port, process)
            yield f"https://127.0.0.1:{port}/app.bin"
        finally:
            process.terminate()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit("nginx did not start: try it by hand with `nginx -t`")


# -- measuring


def rate(url: str, seconds: float) -> float:
    """Requests a second, as wrk counts them."""
    command = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds:g}s", url]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = _RATE.search(told)
    if found is None or "Non-2xx" in told or "Socket errors" in told:
        raise SystemExit(f"wrk did not get the release from {url}:\n{told}")
    return float(found[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each server is asked in each round (1)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds (9)")
    parser.add_argument("--gate", action="store_true", help="exit 1 where the target is missed")
    parser.add_argument("--be", choices=("bench", "http.server"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.be == "bench":
        be_the_bench()
        return 0
    if args.be == "http.server":
        be_http_server(args.folder)
        return 0
    missing = [name for name in ("nginx", "wrk") if shutil.which(name) is None]
    if missing:
        print(f"this benchmark compares with nginx, measured by wrk: apt-get install {' '.join(missing)}")
        return 2
    with tempfile.TemporaryDirectory(prefix="ota-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker is somebody else where it is started by root
        (folder / "files").mkdir()
        (folder / "files" / "app.bin").write_bytes(release())
        leaf = trustme.CA().issue_cert("127.0.0.1")
        leaf.private_key_pem.write_to_path(str(folder / "key.pem"))
        leaf.cert_chain_pems[0].write_to_path(str(folder / "chain.pem"))
        urls = {
            "bench": stack.enter_context(python_server("--be", "bench")),
            "nginx, one worker": stack.enter_context(nginx(folder)),
            "http.server, threaded": stack.enter_context(python_server("--be", "http.server", "--folder", name)),
        }
        rates: dict[str, list[float]] = {server: [] for server in urls}
        for _ in range(args.rounds):
            for server, url in urls.items():
                rates[server].append(rate(url, args.seconds))
    reference = rates["nginx, one worker"]
    ratios = {
        server: [one / other for one, other in zip(found, reference, strict=True)] for server, found in rates.items()
    }
    print(f"1 MB over TLS 1.3 to {CLIENTS} keep-alive clients, medians of {args.rounds} rounds of {args.seconds:g} s")
    for server, found in rates.items():
        median, ratio = statistics.median(found), statistics.median(ratios[server])
        spread = f"{min(ratios[server]):.2f} to {max(ratios[server]):.2f}"
        print(f"{server:>22} {median:8.1f} requests/s {median * SIZE / 1e6:8.0f} MB/s {ratio:6.2f} x nginx ({spread})")
    met = statistics.median(ratios["bench"]) >= TARGET
    print(f"target {TARGET:.1f} x nginx: {'met' if met else 'missed'}")
    return 0 if met or not args.gate else 1


if __name__ == "__main__":
    sys.exit(main())
