"""The log strings as data: whole, without contradictions, and in agreement with a real image."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from bench.builds.apps import APPS
from bench.builds.catalogue import LEVELS, FormatString, vocabulary
from bench.builds.releases import line_of
from bench.errors import BuildError
from tests.reference import reference

OPTIONS = {
    "rollback",
    "anti_rollback",
    "bind_interface",
    "wifi_from_stdin",
    "cert_bundle",
    "efuse_virtual",
    "url_from_stdin",
    "version_check",
    "partial_http_download",
    "no_secure_version_check",
    "ota_resumption",
    "ecies",
    "signed",
    "signed_v1",
    "signed_v2",
    "signed_rsa",
    "signed_ecdsa",
}
COMPONENTS = [
    (group, path.name.removesuffix(".toml"))
    for group in ("app", "bootloader")
    for path in sorted(files("bench.builds").joinpath("strings", group).iterdir(), key=lambda one: one.name)
]


def test_all_components_are_here() -> None:
    assert len(COMPONENTS) >= 18
    named = {component for app in APPS.values() for component in app.components}
    assert named == {component for group, component in COMPONENTS if group == "app"}


@pytest.mark.parametrize(("group", "component"), COMPONENTS)
def test_a_component_reads_and_names_only_known_options(group: str, component: str) -> None:
    words = vocabulary(group, component)
    assert words.strings
    for one in words.strings:
        assert one.text
        assert {name.removeprefix("!") for name in one.when} <= OPTIONS
        assert one.chips <= {"esp32", "esp32c3", "esp32s3"}
        assert one.since <= one.until
        assert "PRI" not in one.text, "a macro that was not resolved"
        assert "\\" not in one.text, "an escape that was not resolved"


def test_levels_and_conditions() -> None:
    one = FormatString("D", "text", (5, 1), (5, 1), frozenset({"esp32"}), ("rollback", "!efuse_virtual"))
    on, both = frozenset({"rollback"}), frozenset({"rollback", "efuse_virtual"})
    assert one.compiled((5, 1), "esp32", on, "debug")
    assert not one.compiled((5, 1), "esp32", on, "info")
    assert not one.compiled((5, 3), "esp32", on, "debug")
    assert not one.compiled((5, 1), "esp32s3", on, "debug")
    assert not one.compiled((5, 1), "esp32", frozenset(), "debug")
    assert not one.compiled((5, 1), "esp32", both, "debug")
    assert set(LEVELS) == {"error", "warn", "info", "debug"}


def test_release_lines() -> None:
    assert line_of("v5.1.4") == line_of("v5.1") == (5, 1)
    assert line_of("v5.3.1-12-gabcdef") == (5, 3)
    for bad in ("5.1.4", "v5", "vfive.one", ""):
        with pytest.raises(BuildError, match=r"v5\.1\.4"):
            line_of(bad)


def test_the_strings_of_the_example_stand_in_a_real_image_of_it() -> None:
    """ESP-IDF v5.5-dev: all that v5.3 had and v5.5 still has of the application's words is there, letter for letter."""
    image = reference("images/esp32-advanced_https_ota-v5.5-dev.bin").read_bytes()
    words = vocabulary("app", "advanced_https_ota")
    expected = [
        one
        for one in words.strings
        if one.level in "EWI"
        and one.since < (5, 5) <= one.until
        and set(one.when) <= {"url_from_stdin", "version_check"}
    ]
    missing = [one.text for one in expected if f"{one.level} (%lu) %s: {one.text}\n\0".encode() not in image]
    # The real one was built without version check; its compiler saw that the URL *is* FROM_STDIN, and left the other
    # branch out; and it no longer has a message of its own for a refused header.
    assert sorted(missing) == [
        "Configuration mismatch: wrong firmware upgrade image url",
        "Current running version is the same as a new. We will not continue the update.",
        "image header verification failed",
    ]
    assert len(expected) - len(missing) >= 15


@pytest.mark.parametrize(
    ("component", "at_least"),
    [("app_update", 4), ("image_format", 20), ("esp_https_ota", 30), ("esp_tls", 40), ("startup", 12)],
)
def test_most_strings_of_a_component_stand_in_the_real_image(component: str, at_least: int) -> None:
    image = reference("images/esp32-advanced_https_ota-v5.5-dev.bin").read_bytes()
    texts = {
        one.text
        for one in vocabulary("app", component).strings
        if one.level in "EWI"
        and one.since < (5, 5) <= one.until
        and not one.when
        and (not one.chips or "esp32" in one.chips)
    }
    found = {text for text in texts if re.search(rb"\) %s: " + re.escape(text.encode()) + rb"\n\0", image)}
    assert len(found) >= at_least
    assert len(found) >= 0.85 * len(texts), sorted(texts - found)
