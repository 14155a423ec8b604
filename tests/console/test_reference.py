"""Every real console is read as its truth says, and as the same console in any other form."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bench.console import Boot, ConsoleReader, Item, Judgement, Panic, Record, judge
from tests.console.consoles import boots, events, read
from tests.reference import reference

# Known while tests are collected, when nothing can be skipped yet.
ROOT = Path(__file__).resolve().parents[3] / "shared" / "reference" / "serial"


@cache
def truths() -> dict[str, dict[str, Any]]:
    """What truth.json says of every console; empty where the reference is absent."""
    path = ROOT / "truth.json"
    found: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}
    return found


every_console = pytest.mark.parametrize(
    "name",
    sorted(truths())
    or [pytest.param("", marks=pytest.mark.skip("the real consoles are not here: ../shared/reference/serial"))],
)


def test_the_reference_is_whole() -> None:
    reference("serial/truth.json")
    assert len(truths()) >= 70
    assert {truth["verdict"] for truth in truths().values()} >= {
        "updated", "rolled_back", "refused", "interrupted", "none", None,
    }  # fmt: skip


@every_console
def test_a_real_console_is_read_as_its_truth_says(name: str) -> None:
    truth = truths()[name]
    items = read((ROOT / name).read_bytes())
    found = judge(items)
    # The one without a verdict: the new image hangs, unconfirmed. What became of it is not in the console.
    assert found.verdict == (truth["verdict"] or "incomplete"), found.reason
    assert found.boots == truth["boots"]
    assert list(found.events) == truth["events"]
    assert [boot.app_version for boot in boots(items)] == truth["app_versions"]
    assert [f"0x{boot.partition_offset:x}" for boot in boots(items)] == truth["partition_offsets"]
    assert {boot.bootloader_version for boot in boots(items)} == {truth["esp_idf"]}
    assert all(boot.slot and boot.reset_reason for boot in boots(items))


@every_console
def test_a_refusal_names_a_line_of_the_console(name: str) -> None:
    console = (ROOT / name).read_bytes()
    for attempt in judge(read(console)).attempts:
        if attempt.verdict == "refused":
            line = console.split(b"\n")[attempt.reason_line - 1]
            assert attempt.reason.encode() in line


@every_console
def test_any_chunks_give_the_same_items(name: str) -> None:
    console = (ROOT / name).read_bytes()[:60_000]
    whole = read(console)
    for seed in range(3):
        chance = random.Random(seed)
        reader, items, at = ConsoleReader(), [], 0
        while at < len(console):
            step = chance.choice((1, 2, 7, 80, 1000, 20_000))
            items += reader.feed(console[at : at + step])
            at += step
        assert items + reader.close() == whole, f"seed {seed}"


def test_byte_by_byte() -> None:
    for name in ("v5.1.4_powercut_before_confirm.log", "v5.1.4_native_random.log", "v5.3.1_rollback_abort.log"):
        console = reference(f"serial/{name}").read_bytes()
        reader = ConsoleReader()
        items = [item for byte in console for item in reader.feed(bytes([byte]))]
        assert items + reader.close() == read(console)


def _without_colours(console: bytes) -> bytes:
    return re.sub(rb"\x1b\[[0-9;]*m", b"", console)


def _without_rom(console: bytes) -> bytes:
    return re.sub(rb"(?m)^(ESP-ROM|Build:|rst:|SPIWP|mode:|load:|entry ).*\r?\n", b"", console)


def _without_tags(*tags: bytes) -> Callable[[bytes], bytes]:
    pattern = re.compile(rb"(?m)^(\x1b\[0;3.m)?[IWE] \([^)]*\) (" + b"|".join(tags) + rb"): .*\r?\n")
    return lambda console: pattern.sub(b"", console)


def _timed(time: Callable[[int], bytes]) -> Callable[[bytes], bytes]:
    pattern = re.compile(rb"(?m)^((?:\x1b\[0;3.m)?[IWEDV] )\(([0-9]+)\) ")
    return lambda console: pattern.sub(lambda match: match[1] + time(int(match[2])), console)


def _clock(ms: int) -> bytes:
    return b"%02d:%02d:%02d.%03d" % (ms // 3_600_000, ms // 60_000 % 60, ms // 1000 % 60, ms % 1000)


_bootloader_silent = _without_tags(b"boot", rb"boot\.esp32c3", b"esp_image")
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "no colours": _without_colours,
    "LF": lambda console: console.replace(b"\r\n", b"\n"),
    "CR": lambda console: console.replace(b"\r\n", b"\r"),
    "times of day": _timed(lambda ms: b"(" + _clock(ms) + b") "),
    "dates": _timed(lambda ms: b"(70-01-01 " + _clock(ms) + b") "),
    "no times": _timed(lambda _: b""),
    "ROM silent": _without_rom,
    "bootloader silent": _bootloader_silent,
    "ROM and bootloader silent": lambda console: _without_rom(_bootloader_silent(console)),
    "application does not describe itself": _without_tags(b"cpu_start", b"app_init"),
    "leading garbage": lambda console: b"\xff\xfe\0\0\x80" + console,
}


@every_console
@pytest.mark.parametrize("form", FORMS)
def test_the_same_console_in_another_form(name: str, form: str) -> None:
    console = (ROOT / name).read_bytes()[:60_000]
    before, after = _outcome(console), _outcome(FORMS[form](console))
    assert after == before


def _outcome(console: bytes) -> tuple[str, list[str], int, list[tuple[str, int | None]]]:
    items = read(console)
    found: Judgement = judge(items)
    return found.verdict, [attempt.verdict for attempt in found.attempts], found.boots, events(items)


@every_console
def test_a_line_overwritten_by_the_next_loses_no_record_but_itself(name: str) -> None:
    """With and without colours, the next record is found behind the torn one, and no event is invented."""
    chance = random.Random(name)
    for console in ((ROOT / name).read_bytes()[:60_000], _without_colours((ROOT / name).read_bytes()[:60_000])):
        lines = console.split(b"\r\n")
        known = set(events(read(console)))
        for _ in range(4):
            at = chance.randrange(len(lines) - 1)
            torn = lines[at][: chance.randrange(len(lines[at]) + 1)]
            items = read(b"\r\n".join([*lines[:at], torn + lines[at + 1], *lines[at + 2 :]]))
            expected = _records(read(lines[at + 1] + b"\r\n"))
            found = _records([item for item in items if item.line_no == at + 1])
            if torn.count(b'"') % 2 or torn[-1:] in b"<[":
                continue  # it looks like a quotation, and is taken for one where no colour says otherwise
            assert expected == found[len(found) - len(expected) :], (torn, lines[at + 1])
            assert {(event, None) for event, _ in events(items)} <= {(event, None) for event, _ in known}


def _records(items: list[Item]) -> list[tuple[object, ...]]:
    return [item[:4] for item in items if isinstance(item, Record)]


@every_console
def test_every_prefix_has_a_verdict_that_the_whole_does_not_contradict(name: str) -> None:
    truth = truths()[name]["verdict"] or "incomplete"
    console = (ROOT / name).read_bytes()[:60_000]
    chance = random.Random(name)
    for _ in range(4):
        end = chance.randrange(len(console))
        items = read(console[:end])
        found = judge(items)
        places = [boot.partition_offset for boot in items if isinstance(boot, Boot)]
        if found.verdict == "updated":
            assert truth in ("updated", "rolled_back", "refused", "incomplete")
            assert len({place for place in places if place}) > 1
        if found.verdict == "fell_back":
            pytest.fail(f"nothing fell back in {name}: {found.reason} at byte {end}")


def test_the_panics_of_the_real_consoles() -> None:
    reference("serial/truth.json")
    found = {name: [item for item in read((ROOT / name).read_bytes()) if isinstance(item, Panic)] for name in truths()}
    with_panic = sorted(name for name, panics in found.items() if panics)
    assert with_panic == sorted(name for name in truths() if re.search("abort|intwdt", name))
    for name in with_panic:
        [panic] = found[name]
        assert panic.core == 0
        assert panic.pc
        assert panic.elf_sha256
