"""Builds that the bench writes, against the tools that must take them: esptool and pytest-embedded-idf."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from esptool.bin_image import LoadFirmwareImage  # type: ignore[import-untyped]  # esptool has no stubs
from pytest_embedded_idf.app import IdfApp  # type: ignore[import-untyped]  # as above

from bench.builds import Build, VirtualBuild, write_build
from bench.builds.firmware import application, bootloader
from bench.builds.layouts import LAYOUTS
from bench.builds.releases import RELEASES
from bench.builds.targets import TARGETS
from bench.errors import BuildError
from bench.flash import OtaData, PartitionTable
from bench.images import BootDefect, Defect, Image, read_behaviour, read_defect
from bench.images.encrypted import decrypt
from tests.builds.making import ca_pem, private_key_pem, spec
from tests.reference import reference

CHIPS = sorted(TARGETS)
ROLLBACK = b"App is valid, rollback cancelled successfully"
ANTI_ROLLBACK = b"New firmware security version is less than eFuse programmed, %lu < %lu"
SAME_VERSION = b"Current running version is the same as a new. We will not continue the update."
ERASED = b"This a new partition can not be booted due to a secure version is lower than stored in efuse."


def rodata(build: VirtualBuild) -> bytes:
    return application(build).segments[0].data


def test_the_tables_cover_what_is_promised() -> None:
    assert CHIPS == ["esp32", "esp32c3", "esp32s3"]
    assert sorted(LAYOUTS) == ["anti_rollback", "factory_two_ota", "two_ota", "two_ota_large"]
    assert RELEASES == ("v4.4.8", "v5.1.4", "v5.3.1", "v5.5", "v6.0")


@pytest.mark.parametrize("idf_ver", RELEASES)
@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("chip", CHIPS)
def test_esptool_finds_the_images_valid(chip: str, layout: str, idf_ver: str, tmp_path: Path) -> None:
    write_build(spec(chip, layout=layout, idf_ver=idf_ver), tmp_path)
    for name in ("advanced_https_ota.bin", "bootloader/bootloader.bin"):
        image = LoadFirmwareImage(chip, str(tmp_path / name))
        assert image.checksum == image.calculate_checksum()
        assert image.stored_digest == image.calc_digest
        assert image.data_length + 32 == (tmp_path / name).stat().st_size, "nothing trails behind"
        assert image.chip_id == TARGETS[chip].chip.chip_id
        for segment in image.segments:
            assert segment.get_memory_type(image), f"0x{segment.addr:x} is no address of the {chip}"


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("app", ["advanced_https_ota", "pre_encrypted_ota"])
def test_pytest_embedded_loads_the_build(chip: str, app: str, tmp_path: Path) -> None:
    write_build(spec(chip, app), tmp_path / "build")
    loaded = IdfApp(app_path=str(tmp_path), build_dir="build")
    assert loaded.target == chip
    assert loaded.is_xtensa == (chip != "esp32c3")
    assert loaded.sdkconfig["IDF_TARGET"] == chip
    assert [(file.offset, Path(file.file_path).name) for file in loaded.flash_files] == [
        (TARGETS[chip].bootloader_offset, "bootloader.bin"),
        (0x8000, "partition-table.bin"),
        (0xD000, "ota_data_initial.bin"),
        (0x10000, f"{app}.bin"),
    ]
    image = Build.load(tmp_path / "build").image
    assert image.digest is not None
    assert loaded.get_sha256(str(tmp_path / "build" / f"{app}.bin")) == image.digest.hex()


@pytest.mark.parametrize("chip", CHIPS)
def test_flash_args_name_the_files_as_flasher_args_json_does(chip: str, tmp_path: Path) -> None:
    """``cd DIR && esptool write-flash @flash_args`` is how ESP-IDF says to flash a build by hand."""
    write_build(spec(chip), tmp_path)
    words = (tmp_path / "flash_args").read_text("ascii").split()
    args = json.loads((tmp_path / "flasher_args.json").read_text("ascii"))
    assert words[: len(args["write_flash_args"])] == args["write_flash_args"]
    files = words[len(args["write_flash_args"]) :]
    assert dict(zip(files[::2], files[1::2], strict=True)) == args["flash_files"]
    assert all((tmp_path / name).is_file() for name in files[1::2])


@pytest.mark.parametrize("chip", CHIPS)
def test_the_application_lies_as_a_real_one(chip: str) -> None:
    image = application(spec(chip))
    chip_table = TARGETS[chip].chip
    mapped = [segment for segment in image.segments if chip_table.is_mapped(segment.load_addr)]
    assert len(mapped) == 2
    for segment in mapped:
        assert segment.data_offset % 0x10000 == segment.load_addr % 0x10000, "the MMU maps whole pages"
    assert all(segment.load_addr for segment in image.segments), "no padding segment was needed"
    by_address = sorted(image.segments, key=lambda one: one.load_addr)
    for before, after in pairwise(by_address):
        assert before.load_addr + len(before.data) <= after.load_addr, "segments overlap in memory"
    assert 200_000 <= image.length <= 260_000
    assert image.check() == ()


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("make", [application, bootloader])
def test_the_entry_point_holds_an_instruction_that_can_be_made_illegal(make: object, chip: str) -> None:
    assert callable(make)
    image: Image = make(spec(chip))
    segment = image.segment_at(image.header.entry_addr)
    assert segment is not None
    at = image.header.entry_addr - segment.load_addr
    illegal = TARGETS[chip].chip.arch.illegal_instruction
    assert segment.data[at : at + len(illegal)] != illegal
    assert image.crashing_at_boot() != image


def test_the_addresses_are_those_of_real_consoles() -> None:
    """`load:` lines of the ROM and `vaddr=` of the bootloader, ESP32-C3 with ESP-IDF v5.1.4."""
    console = reference("serial/v5.1.4_adv_ok.log").read_text("utf-8", "replace")
    loaded = tuple(int(address, 16) for address in re.findall(r"^load:0x([0-9a-f]+),", console, re.MULTILINE)[:3])
    assert TARGETS["esp32c3"].bootloader_segments == loaded
    vaddr = [int(address, 16) for address in re.findall(r"vaddr=([0-9a-f]+)", console)[:4]]
    ours = [segment.load_addr for segment in application(spec("esp32c3", idf_ver="v5.1.4")).segments[:4]]
    assert [address >> 20 for address in ours] == [address >> 20 for address in vaddr]
    assert ours[1:4] == vaddr[1:4]
    assert "Min chip rev:     v0.3" in console
    assert "Max chip rev:     v1.99" in console
    header = application(spec("esp32c3")).header
    assert (header.min_chip_rev_full, header.max_chip_rev_full) == (3, 199)


@pytest.mark.parametrize("chip", ["esp32", "esp32c3"])
def test_headers_are_those_of_real_builds(chip: str) -> None:
    real = Build.load(reference(f"builds/hello_world_{chip}/build"))
    for mine, theirs in ((application(spec(chip)), real.image), (bootloader(spec(chip)), real.bootloader)):
        for name in ("chip_id", "min_chip_rev", "min_chip_rev_full", "max_chip_rev_full", "spi_mode", "spi_speed"):
            assert getattr(mine.header, name) == getattr(theirs.header, name), name
        assert mine.header.hash_appended == theirs.header.hash_appended == 1
    assert real.bootloader_offset == TARGETS[chip].bootloader_offset
    assert bootloader(spec(chip)).segments[0].load_addr == real.bootloader.segments[0].load_addr


def test_the_bootloader_describes_itself_as_its_release_does() -> None:
    new = bootloader(spec(idf_ver="v5.3.1")).bootloader_desc
    assert new is not None
    assert (new.version, new.idf_ver) == (1, "v5.3.1")
    old = bootloader(spec(idf_ver="v5.1.4"))
    assert old.bootloader_desc is None, "esp_bootloader_desc_t came with v5.2"
    assert b"v5.1.4\0" in old.segments[0].data
    assert b"compile time Jan  1 2025 12:00:00\x1b[0m\n\0" in old.segments[0].data


def test_the_description_says_what_was_asked_for() -> None:
    desc = application(spec(version="v1.2.3-rc1", layout="anti_rollback", secure_version=5)).app_desc
    assert desc is not None
    assert (desc.version, desc.secure_version, desc.project_name) == ("v1.2.3-rc1", 5, "advanced_https_ota")
    assert desc.idf_ver == "v5.3.1"


def test_log_formats_have_the_form_of_the_macros() -> None:
    assert b"\0\x1b[0;32mI (%lu) %s: OTA started\x1b[0m\n\0" in rodata(spec())
    assert b"\0\x1b[0;31mE (%lu) %s: ESP HTTPS OTA Begin failed\x1b[0m\n\0" in rodata(spec())
    assert b"\0I (%lu) %s: OTA started\n\0" in rodata(spec(log_colors=False))
    assert b"\x1b[0" not in rodata(spec(log_colors=False))
    debug = b"\0D (%lu) %s: Writing to flash: %d written\x1b[0m\n\0"
    assert debug in rodata(spec(log_level="debug"))
    assert debug not in rodata(spec())
    assert b"OTA started" not in rodata(spec(log_level="warn"))
    assert b"ESP HTTPS OTA Begin failed" in rodata(spec(log_level="error"))


def test_wording_follows_the_release() -> None:
    old, new = rodata(spec(idf_ver="v5.1.4")), rodata(spec(idf_ver="v5.3.1"))
    assert b"esp_https_ota_read_img_desc failed" in old
    assert b"esp_https_ota_read_img_desc failed" not in new
    assert b"esp_https_ota_get_img_desc failed" in new
    assert b"Pro cpu up." in old
    assert b"Pro cpu up." not in new


def test_wording_follows_the_chip() -> None:
    sleep, second_core = b"Configure to isolate all GPIO pins in sleep state", b"Multicore app"
    said = {chip: (sleep in rodata(spec(chip)), second_core in rodata(spec(chip))) for chip in CHIPS}
    assert said == {"esp32": (False, True), "esp32c3": (True, False), "esp32s3": (True, True)}


@pytest.mark.parametrize(
    ("options", "there", "absent"),
    [
        ({}, [ROLLBACK, SAME_VERSION], [ANTI_ROLLBACK, ERASED, b"[Virtual]"]),
        ({"rollback": False}, [SAME_VERSION], [ROLLBACK]),
        ({"version_check": False}, [ROLLBACK], [SAME_VERSION]),
        ({"layout": "factory_two_ota"}, [SAME_VERSION], [ROLLBACK, ANTI_ROLLBACK]),
        ({"layout": "factory_two_ota", "rollback": True}, [ROLLBACK], []),
        ({"layout": "anti_rollback"}, [ROLLBACK, ANTI_ROLLBACK, ERASED, b"[Virtual] no efuses found in flash"], []),
        ({"layout": "anti_rollback", "secure_version_check": False}, [ERASED], [ANTI_ROLLBACK]),
        ({"layout": "anti_rollback", "efuse_virtual": False}, [ANTI_ROLLBACK, ERASED], [b"[Virtual]"]),
        ({"url": "https://h/x.bin"}, [b"\0https://h/x.bin\0"], [b"FROM_STDIN", b"Configuration mismatch"]),
        ({}, [b"\0FROM_STDIN\0", b"Configuration mismatch: wrong firmware upgrade image url"], []),
    ],
)
def test_options_are_told_by_the_strings(options: dict[str, Any], there: list[bytes], absent: list[bytes]) -> None:
    data = rodata(spec(**options))
    assert [text for text in there if text not in data] == []
    assert [text for text in absent if text in data] == []


@pytest.mark.parametrize(
    ("options", "there", "absent"),
    [
        ({}, [b"CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE=y"], [b"ANTI_ROLLBACK", b"EFUSE_VIRTUAL", b"Secure version"]),
        ({"rollback": False}, [b"Defaulting to factory image"], [b"CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE=y"]),
        (
            {"layout": "anti_rollback"},
            [
                b"Enabled a check secure version of app for anti rollback",
                b"Secure version (from eFuse) = %lu",
                b"CONFIG_BOOTLOADER_APP_ANTI_ROLLBACK=y",
                b"CONFIG_EFUSE_VIRTUAL_KEEP_IN_FLASH=y",
                b"eFuse virtual mode is enabled.",
            ],
            [b"Defaulting to factory image"],
        ),
    ],
)
def test_the_bootloader_has_its_options(options: dict[str, Any], there: list[bytes], absent: list[bytes]) -> None:
    data = bootloader(spec(**options)).segments[0].data
    assert [text for text in there if text not in data] == []
    assert [text for text in absent if text in data] == []


def test_certificate_key_and_behaviour_are_embedded() -> None:
    image = application(spec(app="pre_encrypted_ota", behaviour="abort"))
    assert ca_pem() + b"\0" in image.segments[0].data
    assert private_key_pem() + b"\0" in image.segments[0].data
    assert read_behaviour(image) == "abort"
    assert read_behaviour(application(spec())) == ""
    assert b"PRIVATE KEY" not in rodata(spec())


def test_a_defect_stands_in_its_own_image_alone() -> None:
    sound = spec()
    for defect, changed in ((Defect.ANY_MAGIC, application), (BootDefect.ANY_TABLE, bootloader)):
        built = spec(defect=defect)
        assert read_defect(changed(built), type(defect)) is defect
        other = bootloader if changed is application else application
        assert b"DEFECT=" not in b"".join(one.data for one in other(built).segments)
        assert changed(built) != changed(sound)
        assert built.files()["sdkconfig"] == sound.files()["sdkconfig"]


def test_the_key_is_in_no_other_file_and_in_no_repr() -> None:
    build = spec(app="pre_encrypted_ota")
    secret = private_key_pem().splitlines()[3]
    assert [name for name, data in build.files().items() if secret in data] == ["pre_encrypted_ota.bin"]
    made = build.files()  # the image for the server is of the key's public half
    assert decrypt(made["pre_encrypted_ota_secure.bin"], build.private_key_pem or b"") == made["pre_encrypted_ota.bin"]
    assert secret.decode() not in repr(build)


def test_a_build_is_complete_and_reads_back(tmp_path: Path) -> None:
    write_build(spec("esp32", layout="anti_rollback", secure_version=2), tmp_path / "deep" / "build")
    build = Build.load(tmp_path / "deep" / "build")
    assert (build.target, build.project_name, build.version, build.idf_ver) == (
        "esp32",
        "advanced_https_ota",
        "1",
        "v5.3.1",
    )
    assert build.app_offset == 0x20000
    assert build.flash_size == 8 << 20
    assert build.enabled("BOOTLOADER_APP_ANTI_ROLLBACK")
    assert build.enabled("EFUSE_VIRTUAL_KEEP_IN_FLASH")
    assert build.sdkconfig["BOOTLOADER_APP_SECURE_VERSION"] == 2
    otadata = build.part("otadata")
    assert otadata is not None
    assert OtaData.parse(otadata.path.read_bytes()).active is None
    assert build.partition_table.emul_efuse is not None
    assert build.description["project_version"] == "1"
    (tmp_path / "deep" / "build" / "config" / "sdkconfig.json").unlink()
    assert Build.load(tmp_path / "deep" / "build").sdkconfig == build.sdkconfig, "both forms say the same"


def test_the_anti_rollback_table_is_the_reference_table() -> None:
    real = PartitionTable.parse(reference("flash/ar.partition-table.bin").read_bytes())
    assert LAYOUTS["anti_rollback"].table == real


def test_factory_two_ota_is_the_stock_table() -> None:
    assert [(p.label, p.offset, p.size) for p in LAYOUTS["factory_two_ota"].table.partitions] == [
        ("nvs", 0x9000, 0x4000),
        ("otadata", 0xD000, 0x2000),
        ("phy_init", 0xF000, 0x1000),
        ("factory", 0x10000, 0x100000),
        ("ota_0", 0x110000, 0x100000),
        ("ota_1", 0x210000, 0x100000),
    ]


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_a_layout_fits_its_flash_and_the_image_its_slots(layout: str) -> None:
    table = LAYOUTS[layout].table
    assert table.flash_size_needed <= LAYOUTS[layout].flash_bytes
    assert len(table.ota_slots) == 2
    length = application(spec(layout=layout)).length
    assert all(slot.size >= length for slot in table.ota_slots)


def test_the_same_spec_gives_the_same_bytes_and_another_version_others() -> None:
    assert spec().files() == spec().files()
    one, two = application(spec(version="1")), application(spec(version="2"))
    assert one.length == two.length
    assert one.segments[3].data != two.segments[3].data, "versions differ in their code, too"


def test_the_filler_compresses_about_as_code_does() -> None:
    import zlib

    data = application(spec()).to_bytes()
    assert 0.4 < len(zlib.compress(data, 9)) / len(data) < 0.75


def test_no_path_of_this_machine_is_written(tmp_path: Path) -> None:
    write_build(spec(), tmp_path)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert str(tmp_path).encode() not in path.read_bytes()
    assert json.loads((tmp_path / "project_description.json").read_text())["target"] == "esp32c3"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chip": "esp8266"}, "esp32, esp32c3, esp32s3"),
        ({"app": "blink"}, "advanced_https_ota, pre_encrypted_ota"),
        ({"layout": "ab"}, "two_ota"),
        ({"idf_ver": "v4.3"}, "v5.1.4, v5.3.1"),
        ({"app": "pre_encrypted_ota", "idf_ver": "v4.4.8"}, "later release"),
        ({"app": "native_ota", "partial_http_download": True}, "in one piece"),
        ({"app": "native_ota", "bind_interface": True}, "only simple_ota"),
        ({"partial_http_download": True, "http_request_size": 100}, "1024 bytes"),
        ({"version": "v" * 32}, "1 to 31"),
        ({"version": "\u00e9" * 16}, "1 to 31"),
        ({"version": ""}, "1 to 31"),
        ({"version": "1\n2"}, "printable"),
        ({"url": "ftp://host/x"}, "FROM_STDIN"),
        ({"url": "https://host/" + "x" * 250}, "255"),
        ({"url": "https://host/x\0y"}, "FROM_STDIN"),
        ({"ca_pem": b""}, "CA certificate: empty"),
        ({"ca_pem": b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"}, "CA certificate"),
        ({"app": "pre_encrypted_ota", "private_key_pem": None}, "--private-key"),
        ({"app": "pre_encrypted_ota", "private_key_pem": b"no key"}, "private key: not readable"),
        ({"private_key_pem": b"x"}, "embeds no private key"),
        ({"layout": "anti_rollback", "rollback": False}, "needs rollback"),
        ({"layout": "factory_two_ota", "anti_rollback": True}, "factory"),
        ({"efuse_virtual": True}, "no partition for emulated eFuses"),
        ({"layout": "anti_rollback", "secure_version": 17}, "0 to 16"),
        ({"layout": "anti_rollback", "secure_version": -1}, "0 to 16"),
        ({"secure_version": 1}, "no anti-rollback"),
        ({"log_level": "chatty"}, "debug"),
        ({"behaviour": "explode"}, "hang_before_confirm"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BuildError) as caught:
        spec(**options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_of_the_wrong_size_is_refused() -> None:
    with pytest.raises(BuildError, match="2048 bits; expected RSA of 3072"):
        spec(app="pre_encrypted_ota", private_key_pem=private_key_pem(2048))


def test_an_out_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BuildError, match="choose another --out"):
        write_build(spec(), tmp_path / "file")


def test_pre_encrypted_never_confirms_so_it_has_no_rollback() -> None:
    assert not spec(app="pre_encrypted_ota").has_rollback
    assert spec(app="pre_encrypted_ota", rollback=True).has_rollback
