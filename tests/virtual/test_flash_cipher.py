"""The virtual board's flash behind a cipher: what the processor reads and writes, and what stands there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.errors import FormatError
from bench.flash.efuse_fields import EfuseBlocks
from bench.flash.encryption import decrypt, encrypt, with_flash_key
from bench.virtual.cipher import FlashCipher
from bench.virtual.idf.err import EspErr, EspError
from bench.virtual.idf.ota_ops import OTA_SIZE_UNKNOWN, OTA_WITH_SEQUENTIAL_WRITES, OtaOps
from tests.virtual.lifelike import TWO_OTA, Life, firmware, live

KEY = bytes(range(32))


@contextmanager
def encrypted() -> Iterator[tuple[OtaOps, Life]]:
    with live(csv=TWO_OTA) as life:
        running = life.running(firmware(), "factory")
        cipher = FlashCipher.of(with_flash_key(EfuseBlocks.blank("esp32c3"), KEY))
        assert cipher is not None
        life.machine.flash.cipher = cipher.knowing(running.table)
        yield OtaOps(running), life


def test_reads_and_writes_pass_the_cipher_where_a_partition_is_encrypted() -> None:
    with encrypted() as (_, life):
        flash, app, nvs = life.machine.flash, life.partition("ota_0").offset, life.partition("nvs").offset
        data = bytes(range(64))
        for at in (app, nvs):
            flash.erase(at, 4096, "ota:erase")
            flash.program(at, data, "ota:write")
            assert flash.read(at + 5, 23) == data[5:28]
        assert flash.peek(app, 64) == encrypt(KEY, app, data)
        assert flash.peek(nvs, 64) == data


def test_less_than_a_block_cannot_be_written() -> None:
    with encrypted() as (_, life):
        at = life.partition("ota_0").offset
        for offset, size in ((at + 8, 16), (at, 15)):
            with pytest.raises(FormatError, match="multiples of 16"):
                life.machine.flash.program(offset, bytes(size), "ota:write")


@pytest.mark.parametrize("step", [1, 7, 16, 289, 4096, 5000])
@pytest.mark.parametrize("more", [0, 1, 15])
def test_an_update_in_pieces_of_any_size_arrives_whole(step: int, more: int) -> None:
    with encrypted() as (ops, life):
        slot = life.partition("ota_0")
        image = firmware("2").to_bytes()[: 12288 + more] if step == 1 else firmware("2").to_bytes() + bytes(more)
        handle = ops.begin(slot, OTA_WITH_SEQUENTIAL_WRITES)
        for at in range(0, len(image), step):
            ops.write(handle, image[at : at + step])
        if step > 1:
            ops.end(handle)
        whole = len(image) if step > 1 else len(image) // 16 * 16
        filled = -(-whole // 16) * 16
        stored = decrypt(KEY, slot.offset, life.machine.flash.peek(slot.offset, filled))
        assert stored == image[:whole].ljust(filled, b"\xff")


def test_out_of_order_only_whole_blocks_are_taken() -> None:
    with encrypted() as (ops, life):
        slot = life.partition("ota_0")
        handle = ops.begin(slot, OTA_SIZE_UNKNOWN)
        for size in (1, 15, 17):
            with pytest.raises(EspError) as refused:
                ops.write_with_offset(handle, bytes(size), 4096)
            assert refused.value.code == EspErr.ESP_ERR_INVALID_ARG
        ops.write_with_offset(handle, bytes(32), 4096)
        assert life.machine.flash.read(slot.offset + 4096, 32) == bytes(32)
        with pytest.raises(EspError) as beyond:
            ops.write_with_offset(handle, bytes(32), slot.size - 16)
        assert beyond.value.code == EspErr.ESP_ERR_INVALID_SIZE
