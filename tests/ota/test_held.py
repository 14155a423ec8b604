"""What the flash held when the update was started is what it is held against."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from bench.errors import ExpectationFailed
from bench.ota import FlashView, Slot
from bench.ota.held import Held
from bench.timeline import Timeline

SLOT = Slot("ota_0", 0x10000, 2, (b"entry",), "1", 0, "app", False, "aa")


@pytest.fixture
def held() -> Held:
    held = Held(cast("FlashView", None), Timeline())  # it is not read here
    held.remember({"ota_0": SLOT})
    return held


def test_what_is_as_it_was_passes(held: Held) -> None:
    held.must_run_on("ota_0", SLOT)
    held.must_be_as_before("ota_0", replace(SLOT, otadata=(b"other",)))


def test_a_byte_that_changed_is_noticed(held: Held) -> None:
    changed = replace(SLOT, digest="bb")
    with pytest.raises(ExpectationFailed, match="running slot ota_0 was changed: SHA-256 aa -> bb"):
        held.must_run_on("ota_0", changed)
    with pytest.raises(ExpectationFailed, match="the slot ota_0 was changed"):
        held.must_be_as_before("ota_0", changed)


def test_an_otadata_entry_that_changed_is_noticed(held: Held) -> None:
    with pytest.raises(ExpectationFailed, match="otadata entry of the running slot ota_0"):
        held.must_run_on("ota_0", replace(SLOT, otadata=(b"other",)))
