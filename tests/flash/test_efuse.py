"""eFuse fields against real emulated eFuses (ESP32-C3) and against ESP-IDF's tables as esptool has them."""

from __future__ import annotations

import importlib
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import FormatError
from bench.flash.efuse_fields import BLOCK_KEY0, HMAC_UP, LAYOUTS, EfuseBlocks, layout_of
from bench.flash.emul_efuse import emulated_efuses, erased_partition, partition_bytes
from tests.reference import reference

CHIPS = sorted(LAYOUTS)
REAL = {
    "ar-01-after-first-boot": 0,
    "ar-02-switched-not-yet-booted": 0,
    "ar-03-new-slot-booting-pending-verify": 0,
    "ar-04-rolled-back-aborted": 0,
    "ar-05-confirmed-secure-version-1": 1,
}


@pytest.mark.parametrize(("name", "secure_version"), REAL.items())
def test_real_emulated_efuses(name: str, secure_version: int) -> None:
    data = reference(f"flash/{name}.emul_efuse.bin").read_bytes()
    efuses = emulated_efuses("esp32c3", data)
    assert efuses is not None
    assert efuses.secure_version == secure_version
    assert efuses.chip_revision == 3
    assert efuses.mac.hex(":") == "c4:0a:24:fe:10:01"
    assert partition_bytes(efuses) == data


def test_the_real_confirmation_is_retold_byte_for_byte() -> None:
    before = emulated_efuses("esp32c3", reference("flash/ar-01-after-first-boot.emul_efuse.bin").read_bytes())
    assert before is not None
    after = reference("flash/ar-05-confirmed-secure-version-1.emul_efuse.bin").read_bytes()
    assert partition_bytes(before.with_secure_version(1)) == after


def test_the_fresh_partition_is_erased() -> None:
    data = reference("flash/ar-00-factory-fresh.emul_efuse.bin").read_bytes()
    assert data == erased_partition()
    assert emulated_efuses("esp32c3", data) is None


@pytest.mark.parametrize("chip", CHIPS)
def test_secure_version_is_a_count_of_bits_from_the_lowest(chip: str) -> None:
    blank = EfuseBlocks.blank(chip)
    assert blank.max_secure_version == (32 if chip == "esp32" else 16)
    seen = blank
    for version in range(blank.max_secure_version + 1):
        seen = seen.with_secure_version(version)
        assert seen.secure_version == version
        assert seen.get("SECURE_VERSION") == (1 << version) - 1
        assert seen == blank.with_secure_version(version)
    with pytest.raises(FormatError, match="at most"):
        blank.with_secure_version(blank.max_secure_version + 1)
    with pytest.raises(FormatError, match="as burnt"):
        seen.with_secure_version(0)


def test_secure_version_lies_where_the_tables_say() -> None:
    assert EfuseBlocks.blank("esp32").with_secure_version(3).blocks[3][16:20] == b"\x07\0\0\0"
    assert EfuseBlocks.blank("esp32s3").with_secure_version(3).blocks[0][17:20] == b"\xc0\x01\0"


@pytest.mark.parametrize("chip", CHIPS)
def test_mac_and_revision(chip: str) -> None:
    mac = bytes.fromhex("a1b2c3d4e5f6")
    efuses = EfuseBlocks.blank(chip).with_mac(mac)
    assert efuses.mac == mac
    assert efuses.chip_revision == 0
    if chip == "esp32":
        assert efuses.blocks[0][4:10] == mac[::-1]
        v3 = efuses.burnt("CHIP_VER_REV1", 1).burnt("CHIP_VER_REV2", 1).burnt("WAFER_VERSION_MINOR", 1)
        assert v3.chip_revision == 301
        assert efuses.burnt("CHIP_VER_REV1", 1).chip_revision == 100
    else:
        assert efuses.blocks[1][:6] == mac[::-1]
        assert efuses.burnt("WAFER_VERSION_MINOR", 0b1011).chip_revision == 11
        assert efuses.burnt("WAFER_VERSION_MAJOR", 1).burnt("WAFER_VERSION_MINOR", 1).chip_revision == 101


def test_the_esp32s3_v0_0_is_known_by_its_block_version() -> None:
    eco0 = EfuseBlocks.blank("esp32s3").burnt("BLK_VERSION_MAJOR", 1).burnt("BLK_VERSION_MINOR", 1)
    odd = eco0.burnt("WAFER_VERSION_MAJOR", 3).burnt("WAFER_VERSION_MINOR", 0b1000)
    assert odd.block_version == 101
    assert odd.chip_revision == 0


@pytest.mark.parametrize("chip", CHIPS)
def test_our_table_agrees_with_espefuse(chip: str) -> None:
    """esptool carries Espressif's register tables in a form of its own: an independent witness."""
    with warnings.catch_warnings():
        # espefuse imports a name that its click release calls deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        module = importlib.import_module(f"espefuse.efuse.{chip}.mem_definition")
    fields = module.EfuseDefineFields(None)
    theirs = {field.name: field for field in fields.EFUSES}
    compared = 0
    for name, field in layout_of(chip).fields.items():
        other = theirs.get(name)
        if other is None or len(field.pieces) != 1:
            continue
        word, bit = field.pieces[0].bit // 32, field.pieces[0].bit % 32
        assert (other.block, other.word, other.pos) == (field.pieces[0].block, word, bit), name
        compared += 1
    assert compared >= 7


@pytest.mark.parametrize("chip", CHIPS)
def test_every_field_reads_back_alone(chip: str) -> None:
    for name, field in layout_of(chip).fields.items():
        full = (1 << field.size) - 1
        efuses = EfuseBlocks.blank(chip).burnt(name, full)
        assert efuses.get(name) == full
        assert sum(int.from_bytes(block, "little").bit_count() for block in efuses.blocks) == field.size
        others = [other for other in layout_of(chip).fields if other != name and efuses.get(other)]
        assert others == [], f"{name} overlaps {others}"
        with pytest.raises(FormatError):
            efuses.burnt(name, full + 1)


@given(st.sampled_from(CHIPS), st.data())
def test_burning_only_sets_bits(chip: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(layout_of(chip).fields)))
    size = layout_of(chip).field(name).size
    first = data.draw(st.integers(0, (1 << size) - 1))
    second = data.draw(st.integers(0, (1 << size) - 1))
    efuses = EfuseBlocks.blank(chip).burnt(name, first).burnt(name, second)
    assert efuses.get(name) == first | second
    assert EfuseBlocks.parse(chip, efuses.to_bytes()) == efuses


def test_errors() -> None:
    with pytest.raises(FormatError, match="one of esp32, esp32c3, esp32s3"):
        EfuseBlocks.blank("esp8266")
    blank = EfuseBlocks.blank("esp32c3")
    with pytest.raises(FormatError, match="WAFER"):
        blank.get("WAFER_VERSION")
    with pytest.raises(FormatError, match="0 to 10"):
        blank.burnt_bits(11, 1)
    with pytest.raises(FormatError, match="192 bits"):
        blank.burnt_bits(0, 1 << 192)
    with pytest.raises(FormatError, match="6 bytes"):
        blank.with_mac(b"\x01")
    with pytest.raises(FormatError, match="0x160 or more"):
        partition_bytes(blank, 0x100)
    for length in range(0, 352, 13):
        with pytest.raises(FormatError) as caught:
            emulated_efuses("esp32c3", bytes(length))
        assert caught.value.offset == length


def test_a_key_is_burnt_with_its_purpose() -> None:
    blocks = EfuseBlocks.blank("esp32c3").with_key(2, HMAC_UP, bytes(range(32)))
    assert blocks.blocks[BLOCK_KEY0 + 2] == bytes(range(32))
    assert [blocks.get(f"KEY_PURPOSE_{number}") for number in range(6)] == [0, 0, HMAC_UP, 0, 0, 0]
    with pytest.raises(FormatError, match="KEY_PURPOSE_2"):
        EfuseBlocks.blank("esp32").with_key(2, HMAC_UP, bytes(32))
    with pytest.raises(FormatError, match="256 bits"):
        EfuseBlocks.blank("esp32s3").with_key(0, HMAC_UP, b"\xff" * 33)
