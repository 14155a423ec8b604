"""The fields of a dialect file: one description, from which the file is read and its JSON Schema made."""

from __future__ import annotations

from bench.console.patterns import LONGEST, PLACEHOLDERS
from bench.settings import Fields, ListOf, Named, Some, Text

__all__ = ["CAN", "DIALECT", "EVENTS", "LIKE"]

LIKE = ("advanced_https_ota", "native_ota", "pre_encrypted_ota", "simple_ota")
"""The stock applications whose promises a firmware can be held to."""

CAN = ("ota_resumption", "partial_download", "version_check")
"""What no sdkconfig of a user's firmware tells."""

EVENTS = (
    "START",
    "CONNECTED",
    "GET_IMG_DESC",
    "VERIFY_CHIP_ID",
    "VERIFY_CHIP_REVISION",
    "DECRYPT_CB",
    "WRITE_FLASH",
    "UPDATE_BOOT_PARTITION",
    "FINISH",
    "ABORT",
)
"""`ESP_HTTPS_OTA_*` without that beginning, in the order of a whole update."""

_NVS_NAME = r"[^\x00-\x20\x7f]{1,15}"
_PLACEHOLDERS = ", ".join(f"{{{name}}}" for name in ("any", *PLACEHOLDERS))


def _lines(about: str) -> Some:
    line = Text("", form=rf"[^\x00-\x1f\x7f]{{1,{LONGEST}}}", told=f"one line of at most {LONGEST} characters")
    return Some(line, f"{about} One line, or a list of them; whole lines, with {_PLACEHOLDERS}.")


_URL = Fields(
    "How the firmware is told where its update is.",
    {
        "from": Text("Typed on its console, compiled in, or read from NVS.", ("stdin", "compiled_in", "nvs")),
        "embedded": Text(
            "The URL that is compiled in, where the image holds more than one.",
            form=r"https?://[!-~]{1,250}",
            told="http://… or https://… in ASCII",
        ),
        "partition": Text("Label of the NVS partition (nvs).", form=_NVS_NAME, told="1 to 15 characters"),
        "namespace": Text("Namespace in NVS.", form=_NVS_NAME, told="1 to 15 characters"),
        "key": Text("Key in that namespace; a string (nvs_get_str).", form=_NVS_NAME, told="1 to 15 characters"),
    },
    required=("from",),
)

_LINES = Fields(
    "The lines that every scenario needs.",
    {
        "prompt": _lines("It is ready: it waits for its URL, or is about to try the one it has."),
        "given_up": _lines("The attempt is over, without an update."),
        "success": _lines("It believes that it was updated, and restarts."),
        "confirmed": _lines("It has confirmed itself: no rollback any more."),
        "version": _lines("Its version, {version}, where it does not print ESP-IDF's banner with `App version`."),
    },
    required=("prompt", "given_up", "success"),
)

_INSTEAD = Named(
    _lines("The firmware's own line."),
    "What the firmware says instead of a line of the stock application that it is like.",
    "line",
    form=rf"[^\x00-\x1f\x7f]{{1,{LONGEST}}}",
)

DIALECT = Fields(
    "How one firmware tells what it does.",
    {
        "project_name": Text("Of `esp_app_desc_t`: whose dialect it is.", form=r"[!-~]{1,31}", told="a name"),
        "like": Text("The stock application whose promises it is held to (advanced_https_ota).", choices=LIKE),
        "tags": ListOf(Text("One tag."), "Of its log records; none where its lines are bare (printf).", least=1),
        "can": ListOf(Text("", choices=CAN), "What it does beside a plain update."),
        "url": _URL,
        "lines": _LINES,
        "events": Fields(
            "The lines that tell of the steps of an update; a step may be missing.",
            {name: _lines(f"ESP_HTTPS_OTA_{name}.") for name in EVENTS},
        ),
        "instead": _INSTEAD,
    },
    required=("project_name", "url", "lines"),
)
"""The whole file."""
