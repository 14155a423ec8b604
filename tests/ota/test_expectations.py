"""What scenarios expect, expected in vain: each fails, at once, and says what was wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.builds import Build, VirtualBuild, write_build
from bench.errors import ExpectationFailed
from bench.ota import Draft, Ota
from bench.server import Authority, NotFound
from bench.timeline import Timeline
from tests.ota.rig import rigged


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[tuple[Ota, Timeline]]:
    authority = Authority.throwaway()
    spec = VirtualBuild(chip="esp32c3", app="advanced_https_ota", version="1", ca_pem=authority.ca_pem)
    write_build(spec, tmp_path / "build")
    with rigged(Build.load(tmp_path / "build"), authority) as (ota, _, timeline):
        yield ota, timeline


def draft(ota: Ota) -> Draft:
    return Draft(ota.firmware.build.image).version("2")


def test_an_attempt_that_is_given_up_is_not_waited_for_to_succeed(rig: tuple[Ota, Timeline]) -> None:
    ota, _ = rig
    ota.start(draft(ota).served(NotFound()))
    began = time.monotonic()
    with pytest.raises(ExpectationFailed, match="should have succeeded; it was given up"):
        ota.expect_boot_after_update(version="2")
    assert time.monotonic() - began < 25, "the patience is 30 s"


def test_a_slot_holds_what_was_published_or_the_first_other_byte_is_told(rig: tuple[Ota, Timeline]) -> None:
    ota, _ = rig
    new = draft(ota)
    ota.update(new, version="2")
    ota.expect_written("ota_1", new.data)
    with pytest.raises(ExpectationFailed, match=f"ota_1 does not hold .* byte 1000 of {len(new.data)}"):
        ota.expect_written("ota_1", new.with_flipped_byte(1000).data)


def test_a_secret_that_was_told_is_found_and_not_told_again(rig: tuple[Ota, Timeline]) -> None:
    ota, timeline = rig
    ota.start(draft(ota))
    ota.expect_boot_after_update(version="2")
    ota.expect_untold("let-me-in")
    for kind, key in (("record", "message"), ("noise", "text")):
        entry = timeline.append("console", kind, **{key: "the password is let-me-in"})
        with pytest.raises(ExpectationFailed) as caught:
            ota.expect_untold("let-me-in")
        assert "let-me-in" not in str(caught.value)
        assert str(entry.index) in str(caught.value) or kind == "noise"


def test_a_slot_that_the_bootloader_tried_in_vain_is_noticed(rig: tuple[Ota, Timeline]) -> None:
    ota, timeline = rig
    ota.start(draft(ota))
    ota.expect_boot_after_update(version="2")
    ota.expect_not_tried("ota_1")
    timeline.append("console", "record", level="E", tag="boot", message="OTA app partition slot 1 is not bootable")
    ota.expect_not_tried("ota_0")
    with pytest.raises(ExpectationFailed, match="slot 1 is not bootable"):
        ota.expect_not_tried("ota_1")
