"""A real ESP-IDF image on the virtual board: published, downloaded, verified and booted."""

from __future__ import annotations

from pathlib import Path

from bench.builds import Build, VirtualBuild, write_build
from bench.images import Image
from bench.ota import Draft
from bench.ota.words import DOWNLOADED
from bench.server import Authority
from bench.timeline import FINISH, UPDATE_BOOT_PARTITION
from tests.ota.rig import rigged
from tests.reference import reference


def test_the_real_image_updates_a_virtual_esp32(tmp_path: Path) -> None:
    image = Image.parse(reference("images/esp32-advanced_https_ota-v5.5-dev.bin").read_bytes())
    described = image.app_desc
    assert described is not None
    authority = Authority.load_or_create(tmp_path / "ca")
    spec = VirtualBuild(chip="esp32", app="advanced_https_ota", version="1", ca_pem=authority.ca_pem)
    write_build(spec, tmp_path / "build")

    with rigged(Build.load(tmp_path / "build"), authority) as (ota, board, timeline):
        ota.start(Draft(image))
        ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION, FINISH)
        boot = ota.expect_boot(slot=ota.other_slot, version=described.version)
        slot = ota.slots[ota.other_slot]
        responses = [entry for entry in timeline.entries if entry.kind == "response"]

    assert boot.get("project_name") == "advanced_https_ota"
    assert boot.get("idf_version") == described.idf_ver == "v5.5-dev-1460-gea06535ab28-dirt"
    assert slot.version == "v5.5-dev-1460-gea06535ab28-dirt"
    assert [entry.get("sent") for entry in responses] == [893_536]
    assert board.board.chip == "esp32"
