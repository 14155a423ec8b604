"""Dialect files: what is read, and that every mistake is told with line, field and mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cli import main
from bench.errors import DialectError, Inexpressible
from bench.ota import Dialect, dialect_of, load_dialect, parse_dialect
from bench.ota.told import Told
from bench.timeline import (
    ABORT,
    FINISH,
    START,
    UPDATE_BOOT_PARTITION,
    VERIFY_CHIP_ID,
    WRITE_FLASH,
    forbid,
    maybe,
    said,
)

GOOD = """\
project_name: tracker_fw
tags: [tracker]
can: [version_check]
url:
  from: stdin
lines:
  prompt: ready for orders
  given_up: ["no luck", "no luck {any}"]
  success: done, restarting
events:
  START: begin of it
  UPDATE_BOOT_PARTITION: next from {slot}
  FINISH: "the end {any}"
  VERIFY_CHIP_ID: looking at the chip
instead:
  "Image validation failed, image is corrupted": image is broken
"""

MISTAKES = [
    ("project_name: tracker_fw\n", "", 1, "file", "project_name"),
    ("  prompt: ready for orders\n", "", 6, "lines", "prompt"),
    ("  success: done, restarting\n", "", 6, "lines", "success"),
    ("from: stdin", "from: carrier_pigeon", 5, "url.from", "known are stdin, compiled_in, nvs"),
    ("from: stdin", "from: nvs", 4, "url", "`namespace:`"),
    ("from: stdin", "from: stdin\n  key: url", 6, "url.key", "remove the line"),
    ("from: stdin", "from: compiled_in\n  namespace: ota", 6, "url.namespace", "remove the line"),
    ("from: stdin", "from: nvs\n  key: url\n  namespace: longer_than_fifteen", 7, "url.namespace", "1 to 15"),
    ("START: begin", "STRAT: begin", 11, "events.STRAT", "did you mean 'START'"),
    ("next from {slot}", "next from {slto}", 12, "events.UPDATE_BOOT_PARTITION", "{slot}"),
    ("next from {slot}", "'{any}'", 12, "events.UPDATE_BOOT_PARTITION", "letters of its own"),
    ("  START: begin of it", "  START: {a: b}", 11, "events.START", "must be text, not a mapping"),
    ("tags: [tracker]", "tags: tracker", 2, "tags", "must be a list"),
    ("tags: [tracker]", "tags: []", 2, "tags", "at least 1"),
    ("can: [version_check]", "can: [fly]", 3, "can", "known are"),
    (
        '"Image validation failed, image is corrupted"',
        "Image validaton failed",
        16,
        "instead",
        "did you mean 'Image va",
    ),
    ("success: done, restarting", "success: done\n  version: v of it", 10, "lines.version", "{version}"),
    ("can: [version_check]", "like: hello_world", 3, "like", "known are"),
]


@pytest.mark.parametrize(("old", "new", "line", "field", "told"), MISTAKES)
def test_every_mistake_is_told_with_line_field_and_mend(old: str, new: str, line: int, field: str, told: str) -> None:
    assert old in GOOD
    with pytest.raises(DialectError) as caught:
        parse_dialect(GOOD.replace(old, new, 1).encode(), path="own.yaml")
    assert (caught.value.line, caught.value.path) == (line, "own.yaml")
    assert caught.value.field.startswith(field)
    assert told in caught.value.problem


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[1, 2]",
        b"a: &a [*a]",
        b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nproject_name: *c\n",
        b"project_name: " + b"[" * 5000,
        b"!!python/object/apply:os.system ['true']",
        b"x" * (2 << 20),
        GOOD.replace("begin of it", "x" * 5000).encode(),
        GOOD.replace("begin of it", '"a\\nb"').encode(),
    ],
)
def test_hostile_files_are_refused_clearly(data: bytes) -> None:
    with pytest.raises(DialectError):
        parse_dialect(data)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DialectError, match="cannot be read"):
        load_dialect(tmp_path / "none.yaml")


@pytest.fixture(name="own")
def _own() -> Dialect:
    return parse_dialect(GOOD.encode(), path="own.yaml")


def test_what_a_good_file_says(own: Dialect) -> None:
    assert (own.project_name, own.like, own.can) == ("tracker_fw", "advanced_https_ota", frozenset({"version_check"}))
    assert own.tells(UPDATE_BOOT_PARTITION(slot="ota_1"))
    assert own.tells(VERIFY_CHIP_ID)
    assert not own.tells(VERIFY_CHIP_ID(9))
    assert not own.tells(ABORT)


def test_what_it_tells_is_waited_for_as_it_is(own: Dialect) -> None:
    assert own.put(START) is START
    assert own.put(maybe(WRITE_FLASH)) == maybe(WRITE_FLASH)
    assert own.put(said(tag="esp_https_ota", text="Starting OTA...")) == said(
        tag="esp_https_ota", text="Starting OTA..."
    )


@pytest.mark.parametrize("step", [ABORT, VERIFY_CHIP_ID(9), forbid(ABORT), WRITE_FLASH(4096)])
def test_what_it_has_no_words_for_is_inexpressible(own: Dialect, step: object) -> None:
    with pytest.raises(Inexpressible, match=r"own\.yaml"):
        own.put(step)  # type: ignore[arg-type]  # a step, whichever


def test_a_line_of_the_example_has_another_wording(own: Dialect) -> None:
    assert isinstance(own.reason("Image validation failed"), Told)
    assert isinstance(own.put_matcher(said(text="Image validation failed, image is corrupted")), Told)
    with pytest.raises(Inexpressible, match="instead"):
        own.reason("Complete data was not received.")
    with pytest.raises(Inexpressible):
        own.put_matcher(said(tag="advanced_https_ota_example"))
    assert own.reason("Mismatch chip id, expected") == said(text="Mismatch chip id, expected")


def test_a_switch_that_is_not_told_is_the_line_of_success() -> None:
    simple = dialect_of("simple_ota", "v5.3.1")
    assert simple.put_absent(UPDATE_BOOT_PARTITION) == (simple.success,)
    with pytest.raises(Inexpressible):
        simple.put_absent(FINISH)


def test_events_came_with_v5() -> None:
    assert dialect_of("advanced_https_ota", "v5.1.4").tells(START)
    assert not dialect_of("advanced_https_ota", "v4.4.8").tells(START)


def test_the_command_checks_a_file_and_tries_it_on_a_console(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text(GOOD)
    (tmp_path / "console.log").write_bytes(b"I (1) tracker: begin of it\r\nI (2) tracker: no luck at all\r\n")
    command = ["dialect", "check", str(tmp_path / "own.yaml"), "--console", str(tmp_path / "console.log")]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "line 1: ESP_HTTPS_OTA_START: begin of it" in out
    assert out.endswith("verdict: refused\n")
    (tmp_path / "own.yaml").write_text(GOOD.replace("from: stdin", "from: smoke"))
    assert main(command) == 2
    assert "own.yaml:5: url.from" in capsys.readouterr().err
