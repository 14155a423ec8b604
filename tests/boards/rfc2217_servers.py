"""Real RFC 2217 servers on loopback, at ports that the system chooses: Debian's ser2net and esptool's own.

Their backend is a terminal, or the virtual board's own RFC 2217 port: ser2net reaches that with gensio's client, and
esptool's server with pyserial's, so DTR and RTS pass all the way.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["SER2NET", "esp_server", "ser2net"]

SER2NET = shutil.which("ser2net", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
"""None where it is not installed: `.ci/run` does so where it may."""

_START_LIMIT = 30.0

# esptool's server listens on all interfaces, and prints no port that it was not told. This keeps it on loopback, has
# the system choose the port and prints that; all else is the server as it is.
_ESP_SERVER = """
import socket, sys
bind = socket.socket.bind
def on_loopback(self, address):
    bind(self, ("127.0.0.1", address[1]))
    print("port", self.getsockname()[1], flush=True)
socket.socket.bind = on_loopback
import esp_rfc2217_server
sys.exit(esp_rfc2217_server.main())
"""

# What esptool's server does with the lines of a local port in one system call, it must do one after the other on a port
# that is itself on the network.
_ESPTOOL_CFG = "[esptool]\ncustom_reset_sequence = D0|R1|W0.1|D1|R0|W0.05|D0\n"


@contextmanager
def ser2net(folder: Path, backend: str) -> Iterator[str]:
    """ser2net in front of a terminal's path, or of an ``rfc2217://`` URL; its own URL.

    It is started anew, with the same configuration, by entering this again with the same folder: then at the same port.
    """
    assert SER2NET is not None
    config = folder / "ser2net.yaml"
    connector = f"serialdev,{backend},115200n81,local"
    if "://" in backend:
        address = urlsplit(backend)
        connector = f"telnet(rfc2217),tcp,{address.hostname},{address.port}"
    port = (folder / "port").read_text() if (folder / "port").exists() else "0"
    config.write_text(
        "%YAML 1.1\n---\n"
        "connection: &board\n"
        f"    accepter: telnet(rfc2217),tcp,127.0.0.1,{port}\n"
        f"    connector: {connector}\n"
    )
    # -u: no UUCP lock files; -n: stays in the foreground
    command = [SER2NET, "-n", "-u", "-c", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            number = _listening(process)
            (folder / "port").write_text(str(number))
            yield f"rfc2217://127.0.0.1:{number}"
        finally:
            process.terminate()


@contextmanager
def esp_server(folder: Path, backend: str) -> Iterator[str]:
    """esptool's server in front of a terminal's path, or of an ``rfc2217://`` URL; its own URL."""
    config = folder / "esptool.cfg"
    config.write_text(_ESPTOOL_CFG)
    command = [sys.executable, "-c", _ESP_SERVER, "-p", "0", backend]
    environment = {**os.environ, "ESPTOOL_CFGFILE": str(config)}
    with (
        (folder / "esp_server.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment) as process,
    ):
        try:
            number = _listening(process)
            yield f"rfc2217://127.0.0.1:{number}?ign_set_control"
        finally:
            process.terminate()


def _listening(process: subprocess.Popen[bytes]) -> int:
    """The port of 127.0.0.1 that a process listens on (proc(5), /proc/net/tcp), waiting for it."""
    ends = time.monotonic() + _START_LIMIT
    while time.monotonic() < ends and process.poll() is None:
        sockets = set()
        for file in Path(f"/proc/{process.pid}/fd").iterdir():
            try:
                sockets.add(os.readlink(file))
            except FileNotFoundError:
                continue
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            host, port = fields[1].split(":")
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                assert host == "0100007F", f"it listens on more than loopback: {host}"
                return int(port, 16)
        time.sleep(0.01)
    raise AssertionError(f"{process.args!r} does not listen; exit code {process.poll()}")
