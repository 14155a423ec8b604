"""The spine of the bench: entries on one clock in one append-only list, waiting for them, and sequences of them."""

from __future__ import annotations

from bench.timeline.clock import Clock, Deadline
from bench.timeline.entries import Entry, Value, from_json, to_json, to_jsonl, to_line
from bench.timeline.events import (
    ABORT,
    CONNECTED,
    DECRYPT_CB,
    FINISH,
    GET_IMG_DESC,
    START,
    UPDATE_BOOT_PARTITION,
    VERIFY_CHIP_ID,
    VERIFY_CHIP_REVISION,
    WRITE_FLASH,
    EventStep,
    slot_of_subtype,
    subtype_of_slot,
)
from bench.timeline.explain import Decode, describe
from bench.timeline.matchers import Matcher, any_of, booted, happened, panicked, said
from bench.timeline.sequences import Diverged, Sequence, Step, expect_absent, forbid, maybe
from bench.timeline.timeline import Predicate, TimedOut, Timeline, TimelineClosed, read_jsonl
from bench.timeline.unmet import Unmet, Wanted

__all__ = [
    "ABORT",
    "CONNECTED",
    "DECRYPT_CB",
    "FINISH",
    "GET_IMG_DESC",
    "START",
    "UPDATE_BOOT_PARTITION",
    "VERIFY_CHIP_ID",
    "VERIFY_CHIP_REVISION",
    "WRITE_FLASH",
    "Clock",
    "Deadline",
    "Decode",
    "Diverged",
    "Entry",
    "EventStep",
    "Matcher",
    "Predicate",
    "Sequence",
    "Step",
    "TimedOut",
    "Timeline",
    "TimelineClosed",
    "Unmet",
    "Value",
    "Wanted",
    "any_of",
    "booted",
    "describe",
    "expect_absent",
    "forbid",
    "from_json",
    "happened",
    "maybe",
    "panicked",
    "read_jsonl",
    "said",
    "slot_of_subtype",
    "subtype_of_slot",
    "to_json",
    "to_jsonl",
    "to_line",
]
