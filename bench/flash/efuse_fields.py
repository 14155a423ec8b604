"""Which bits of which eFuse block mean what, per chip, and pure reading and burning of them.

Tables: components/efuse/<chip>/esp_efuse_table.csv; block sizes: components/efuse/<chip>/esp_efuse_utility.c
(range_read_addr_blocks). Only the fields that bench and virtual board speak of are listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from bench.errors import FormatError

__all__ = [
    "BLOCK_KEY0",
    "BLOCK_SIZE",
    "HMAC_UP",
    "LAYOUTS",
    "EfuseBlocks",
    "EfuseLayout",
    "Field",
    "Piece",
    "layout_of",
]

BLOCK_SIZE = 32  # bytes kept for every block, however many of them the chip has (COUNT_EFUSE_REG_PER_BLOCK)
BLOCK_KEY0 = 4  # EFUSE_BLK_KEY0; the other five follow
HMAC_UP = 8  # ESP_EFUSE_KEY_PURPOSE_HMAC_UP
_SUBJECT = "eFuse blocks"


@dataclass(frozen=True)
class Piece:
    """A run of bits within one block."""

    block: int
    bit: int
    count: int


@dataclass(frozen=True)
class Field:
    """A field of one or more pieces; the first piece holds the lowest bits, as esp_efuse_read_field_blob."""

    name: str
    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        """Bits."""
        return sum(piece.count for piece in self.pieces)


@dataclass(frozen=True)
class EfuseLayout:
    """The eFuses of one chip.

    Args:
        chip: ESP-IDF's target name
        block_words: how many 32-bit registers each block has
        fields: by ESP-IDF's name
    """

    chip: str
    block_words: tuple[int, ...]
    fields: Mapping[str, Field]

    def field(self, name: str) -> Field:
        """The field of that name.

        Raises:
            FormatError: this chip has none
        """
        try:
            return self.fields[name]
        except KeyError:
            expected = f"one of {', '.join(sorted(self.fields))}"
            raise FormatError(f"eFuse table of {self.chip}", 0, f"field {name!r}", expected) from None


def _fields(**pieces: tuple[tuple[int, int, int], ...]) -> Mapping[str, Field]:
    fields = {name: Field(name, tuple(Piece(*run) for run in runs)) for name, runs in pieces.items()}
    return MappingProxyType(fields)


def _mac(block: int, first_bit: int) -> tuple[tuple[int, int, int], ...]:
    """The six bytes of a factory MAC: the first is in the highest bits."""
    return tuple((block, first_bit + 8 * byte, 8) for byte in range(5, -1, -1))


_ESP32 = EfuseLayout(
    "esp32",
    (7, 8, 8, 8),
    _fields(
        WR_DIS=((0, 0, 16),),
        RD_DIS=((0, 16, 4),),
        FLASH_CRYPT_CNT=((0, 20, 7),),
        UART_DOWNLOAD_DIS=((0, 27, 1),),
        MAC=_mac(0, 32),
        MAC_CRC=((0, 80, 8),),
        DISABLE_APP_CPU=((0, 96, 1),),
        DISABLE_BT=((0, 97, 1),),
        CHIP_PACKAGE=((0, 105, 3),),
        CHIP_VER_REV1=((0, 111, 1),),
        CHIP_VER_REV2=((0, 180, 1),),
        WAFER_VERSION_MINOR=((0, 184, 2),),
        CODING_SCHEME=((0, 192, 2),),
        ABS_DONE_0=((0, 196, 1),),
        ABS_DONE_1=((0, 197, 1),),
        SECURE_VERSION=((3, 128, 32),),
        MAC_VERSION=((3, 184, 8),),
    ),
)

# The ESP32-C3 and the ESP32-S3 share the places of these.
_C3_AND_S3 = dict(
    WR_DIS=((0, 0, 32),),
    RD_DIS=((0, 32, 7),),
    DIS_FORCE_DOWNLOAD=((0, 44, 1),),
    SPI_BOOT_CRYPT_CNT=((0, 82, 3),),
    SECURE_BOOT_EN=((0, 116, 1),),
    KEY_PURPOSE_0=((0, 88, 4),),
    KEY_PURPOSE_1=((0, 92, 4),),
    KEY_PURPOSE_2=((0, 96, 4),),
    KEY_PURPOSE_3=((0, 100, 4),),
    KEY_PURPOSE_4=((0, 104, 4),),
    KEY_PURPOSE_5=((0, 108, 4),),
    DIS_DOWNLOAD_MODE=((0, 128, 1),),
    ENABLE_SECURITY_DOWNLOAD=((0, 133, 1),),
    SECURE_VERSION=((0, 142, 16),),
    DISABLE_WAFER_VERSION_MAJOR=((0, 160, 1),),
    DISABLE_BLK_VERSION_MAJOR=((0, 161, 1),),
    MAC=_mac(1, 0),
    WAFER_VERSION_MINOR=((1, 114, 3), (1, 183, 1)),
    PKG_VERSION=((1, 117, 3),),
    BLK_VERSION_MINOR=((1, 120, 3),),
    WAFER_VERSION_MAJOR=((1, 184, 2),),
    OPTIONAL_UNIQUE_ID=((2, 0, 128),),
    BLK_VERSION_MAJOR=((2, 128, 2),),
)
_C3_AND_S3_WORDS = (6, 6, 8, 8, 8, 8, 8, 8, 8, 8, 8)

_ESP32C3 = EfuseLayout("esp32c3", _C3_AND_S3_WORDS, _fields(**_C3_AND_S3))
_ESP32S3 = EfuseLayout("esp32s3", _C3_AND_S3_WORDS, _fields(**_C3_AND_S3))

LAYOUTS: Mapping[str, EfuseLayout] = MappingProxyType({layout.chip: layout for layout in (_ESP32, _ESP32C3, _ESP32S3)})


def layout_of(chip: str) -> EfuseLayout:
    """The eFuse table of a chip.

    Raises:
        FormatError: the bench has no table for this chip
    """
    try:
        return LAYOUTS[chip]
    except KeyError:
        raise FormatError("eFuse table", 0, f"chip {chip!r}", f"one of {', '.join(LAYOUTS)}") from None


@dataclass(frozen=True)
class EfuseBlocks:
    """The contents of all eFuse blocks of one chip, as a value; bits only ever go from 0 to 1.

    Args:
        layout: the chip's table
        blocks: 32 bytes for each block; registers that the chip does not have stay 0
    """

    layout: EfuseLayout
    blocks: tuple[bytes, ...]

    @classmethod
    def blank(cls, chip: str) -> EfuseBlocks:
        """All bits 0."""
        layout = layout_of(chip)
        return cls(layout, (bytes(BLOCK_SIZE),) * len(layout.block_words))

    @classmethod
    def parse(cls, chip: str, data: bytes) -> EfuseBlocks:
        """Read the blocks one after the other, 32 bytes each (the array `virt_blocks` of ESP-IDF).

        Raises:
            FormatError: too short for the chip's blocks; what follows them is ignored
        """
        layout = layout_of(chip)
        size = BLOCK_SIZE * len(layout.block_words)
        if len(data) < size:
            raise FormatError(_SUBJECT, len(data), f"the end of the data ({len(data)} bytes)", f"{size} bytes")
        return cls(layout, tuple(data[at : at + BLOCK_SIZE] for at in range(0, size, BLOCK_SIZE)))

    def to_bytes(self) -> bytes:
        """All blocks, 32 bytes each."""
        return b"".join(self.blocks)

    def get(self, name: str) -> int:
        """The value of a field, by ESP-IDF's name.

        Raises:
            FormatError: the chip has no such field
        """
        value, shift = 0, 0
        for piece in self.layout.field(name).pieces:
            bits = int.from_bytes(self.blocks[piece.block], "little") >> piece.bit
            value |= (bits & ((1 << piece.count) - 1)) << shift
            shift += piece.count
        return value

    def burnt(self, name: str, value: int) -> EfuseBlocks:
        """The blocks after burning the 1 bits of `value` into a field; bits that are 1 already stay 1.

        Raises:
            FormatError: no such field, or the value does not fit it
        """
        field = self.layout.field(name)
        if not 0 <= value < 1 << field.size:
            raise FormatError(_SUBJECT, 0, f"{name} = {value}", f"a value of {field.size} bits")
        result = self
        for piece in field.pieces:
            result = result.burnt_bits(piece.block, (value & ((1 << piece.count) - 1)) << piece.bit)
            value >>= piece.count
        return result

    def burnt_bits(self, block: int, bits: int) -> EfuseBlocks:
        """The blocks after burning the 1 bits of the number `bits` (bit 0 first) into one block.

        Raises:
            FormatError: no such block, or bits beyond its registers
        """
        if not 0 <= block < len(self.blocks):
            raise FormatError(_SUBJECT, 0, f"block {block}", f"a block from 0 to {len(self.blocks) - 1}")
        size = 32 * self.layout.block_words[block]
        if not 0 <= bits < 1 << size:
            raise FormatError(_SUBJECT, BLOCK_SIZE * block, f"bits 0x{bits:x}", f"{size} bits of block {block}")
        merged = int.from_bytes(self.blocks[block], "little") | bits
        blocks = list(self.blocks)
        blocks[block] = merged.to_bytes(BLOCK_SIZE, "little")
        return replace(self, blocks=tuple(blocks))

    def with_key(self, number: int, purpose: int, key: bytes) -> EfuseBlocks:
        """With a key burnt into BLOCK_KEY0 + `number`, and its purpose (esp_efuse_write_key, without protection).

        Raises:
            FormatError: the chip has no such key block, or the key is longer than one
        """
        burnt = self.burnt(f"KEY_PURPOSE_{number}", purpose)
        return burnt.burnt_bits(BLOCK_KEY0 + number, int.from_bytes(key, "little"))

    @property
    def secure_version(self) -> int:
        """esp_efuse_read_secure_version: how many bits of the field are 1."""
        return self.get("SECURE_VERSION").bit_count()

    @property
    def max_secure_version(self) -> int:
        """How many bits the field has: 32 on the ESP32, 16 on the others."""
        return self.layout.field("SECURE_VERSION").size

    def with_secure_version(self, version: int) -> EfuseBlocks:
        """After esp_efuse_update_secure_version: bits from the lowest up, one for each version.

        Raises:
            FormatError: more than the field holds, or less than what is burnt (bits never go back)
        """
        if version > self.max_secure_version:
            raise FormatError(
                _SUBJECT, 0, f"secure version {version}", f"at most {self.max_secure_version} on {self.layout.chip}"
            )
        if version < self.secure_version:
            raise FormatError(_SUBJECT, 0, f"secure version {version}", f"{self.secure_version} or more, as burnt")
        added = (1 << version) - (1 << self.secure_version)
        return self.burnt("SECURE_VERSION", added)

    @property
    def mac(self) -> bytes:
        """The factory MAC address, 6 bytes in the order they are written."""
        return self.get("MAC").to_bytes(6, "little")

    def with_mac(self, mac: bytes) -> EfuseBlocks:
        """With a factory MAC burnt; on a blank chip only, since bits never go back.

        Raises:
            FormatError: not 6 bytes
        """
        if len(mac) != 6:
            raise FormatError(_SUBJECT, 0, f"a MAC of {len(mac)} bytes", "6 bytes")
        return self.burnt("MAC", int.from_bytes(mac, "little"))

    @property
    def chip_revision(self) -> int:
        """efuse_hal_chip_revision: 100 * major + minor (ESP32: as if its APB date bit were set from v3.0 on)."""
        if self.layout.chip == "esp32":
            # components/hal/esp32/efuse_hal.c: the third bit is no eFuse; all chips sold with both bits have it.
            major = {0b00: 0, 0b01: 1, 0b10: 0, 0b11: 3}[self.get("CHIP_VER_REV1") | self.get("CHIP_VER_REV2") << 1]
            return 100 * major + self.get("WAFER_VERSION_MINOR")
        minor = self.get("WAFER_VERSION_MINOR")
        if self.layout.chip == "esp32s3" and minor & 0b111 == 0 and self.block_version == 101:
            return 0  # components/hal/esp32s3/efuse_hal.c (is_eco0): these bits had another use on v0.0
        return 100 * self.get("WAFER_VERSION_MAJOR") + minor

    @property
    def block_version(self) -> int:
        """efuse_hal_blk_version: 100 * major + minor; 0 on the ESP32, which has none."""
        if self.layout.chip == "esp32":
            return 0
        return 100 * self.get("BLK_VERSION_MAJOR") + self.get("BLK_VERSION_MINOR")
