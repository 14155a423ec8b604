"""A board that says too much, and one that says nothing."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from pathlib import Path

import pytest

from bench.console import Console
from bench.errors import BenchError
from bench.ota import Tap
from bench.report.evidence import Evidence
from bench.timeline import Deadline, Timeline, happened, read_jsonl

_LIMIT = 1 << 18
_FLOOD = 128 << 20
"""Bytes: 7 minutes at 3 Mbaud. benchmarks/console_flood.py has the whole hour, with the limit that scenarios have."""

_LINES = {
    "records": b"I (1234) flood: the quick brown fox jumps over the lazy dog again and again\r\n",
    "empty lines": b"\n",
    "a line without end": b"x" * 4096,
    "binary": bytes(range(256)),
    "records without a line": b"\x1b[0;31mE a:",
    "updates": b"I (1) advanced_https_ota_example: OTA started\r\nI (2) app_init: App version:      9\r\n",
}


@pytest.mark.parametrize("line", _LINES.values(), ids=_LINES)
def test_a_flood_is_an_error_in_bounded_memory(tmp_path: Path, line: bytes) -> None:
    block = line * (65536 // len(line))
    said = itertools.cycle(line)
    with Timeline() as timeline:
        evidence = Evidence(tmp_path).open()
        evidence.attach(timeline)
        tap = Tap(Console(timeline), evidence, timeline, longest=_LIMIT)
        tracemalloc.start()
        try:
            for _ in range(_FLOOD // len(block)):
                tap.feed(block)
            tap.close()
            assert tracemalloc.get_traced_memory()[1] < _FLOOD // 4
        finally:
            tracemalloc.stop()
        with pytest.raises(BenchError, match="floods its console: more than 262,144 bytes"):
            timeline.wait(happened("never", "comes"), Deadline(20))
        assert len(timeline) < _LIMIT // 32
        evidence.outcome("passed", cause=None)
        with pytest.raises(BenchError, match="floods its console"):
            evidence.close()
        assert sum(entry.kind == "flooded" for entry in timeline.entries) == 1
    kept = (tmp_path / "console.raw").read_bytes()
    assert 0 < len(kept) <= 2 * _LIMIT
    assert kept == bytes(itertools.islice(said, len(kept))), "it is not what was said first"
    with (tmp_path / "timeline.jsonl").open(encoding="ascii", newline="\n") as lines:
        entries = read_jsonl(lines)
    assert [entry.index for entry in entries] == list(range(len(entries)))
    assert entries[-1].kind == "flooded"
    assert json.loads((tmp_path / "outcome.json").read_text())["outcome"] == "error"
