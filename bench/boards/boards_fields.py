"""The fields of boards.yaml: one description, from which the file is read and its JSON Schema made."""

from __future__ import annotations

from bench.boards.board import CHIPS, DRIVERS
from bench.settings import Fields, Flag, ListOf, Named, Text, Whole

__all__ = ["BOARDS"]

_NAME = r"env:[A-Za-z_][A-Za-z0-9_]*"
_FROM_ENV = "env:NAME, with the name of the environment variable that holds it; a secret has no place in this file"

_USB = Fields(
    "Find the port by its USB device, whatever name it has today.",
    {
        "serial": Text("USB serial number, as `bench boards discover` prints it."),
        "location": Text("USB bus and ports.", form=r"[0-9]+-[0-9]+(\.[0-9]+)*", told="bus-port.port, like 1-2.3"),
    },
    either=(("serial", "location"),),
)

_LABGRID = Fields(
    "A place of a labgrid coordinator.",
    {
        "coordinator": Text("Where the coordinator listens.", form=r"[^\s:]+(:[0-9]{1,5})?", told="HOST or HOST:PORT"),
        "place": Text("The name of the place."),
        "tags": Named(Text("What the tag must be."), "Any place with these tags, by a reservation.", "tag", least=1),
    },
    required=("coordinator",),
    either=(("place", "tags"),),
)

_EMULATOR = Fields(
    "The emulator's executable.",
    {
        "executable": Text("Path or name of it; the usual one on PATH where it is not given."),
        "arguments": ListOf(Text("One argument."), "Added to its command line."),
    },
)

_POWER = Fields(
    "How the supply of the board is switched.",
    {
        "usb_hub": Fields(
            "A port of a hub that uhubctl can switch.",
            {
                "location": Text("The hub, as uhubctl names it.", form=r"[0-9]+(-[0-9.]+)?", told="like 1-1.4"),
                "port": Whole("The port of that hub.", 1, 32),
            },
            required=("location", "port"),
        ),
        "command": Fields(
            "Commands of your own; exit code 0 means done.",
            {"on": Text("Switches the supply on."), "off": Text("Switches it off.")},
            required=("on", "off"),
        ),
        "labgrid": Fields(
            "An outlet that one of labgrid's network power drivers can switch.",
            {
                "model": Text("The driver: `simplerest`, `shelly_gen1`, …; labgrid's manual lists them."),
                "host": Text("Address or URL of the outlet."),
                "index": Text("Which outlet."),
            },
            required=("model", "host"),
        ),
    },
    either=(("usb_hub", "command", "labgrid"),),
)

_NETWORK = Fields(
    "How the firmware reaches the bench.",
    {
        "wifi": Fields(
            "Credentials for firmware that asks for them on its console; redacted wherever they show.",
            {
                "ssid": Text("The name of the network.", form=_NAME, told=_FROM_ENV),
                "password": Text("Its password.", form=_NAME, told=_FROM_ENV),
                "file": Text("A YAML file outside the repository with `ssid:` and `password:`."),
            },
            either=(("ssid", "file"),),
            at_most_one=(("password", "file"),),
        ),
    },
)

_BOARD = Fields(
    "One board.",
    {
        "chip": Text("Its chip.", choices=CHIPS),
        "driver": Text("How it is reached.", choices=tuple(DRIVERS)),
        "port": Text("Device path, or rfc2217://HOST:PORT."),
        "usb": _USB,
        "mac": Text(
            "The chip's MAC address: no other chip is ever flashed in its place.",
            form=r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}",
            told="six bytes, like 34:85:18:0a:0b:0c",
        ),
        "baud": Whole("Bit/s of the console (115200).", 9600, 5_000_000),
        "flash_baud": Whole("Bit/s while flashing (460800).", 9600, 5_000_000),
        "server_host": Text("This machine's address, as the board reaches it."),
        "tags": ListOf(Text("One tag."), "Words of your own, for `--board tag:WORD`."),
        "expendable": Flag("Its eFuses may be burnt, and then only with --allow-efuse."),
        "firmware": Text("The ESP-IDF build directory that runs on it by default."),
        "dialect": Text("A dialect file, where the firmware is no stock application."),
        "can": ListOf(Text("", choices=("ethernet", "wifi")), "What it can do beyond what its driver and wiring say."),
        "power": _POWER,
        "reset_by": Text("How it is reset: EN by RTS, or by its supply where RTS is not wired.", ("rts", "power")),
        "network": _NETWORK,
        "labgrid": _LABGRID,
        "emulator": _EMULATOR,
        "realtime": Flag("A virtual board whose waiting takes its time."),
    },
    required=("chip", "driver"),
    at_most_one=(("port", "usb", "labgrid", "emulator"),),
)

BOARDS = Fields(
    "The boards of a bench.",
    {
        "default": Text("The board that is taken where none is named."),
        "boards": Named(_BOARD, "The boards by name.", "board", least=1),
    },
    required=("boards",),
)
"""The whole file."""
