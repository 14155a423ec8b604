"""One entry of the timeline in words, as the page shows it between the lines of the console."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from bench.timeline import Entry
from bench.timeline.entries import Value

__all__ = ["LONGEST", "STATES", "clean", "key", "short_event", "state_name", "tell"]

LONGEST = 2000
"""Characters of one line before it is cut."""

_DEEPEST = 8
"""Records within records that are told."""

STATES: Mapping[int, str] = MappingProxyType(
    {0: "new", 1: "pending verify", 2: "valid", 3: "invalid", 4: "aborted", 0xFFFF_FFFF: "undefined"}
)
"""`esp_ota_img_states_t` (components/bootloader_support/include/esp_flash_partitions.h)."""

_BIDI = {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0xFEFF)}
_SURROGATES = {code: "\ufffd" for code in range(0xD800, 0xE000)}
_VISIBLE = str.maketrans(
    {code: chr(0x2400 + code) for code in range(32) if code != 9}
    | {0x7F: "\u2421"}
    | {code: f"\\x{code:02x}" for code in range(0x80, 0xA0)}
    | {0x2028: "\\u2028", 0x2029: "\\u2029"}
    | _BIDI
    | _SURROGATES
)


def clean(text: str) -> str:
    """Text that shows what it holds: control characters as pictures, nothing that turns the line around, cut."""
    text = text.translate(_VISIBLE) if not (text.isascii() and text.isprintable()) else text
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text):,} characters)"


def key(value: object) -> int | str | None:
    """A number or text to look something up by; None for what evidence should not hold there."""
    return value if isinstance(value, int | str) else None


def state_name(state: object) -> str:
    """A slot's state in words; empty where otadata says nothing of it."""
    return STATES.get(state, f"state {state}") if isinstance(state, int) else ""


def short_event(name: object) -> str:
    """An event without the prefix that all of them have."""
    return str(name).removeprefix("ESP_HTTPS_OTA_")


def tell(entry: Entry) -> str:
    """What the entry says, on one line."""
    words = _WORDS.get((entry.source, entry.kind))
    told = words(entry) if words is not None else f"{entry.source}: {_plainly(entry)}"
    return clean(f"{entry.at:.3f} s  {told}")


def _plainly(entry: Entry) -> str:
    told = " ".join(f"{name}={_value(value)}" for name, value in entry.data.items() if value is not None)
    return f"{entry.kind} {told}".rstrip()


def _value(value: Value, within: int = 0) -> str:
    if isinstance(value, Mapping):
        if within == _DEEPEST:
            return "{…}"
        return "{" + ", ".join(f"{name}: {_value(item, within + 1)}" for name, item in value.items()) + "}"
    return value.hex() if isinstance(value, bytes) else str(value)


def _request(entry: Entry) -> str:
    wanted = entry.get("range")
    return f"{entry.get('method')!s} {entry.get('path')!s}" + (f", {wanted!s}" if wanted else "") + _number(entry)


def _response(entry: Entry) -> str:
    sent, announced = entry.get("sent"), entry.get("announced")
    told = f"answered {entry.get('status')!s}, {_count(sent)}"
    if announced is not None and announced != sent:
        told += f" of {_count(announced)}"
    if entry.get("complete") is not True:
        aborted = entry.get("aborted")
        told += f", cut short by the {aborted!s}" if aborted else ", not all of it"
    return told + _number(entry)


def _number(entry: Entry) -> str:
    known = [f"{name} {entry.get(name)!s}" for name in ("request", "connection") if entry.get(name) is not None]
    return f"  ({', '.join(known)})" if known else ""


def _tls(entry: Entry) -> str:
    if entry.get("ok") is True:
        return f"TLS: {entry.get('version')!s}, {entry.get('cipher')!s}  (connection {entry.get('connection')!s})"
    return f"TLS refused: {entry.get('reason')!s}  (connection {entry.get('connection')!s})"


def _fault(entry: Entry) -> str:
    left_out = ("fault", "connection", "request", "path")
    particulars = {n: value for n, value in entry.data.items() if n not in left_out and value not in ("", None)}
    told = ", ".join(f"{name} {_value(value)}" for name, value in particulars.items())
    return f"FAULT {entry.get('fault')!s}" + (f" ({told})" if told else "") + _number(entry)


def _release(entry: Entry) -> str:
    faults, size = entry.get("faults"), _count(entry.get("size"))
    names = [str(f.get("fault")) for f in faults if isinstance(f, Mapping)] if isinstance(faults, list | tuple) else []
    return f"published {entry.get('path')!s}, {size}" + (f", with {', '.join(names)}" if names else "")


def _start(entry: Entry) -> str:
    return f"update started: {entry.get('url') or _plainly(entry)!s}"


def _power(entry: Entry) -> str:
    if entry.source == "board":
        return "power is back" if entry.get("on") is True else "POWER CUT: the board is off"
    return "power on" if entry.get("on") is True else "power off"


def _slots(entry: Entry) -> str:
    return "slots in flash: " + "; ".join(
        f"{label} {value.get('version') or 'empty'!s} {state_name(value.get('state'))}".rstrip()
        for label, value in entry.data.items()
        if isinstance(value, Mapping)
    )


def _boot_loop(entry: Entry) -> str:
    return f"BOOT LOOP: {entry.get('slot')!s} died {entry.get('deaths')!s} times: {entry.get('cause')!s}"


def _count(value: Value) -> str:
    return f"{value:,} bytes" if isinstance(value, int) else "no length"


_WORDS: Mapping[tuple[str, str], Callable[[Entry], str]] = MappingProxyType(
    {
        ("server", "request"): _request,
        ("server", "response"): _response,
        ("server", "progress"): lambda entry: f"{_count(entry.get('sent'))} sent so far{_number(entry)}",
        ("server", "tls"): _tls,
        ("server", "fault"): _fault,
        ("server", "release"): _release,
        ("server", "closed"): lambda entry: f"connection {entry.get('connection')!s} closed",
        ("bench", "start"): _start,
        ("bench", "reset"): lambda _: "reset by EN",
        ("bench", "power"): _power,
        ("board", "power"): _power,
        ("bench", "slots"): _slots,
        ("bench", "finding"): lambda entry: f"finding: {entry.get('text')!s}",
        ("bench", "boot_loop"): lambda e: (
            f"BOOT LOOP: {e.get('slot')!s} died {e.get('deaths')!s} times: {e.get('cause')!s}"
        ),
        ("bench", "flash"): lambda e: f"programmer wrote {_count(e.get('bytes'))} to {e.get('region')!s}",
    }
)
