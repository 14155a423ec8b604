"""Items and judgements as the JSON objects of `bench console parse --json`, one a line.

``record``: level, ms, tag, message. ``event``: name, payload. ``boot``: reset_reason, partition_offset, slot,
app_version, secure_version, idf_version, and beside them project_name and bootloader_version. ``panic``: reason,
core, pc, backtrace, elf_sha256. ``noise``: text. ``summary``, the last one: boots, events, verdict, reason,
attempts, each of these with verdict, reason, first_line, last_line, cause and errors. Addresses and offsets are
strings (``"0x10000"``); what is unknown is null.
"""

from __future__ import annotations

import json

from bench.console.causes import explain
from bench.console.items import Boot, Event, Item, Panic, Record
from bench.console.judge import Attempt, Judgement

__all__ = ["item_json", "summary_json"]

_encode = json.JSONEncoder(separators=(", ", ": ")).encode


def item_json(item: Item) -> str:
    """One item as one line of ASCII JSON, without its newline."""
    return _encode(_item(item))


def summary_json(judgement: Judgement) -> str:
    """The summary, without its newline."""
    return _encode(
        {
            "kind": "summary",
            "boots": judgement.boots,
            "events": judgement.events,
            "verdict": judgement.verdict,
            "reason": judgement.reason,
            "attempts": [_attempt(attempt) for attempt in judgement.attempts],
        }
    )


def _attempt(attempt: Attempt) -> dict[str, object]:
    return {
        "verdict": attempt.verdict,
        "reason": attempt.reason,
        "cause": explain(attempt.reason),
        "first_line": attempt.first_line,
        "last_line": attempt.last_line,
        "reason_line": attempt.reason_line,
        "errors": attempt.causes,
    }


def _item(item: Item) -> dict[str, object]:
    if isinstance(item, Record):
        return {
            "kind": "record",
            "level": item.level,
            "ms": item.ms,
            "tag": item.tag,
            "message": item.message,
        }
    if isinstance(item, Event):
        return {"kind": "event", "name": item.name, "payload": item.payload}
    if isinstance(item, Boot):
        return {
            "kind": "boot",
            "reset_reason": item.reset_reason,
            "partition_offset": _hex(item.partition_offset),
            "slot": item.slot,
            "app_version": item.app_version,
            "secure_version": item.secure_version,
            "idf_version": item.idf_version,
            "project_name": item.project_name,
            "bootloader_version": item.bootloader_version,
        }
    if isinstance(item, Panic):
        return {
            "kind": "panic",
            "reason": item.reason,
            "core": item.core,
            "pc": _hex(item.pc),
            "backtrace": [_hex(pc) for pc in item.backtrace],
            "elf_sha256": item.elf_sha256,
        }
    return {"kind": "noise", "text": item.text}


def _hex(number: int | None) -> str | None:
    return None if number is None else f"0x{number:x}"
