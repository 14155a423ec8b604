"""A refusal and an update on boards of every chip and release, in every form that the log can have."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.builds import Build, VirtualBuild, write_build
from bench.builds.releases import RELEASES
from bench.ota import Draft
from bench.ota.words import DOWNLOADED
from bench.server import Authority
from bench.timeline import FINISH, UPDATE_BOOT_PARTITION, VERIFY_CHIP_REVISION, WRITE_FLASH
from tests.ota.rig import rigged

SAME_VERSION = "Current running version is the same as a new. We will not continue the update."
CHIPS = ("esp32", "esp32c3", "esp32s3")
WITH_EVENTS = [release for release in RELEASES if not release.startswith("v4.")]
FORMS = [
    (CHIPS[number % 3], release, level) for number, release in enumerate(WITH_EVENTS) for level in ("info", "debug")
]


@pytest.mark.parametrize(("chip", "release", "level"), FORMS)
def test_a_refusal_and_an_update_are_read_in_every_form(chip: str, release: str, level: str, tmp_path: Path) -> None:
    """At debug level, with colours, each write is an event and the last tells the size; else there are no such events.

    The information level is without colours.
    """
    authority = Authority.load_or_create(tmp_path / "ca")
    spec = VirtualBuild(
        chip=chip,
        app="advanced_https_ota",
        version="1",
        ca_pem=authority.ca_pem,
        idf_ver=release,
        log_level=level,
        log_colors=level == "debug",
    )
    write_build(spec, tmp_path / "build")
    build = Build.load(tmp_path / "build")

    with rigged(build, authority) as (ota, _, timeline):
        same = Draft(build.image)
        ota.start(same)
        ota.expect_refused(SAME_VERSION)
        ota.start(same.version("2"))
        ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION(slot=ota.other_slot), FINISH)
        ota.expect_updated(version="2")
        console = [entry for entry in timeline.entries if entry.source == "console"]

    boots = [entry for entry in console if entry.kind == "boot"]
    assert [boot.get("app_version") for boot in boots][-2:] == ["1", "2"]
    assert {boot.get("idf_version") for boot in boots} == {release}
    levels = {entry.get("level") for entry in console if entry.kind == "record"}
    written = [entry.get("payload") for entry in console if WRITE_FLASH.matches(entry)]
    assert ("D" in levels) is bool(written) is (level == "debug")
    assert written[-1:] == [len(build.image.to_bytes())] * bool(written)
    assert any(map(VERIFY_CHIP_REVISION.matches, console)) is (release in ("v5.5", "v6.0"))
