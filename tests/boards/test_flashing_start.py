"""What the flash of a board shall hold at the start of a scenario."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from bench.boards.flashing import ANY, BLANK, Content, Region, Start, regions_of, start_of
from bench.builds import Build, VirtualBuild, write_build
from bench.errors import BuildError, UnsafeOperation
from tests.boards.test_safety import also

CA = trustme.CA().cert_pem.bytes()


def build(folder: Path, layout: str = "two_ota", **options: object) -> Build:
    write_build(VirtualBuild("esp32s3", "advanced_https_ota", "1", CA, layout=layout, **options), folder)  # type: ignore[arg-type]  # options of the build, by name
    return Build.load(folder)


def named(regions: tuple[Region, ...]) -> dict[str, bytes | None]:
    return {region.name: region.data for region in regions}


def test_the_files_of_the_build_and_what_firmware_changes(tmp_path: Path) -> None:
    made = build(tmp_path)
    regions = regions_of(made, start_of(made))
    assert [region.name for region in regions] == ["bootloader", "partition-table", "otadata", "ota_0", "ota_1"]
    assert [region.offset for region in regions] == sorted(region.offset for region in regions)
    held = named(regions)
    assert held["ota_0"] == made.app_path.read_bytes()
    assert held["otadata"] == b"\xff" * 0x2000
    assert held["ota_1"] is None
    assert all(region.size % 4 == 0 for region in regions)


def test_nvs_is_left_alone_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    made = build(tmp_path)
    assert "nvs" not in named(regions_of(made, start_of(made)))
    assert named(regions_of(made, Start(nvs=BLANK)))["nvs"] is None
    assert named(regions_of(made, Start(nvs=b"abcde")))["nvs"] == b"abcde\xff\xff\xff"


def test_an_unfinished_download_of_the_last_scenario_is_forgotten(tmp_path: Path) -> None:
    made = build(tmp_path, idf_ver="v5.5", ota_resumption=True)
    assert named(regions_of(made, start_of(made)))["nvs"] is None


def test_emulated_efuses_are_blank_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    made = build(tmp_path, "anti_rollback")
    assert named(regions_of(made, start_of(made)))["emul_efuse"] is None
    assert "emul_efuse" not in named(regions_of(made, Start(emul_efuse=ANY)))


def test_a_factory_application_leaves_both_slots_blank(tmp_path: Path) -> None:
    made = build(tmp_path, "factory_two_ota")
    held = named(regions_of(made, start_of(made)))
    assert held["factory"] == made.app_path.read_bytes()
    assert held["ota_0"] is held["ota_1"] is None


def test_a_stated_start_wins(tmp_path: Path) -> None:
    made = build(tmp_path)
    image = made.image.with_version("2").to_bytes()
    held = named(regions_of(made, Start(slots={"ota_1": image}, otadata=b"x" * 64)))
    assert held["ota_1"] == image
    assert held["otadata"] == b"x" * 64
    assert "ota_1" not in named(regions_of(made, Start(slots={"ota_1": ANY})))


NVS, SLOT = b"credentials of the line " * 100, b"an image of the line, or not " * 100


def test_a_file_that_the_build_has_for_a_partition_is_what_it_holds(tmp_path: Path) -> None:
    made = also(build(tmp_path), (0x9000, NVS), (0x200000, SLOT))
    held = named(regions_of(made, start_of(made)))
    assert (held["nvs"], held["ota_1"]) == (NVS, SLOT)
    assert held["ota_0"] == made.app_path.read_bytes()


def test_a_file_of_emulated_efuses_is_what_they_hold(tmp_path: Path) -> None:
    made = build(tmp_path, "anti_rollback")
    partition = made.partition_table.emul_efuse
    assert partition is not None
    made = also(made, (partition.offset, b"\x01" * 64))
    assert named(regions_of(made, start_of(made)))["emul_efuse"] == b"\x01" * 64
    assert named(regions_of(made, Start(emul_efuse=BLANK)))["emul_efuse"] is None


@pytest.mark.parametrize("within", [0, 0x1000], ids=["from its start", "further in"])
@pytest.mark.parametrize(("stated", "expected"), [(BLANK, [None]), (ANY, []), (b"said", [b"said"])])
def test_a_stated_start_wins_over_a_file_of_the_build(
    tmp_path: Path, within: int, stated: Content | bytes, expected: list[bytes | None]
) -> None:
    made = also(build(tmp_path), (0x9000 + within, NVS), (0x200000 + within, SLOT))
    regions = regions_of(made, Start(slots={"ota_1": stated}, nvs=stated))
    for name in ("nvs", "ota_1"):
        assert [region.data for region in regions if region.name == name] == expected


@pytest.mark.parametrize("within", [0, 0x1000], ids=["from its start", "further in"])
def test_no_unfinished_download_is_left_behind_the_builds_own_nvs(tmp_path: Path, within: int) -> None:
    made = also(build(tmp_path, idf_ver="v5.5", ota_resumption=True), (0x9000 + within, NVS))
    (nvs,) = (region for region in regions_of(made, start_of(made)) if region.name == "nvs")
    size = next(one.size for one in made.partition_table.partitions if one.label == "nvs")
    assert nvs.content(0x9000, size) == b"\xff" * within + NVS + b"\xff" * (size - within - len(NVS))


@pytest.mark.parametrize(
    ("start", "problem"),
    [
        (Start(slots={"ota_7": BLANK}), "no application partition 'ota_7'"),
        (Start(slots={"nvs": BLANK}), "no application partition 'nvs'"),
        (Start(slots={"ota_1": bytes(0x1F0004)}), "do not fit into ota_1"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, start: Start, problem: str) -> None:
    with pytest.raises(BuildError, match=problem):
        regions_of(build(tmp_path), start)


@pytest.mark.parametrize("offset", [0x3F0000, 0x5000, 0xF800])
def test_a_file_that_is_not_within_one_partition_is_refused(tmp_path: Path, offset: int) -> None:
    """0x3F0000: behind the last partition; 0x5000: it reaches into the table; 0xF800: its sector is not its own."""
    made = also(build(tmp_path), (offset, bytes(0x4000)))
    with pytest.raises(UnsafeOperation, match=rf"{offset:x}\.bin: is to be written to 0x[0-9a-f]+, .* not within one"):
        regions_of(made, start_of(made))
