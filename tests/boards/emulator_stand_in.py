"""Stand-ins for Espressif's QEMU and for esp-emu: their command lines and channels, with a virtual board inside.

Usage: ``python emulator_stand_in.py qemu|espemu ARGUMENTS...``. Arguments that the drivers do not give are refused. As
in the real ones, the guest reaches this machine by one address only, and it is not 127.0.0.1.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import serial

from bench.boards.board import Board
from bench.boards.drivers.virtual import VirtualBoard

SIZES = {4 << 20, 8 << 20, 16 << 20}

GUEST = """
import socket, sys
real = socket.create_connection
def connect(address, *arguments, **options):
    if address[0] != {host!r}:
        raise ConnectionRefusedError(f"the guest has no route to {{address[0]}}")
    return real(("127.0.0.1", address[1]), *arguments, **options)
socket.create_connection = connect
from bench.virtual.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


class Guest(VirtualBoard):
    """A virtual board that reaches the host as the emulator presents it."""

    host = ""

    def _command(self) -> list[str]:
        command = super()._command()
        return [command[0], "-c", GUEST.format(host=self.host), *command[3:]]


def fill(flash: Path) -> None:
    """The virtual board has 8 MiB of flash, whatever it was built for; what the file lacks is erased."""
    with flash.open("ab") as file:
        file.write(b"\xff" * ((8 << 20) - flash.stat().st_size))


def pulse(port: serial.SerialBase, download: bool = False) -> None:
    """Reset by EN, with IO0 low for the loader."""
    port.dtr = False
    port.rts = True
    port.dtr = download
    port.rts = False


def pump(receive: Callable[[], bytes], send: Callable[[bytes], object]) -> threading.Thread:
    """Bytes from here to there until either ends."""

    def work() -> None:
        try:
            while True:
                if data := receive():
                    send(data)
        except (OSError, ValueError, EOFError):
            return

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def received(connection: socket.socket) -> bytes:
    data = connection.recv(4096)
    if not data:
        raise EOFError
    return data


def run(guest: Guest, wire: socket.socket, download: bool) -> serial.SerialBase:
    """Connect the guest's UART to the wire, and switch it on."""
    port = serial.serial_for_url(guest.port, timeout=0.02)
    guest.power(False)
    port.reset_input_buffer()  # its process came up with the power on
    pump(lambda: port.read(port.in_waiting or 1), wire.sendall)
    pump(lambda: received(wire), port.write)
    guest.power(True)
    if download:
        pulse(port, download=True)
    return port


def qemu(arguments: list[str]) -> int:
    """qemu-system-xtensa and qemu-system-riscv32, as far as the driver uses them."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("-machine", "-m", "-monitor", "-nic", "-serial", "-qmp"):
        parser.add_argument(name)
    for name in ("-drive", "-global"):
        parser.add_argument(name, action="append", dest=name.strip("-") + "s")
    for name in ("-nographic", "-no-user-config"):
        parser.add_argument(name, action="store_true")
    options = parser.parse_args(arguments)
    drives = [dict(item.split("=", 1) for item in drive.split(",")) for drive in options.drives]
    flash = next(Path(drive["file"]) for drive in drives if drive["if"] == "mtd")
    efuse = next(Path(drive["file"]) for drive in drives if drive["if"] == "none" and drive["id"] == "efuse")
    if flash.stat().st_size not in SIZES or not efuse.stat().st_size or options.nic != "user,model=open_eth":
        print("qemu: only 2, 4, 8, 16 MB images are supported", file=sys.stderr)
        return 1
    globals_ = [dict(item.split("=", 1) for item in entry.split(",")) for entry in options.globals]
    assert any(g["driver"].endswith(".efuse") and g["value"] == "efuse" for g in globals_)
    strapped = any(g["driver"] == f"{options.machine}.gpio" and g["property"] == "strap_mode" for g in globals_)
    wire, monitor = (socket.socket(socket.AF_UNIX) for _ in range(2))
    wire.connect(options.serial.removeprefix("unix:"))
    fill(flash)
    Guest.host = "10.0.2.2"
    with Guest(Board(name="guest", chip=options.machine, driver="virtual"), flash=flash) as guest, wire, monitor:
        port = run(guest, wire, strapped)
        monitor.connect(options.qmp.removeprefix("unix:"))  # whoever waits for the greeting finds the guest running
        talk = monitor.makefile("rw", encoding="utf-8")

        def say(message: dict[str, object]) -> None:
            talk.write(json.dumps(message) + "\r\n")
            talk.flush()

        say({"QMP": {"version": {"qemu": {"major": 9, "minor": 2, "micro": 2}}, "capabilities": ["oob"]}})
        negotiated = False
        for line in talk:
            command = json.loads(line)["execute"]
            if command == "qmp_capabilities":
                negotiated = True
            elif not negotiated:
                say({"error": {"class": "CommandNotFound", "desc": "Expecting capabilities negotiation"}})
                continue
            elif command == "system_reset":
                pulse(port)
            elif command in ("stop", "cont"):
                say(
                    {"event": command.upper().replace("CONT", "RESUME"), "timestamp": {"seconds": 1, "microseconds": 0}}
                )
            elif command != "quit":
                say({"error": {"class": "CommandNotFound", "desc": f"The command {command} has not been found"}})
                continue
            say({"return": {}})
            if command == "quit":
                break
        else:
            threading.Event().wait()  # QEMU runs on when its monitor's other end is gone
        port.close()
    return 0


def espemu(arguments: list[str]) -> int:
    """esp-emu, as far as the driver uses it."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("--chip", "--firmware", "--efuse", "--net", "--uart-tcp"):
        parser.add_argument(name, required=True)
    parser.add_argument("--strap-mode", default="0x08")
    parser.add_argument("--save-state", action="store_true")
    options = parser.parse_args(arguments)
    assert options.net == "user"
    over = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: over.set())
    Guest.host = "192.168.4.1"
    with tempfile.TemporaryDirectory() as folder:
        memory = Path(folder) / "flash"
        shutil.copyfile(options.firmware, memory)
        fill(memory)
        host, number = options.uart_tcp.split(":")
        with (
            Guest(Board(name="guest", chip=options.chip, driver="virtual"), flash=memory) as guest,
            socket.create_server((host, int(number))) as server,
        ):
            server.settimeout(0.05)
            while not over.is_set():
                try:
                    wire, _ = server.accept()
                except TimeoutError:
                    continue
                wire.settimeout(None)
                port = run(guest, wire, options.strap_mode == "0x02")
                over.wait()
                port.close()
                wire.close()
        if options.save_state:
            shutil.copyfile(memory, options.firmware)
    return 0


if __name__ == "__main__":
    sys.exit({"qemu": qemu, "espemu": espemu}[sys.argv[1]](sys.argv[2:]))
