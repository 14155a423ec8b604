"""Every real console told again by the virtual board, whole: the same lines in the same order, or a reason."""

from __future__ import annotations

import json
import re

import pytest

from tests.fidelity.compare import REASONS, asked_for, compare
from tests.fidelity.normalise import normal
from tests.fidelity.page import PAGE, details, logs, made, row
from tests.fidelity.retelling import Keys
from tests.fidelity.telling import compared, new_keys
from tests.reference import reference


@pytest.fixture(scope="module")
def keys() -> Keys:
    return new_keys()


@pytest.mark.parametrize("log", logs())
def test_a_real_console_is_told_again(log: str, keys: Keys) -> None:
    comparison = compared(log, keys)
    assert comparison.unexplained == []
    assert comparison.equal > 60
    page = made(PAGE.read_text(encoding="utf-8"))
    stale = "docs/fidelity.md is stale: python -m tests.fidelity"
    assert row(comparison) in page.splitlines(), stale
    if comparison.differences:
        assert details(comparison).strip() in page, stale


def test_the_page_has_each_console_once() -> None:
    truth = json.loads(reference("serial/truth.json").read_text())
    listed = re.findall(r"^\| (v\S+) \|", made(PAGE.read_text(encoding="utf-8")), re.MULTILINE)
    assert listed == sorted(name.removesuffix(".log") for name in truth)
    assert len(listed) >= 79


# -- the comparison itself sees what it shall see

_CONSOLE = b"ESP-ROM:esp32c3-api1-20210207\r\nI (5) boot: End of partition table\r\nE (17) app: 404\r\n"


@pytest.mark.parametrize(
    "other",
    [
        _CONSOLE.replace(b"E (17)", b"W (17)"),
        _CONSOLE.replace(b"404", b"403"),
        _CONSOLE.replace(b"I (5) boot: End of partition table\r\n", b""),
        _CONSOLE + b"I (18) app: more\r\n",
        b"\r\n".join(reversed(_CONSOLE.split(b"\r\n"))),
        _CONSOLE.replace(b"E (17)", b"\x1b[0;31mE (17)"),
    ],
)
def test_a_line_that_differs_is_seen(other: bytes) -> None:
    assert compare("v5.1.4_adv_ok", _CONSOLE, other).unexplained


def test_times_and_addresses_are_no_difference() -> None:
    later = _CONSOLE.replace(b"(17)", b"(20517)") + b"entry 0x403cc710\r\n"
    assert compare("v5.1.4_adv_ok", later, later.replace(b"710", b"abc")).differences == ()


def test_no_reason_covers_a_line_of_an_update() -> None:
    """Not at debug level either: those of the examples and of esp_https_ota must be there."""
    lines = [
        "D (t) esp_https_ota: Written image length N",
        "D (t) advanced_https_ota_example: Image bytes read: N",
        "\x1b[0;32mI (t) boot: Loaded app from partition at offset 0x10000\x1b[0m",
        "\x1b[0;31mE (t) esp-tls: Failed to open new connection\x1b[0m",
    ]
    assert not [line for line in lines for reason in REASONS for log in logs() if reason.explains(log, line)]


def test_the_place_of_an_image_is_compared() -> None:
    """A segment's place is a trait of the build, but for the first: it says which slot was read."""
    first = "I (76) esp_image: segment 0: paddr=003a0020 vaddr=3c070020 size=24008h (147464) map"
    assert normal(first) == "I (t) esp_image: segment 0: paddr=003a0020 vaddr=A size=L map"


def test_ranges_must_follow_one_another() -> None:
    ask = ["HEAD /a Range=None", "GET /a Range=bytes=0-99", "GET /a Range=bytes=100-199", "GET /a Range=bytes=200-"]
    assert asked_for(ask) == ["HEAD Range=None", "GET the next 100 bytes", "GET the rest"]
    with pytest.raises(AssertionError, match="go on at 100"):
        asked_for([*ask[:2], ask[3]])
