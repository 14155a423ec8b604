"""Espressif's own prebuilt firmware, made to trust the bench: it runs on the virtual board, and updates itself."""

from __future__ import annotations

from pathlib import Path

from bench.builds import Build, VirtualBuild, write_build
from bench.images import Image
from bench.ota import Draft
from bench.server import Authority
from bench.timeline import UPDATE_BOOT_PARTITION, Deadline, booted
from tests.ota.rig import rigged
from tests.reference import reference


def test_rekeyed_firmware_updates_itself_from_the_bench(tmp_path: Path) -> None:
    """Its certificate bundle holds the bench's CA alone, so the TLS of the second update is the real one's own."""
    image = Image.parse(reference("images/esp32-advanced_https_ota-v5.5-dev.bin").read_bytes())
    described = image.app_desc
    assert described is not None
    authority = Authority.load_or_create(tmp_path / "ca")
    write_build(
        VirtualBuild(chip="esp32", app="advanced_https_ota", version="1", ca_pem=authority.ca_pem), tmp_path / "build"
    )
    build = Build.load(tmp_path / "build")

    with rigged(build, authority) as (ota, _board, timeline):
        ota.start(Draft(image).trusting(authority.ca_pem))
        ota.expect_boot_after_update(version=described.version)
        ota.expect_said("Please input ssid password:")
        ota.type("network password")
        ota.expect_said("Starting Advanced OTA example")
        release = ota.publish(Draft(build.image).version("3"))
        after = timeline.last_index
        ota.type(release.url)
        timeline.wait(UPDATE_BOOT_PARTITION(slot="ota_0"), Deadline(20), after=after)
        timeline.wait(booted(slot="ota_0", version="3"), Deadline(20), after=after)
        handshakes = [entry for entry in timeline.entries if entry.kind == "tls" and entry.get("ok")]
        agents = [entry.get("headers") for entry in timeline.entries if entry.kind == "request"]

    assert len(handshakes) == 2
    assert len(agents) == 2
