"""A stand-in for uhubctl 2.6.0: its command line, its output and its exit codes, for hubs that are kept in a file.

The file (JSON, named by UHUBCTL_HUBS) holds the hubs by location: description, super_speed, and the ports with their
status word; `obeys: false` is a hub that acknowledges requests and does nothing, as many do. Written after `main`,
`usb_find_hubs` and `print_port_status` of uhubctl.c.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

POWER, SS_POWER, ENABLE, CONNECT = 0x0100, 0x0200, 0x0002, 0x0001


def port_line(hub: dict[str, Any], port: str) -> str:
    """One line of print_port_status."""
    status = hub["ports"][port]["status"]
    words = []
    if not hub["super_speed"]:
        words += ["off"] if status == 0 else ["power"] if status & POWER else []
    else:
        words += ["power", "5gbps", "U0"] if status & SS_POWER else ["off"]
    words += ["enable"] if status & ENABLE else []
    words += ["connect"] if status & CONNECT else []
    device = f" [{hub['ports'][port]['device']}]" if status & CONNECT else ""
    return f"  Port {port}: {status:04x}" + "".join(f" {word}" for word in words) + device


def switch(hub: dict[str, Any], port: str, on: bool) -> None:
    """What the hub does on a request."""
    if hub.get("obeys", True):
        hub["ports"][port]["status"] = ((SS_POWER if hub["super_speed"] else POWER) | ENABLE | CONNECT) if on else 0


def main() -> int:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("-l", default="")
    parser.add_argument("-p", default="")
    parser.add_argument("-a", default="")
    options = parser.parse_args()
    path = Path(os.environ["UHUBCTL_HUBS"])
    hubs = json.loads(path.read_text())
    chosen = {at: hub for at, hub in hubs.items() if at == options.l or hub.get("dual") == options.l}
    if not chosen:
        told = "No compatible devices detected"
        if os.environ.get("UHUBCTL_FORBIDDEN"):
            told = (
                "There were permission problems while accessing USB.\nFollow https://git.io/JIB2Z for a fix!\n" + told
            )
        print(f"{told} at location {options.l}!\nRun with -h to get usage info.", file=sys.stderr)
        return 1
    for at, hub in chosen.items():
        ports = [port for port in hub["ports"] if port == options.p]
        print(f"Current status for hub {at} [{hub['description']}]")
        for port in ports:
            print(port_line(hub, port))
        if options.a:
            for port in ports:
                switch(hub, port, options.a == "on")
            print(f"Sent power {options.a} request\nNew status for hub {at} [{hub['description']}]")
            for port in ports:
                print(port_line(hub, port))
    path.write_text(json.dumps(hubs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
