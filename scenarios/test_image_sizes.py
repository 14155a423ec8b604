"""Images of every size that fits: the last byte of the slot, and sizes that are no multiple of anything."""

from __future__ import annotations

import pytest

from bench.ota import Draft, Firmware, Ota
from bench.ota.words import DOWNLOADED
from bench.timeline import ABORT, FINISH, UPDATE_BOOT_PARTITION, forbid, said

SECTOR, BLOCK = 4096, 16


@pytest.mark.firmware(layout="factory_two_ota")
def test_an_image_that_fills_its_slot_to_the_last_byte_is_installed(
    ota: Ota, release: Draft, firmware: Firmware
) -> None:
    """An image exactly as long as the slot is written, verified and booted; its neighbours are not touched."""
    draft = release.version("2").padded_to(firmware.slot_size)
    ota.start(draft)

    ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION(slot="ota_0"), FINISH, forbid(ABORT, said(level="E")))
    ota.expect_updated(version="2")
    assert len(draft.data) == firmware.slot_size
    ota.expect_untouched("ota_1")


@pytest.mark.covers("advanced_https_ota: openssl_aligned_bin")
@pytest.mark.parametrize(
    ("unit", "more"),
    [(289, 0), (BLOCK, -1), (BLOCK, 1), (SECTOR, -1), (SECTOR, 1)],
    ids=["multiple_of_289", "block_less_1", "block_and_1", "sector_less_1", "sector_and_1"],
)
def test_an_image_of_an_odd_size_is_installed(ota: Ota, release: Draft, unit: int, more: int) -> None:
    """No buffer, block or sector has to be full at the end: the last bytes arrive, and the image is valid."""
    size = len(release.data) // unit * unit + 2 * unit + more
    draft = release.version("2").padded_to(size)
    ota.start(draft)

    ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION, FINISH, forbid(ABORT, said(level="E")))
    ota.expect_updated(version="2")
    ota.expect_written(ota.other_slot, draft.data)
