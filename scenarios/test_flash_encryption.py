"""Flash encryption: what is served is plain, what stands in flash is bound to its address, and updates go on.

The board's eFuses hold an XTS-AES-128 key and enable flash encryption (development mode). Virtual boards only.
"""

from __future__ import annotations

import pytest

from bench.flash import OtaImgState
from bench.ota import Draft, Keys, Lost, Ota
from bench.timeline import said

pytestmark = [pytest.mark.needs("power_cut"), pytest.mark.firmware(flash_encryption=True)]

NATIVE = pytest.mark.firmware(app="native_ota", flash_encryption=True)
SIMPLE = pytest.mark.firmware(app="simple_ota", flash_encryption=True)
SERIAL = pytest.mark.firmware(app="serial_ota", flash_encryption=True)


def test_an_update_is_installed_and_stands_encrypted_in_flash(ota: Ota, release: Draft, keys: Keys) -> None:
    """A plain image is served; in the slot stands its ciphertext for just that address, and the board boots it."""
    update = release.version("2")
    ota.update(update, version="2")

    ota.expect_absent(said(level="E"))
    slot = ota.slots[ota.other_slot]
    assert slot.version == "2"
    stored = ota.supply.read_flash(slot.offset, len(update.data))
    assert stored == update.flash_encrypted(keys.flash_key, slot.offset).data[: len(stored)]
    assert update.data[:16] not in stored


def test_three_updates_in_a_row_alternate_the_slots(ota: Ota, release: Draft) -> None:
    """Each boots its own version from the other slot, through encrypted otadata."""
    slots = []
    for version in ("2", "3", "4"):
        ota.update(release.version(version), version=version)
        slots.append(ota.running_slot)
    assert slots == [ota.other_slot, ota.first_slot, ota.other_slot]


@pytest.mark.parametrize("more", [1, 15, 16, 17])
def test_an_image_that_does_not_end_with_a_block_is_installed(ota: Ota, release: Draft, more: int) -> None:
    """Flash is only written in blocks of 16 bytes: the last one is filled up, and nothing of the image is lost."""
    update = release.version("2").with_trailing(more)
    ota.update(update, version="2")

    assert len(update.data) % 16 == more % 16
    ota.expect_written(ota.other_slot, update.data)


@NATIVE
def test_native_ota_updates_an_encrypted_board(ota: Ota, release: Draft) -> None:
    """The example knows nothing of encryption, and its update works."""
    ota.start(release.version("2"))

    ota.expect_updated(version="2")
    ota.expect_absent(said(level="E"))


@SIMPLE
@pytest.mark.covers("simple_ota: with_flash_encryption_wifi")
def test_simple_ota_updates_an_encrypted_board(ota: Ota, release: Draft) -> None:
    """The example has one call do it all, and is as little the wiser."""
    ota.start(release.version("2"))

    ota.expect_updated(version="2")
    ota.expect_absent(said(level="E"))


@SERIAL
def test_a_lost_chunk_is_refused_on_an_encrypted_board(ota: Ota, release: Draft) -> None:
    """An update over a wire that loses a chunk is refused, and the next one, which loses none, is installed."""
    ota.stream(release.version("2"), Lost(20))
    ota.expect_refused("Chunk 21 came, and chunk 20 was expected")
    ota.stream(release.version("3"))
    ota.expect_updated(version="3")


@pytest.mark.parametrize("slot", ["running", "other"])
def test_a_served_ciphertext_is_refused(ota: Ota, release: Draft, keys: Keys, slot: str) -> None:
    """What was encrypted beforehand is no image to the application, be it for the right address or for another."""
    ota.wait_for_prompt()
    labels = list(ota.slots)
    label = ota.running_slot if slot == "running" else next(one for one in labels if one != ota.running_slot)
    ota.start(release.version("2").flash_encrypted(keys.flash_key, ota.slots[label].offset))

    ota.expect_refused("Incorrect app descriptor magic")


def test_ciphertext_of_the_other_slots_address_does_not_boot(ota: Ota, release: Draft) -> None:
    """One slot's bytes copied to the other are an image there no more: the board falls back to where they belong."""
    ota.update(release.version("2"), version="2")
    with ota.unpowered() as programmer:
        own = programmer.read(ota.other_slot)
        programmer.write(ota.other_slot, programmer.read(ota.first_slot))
    ota.expect_boot(slot=ota.first_slot, version="1")
    ota.expect_seen(said(tag="boot", text="OTA app partition slot 1 is not bootable"))
    ota.wait_until_ready()
    assert ota.slots[ota.other_slot].version is None

    with ota.unpowered() as programmer:
        programmer.write(ota.other_slot, own)
    ota.wait_until_ready()
    assert ota.slots[ota.other_slot].version == "2"


@pytest.mark.needs("rollback", "behaviour")
def test_an_image_that_dies_is_rolled_back(ota: Ota, release: Draft) -> None:
    """The bootloader reads and writes encrypted otadata: the new image is given up, and the old one boots."""
    ota.start(release.version("2").aborting_before_confirm())
    ota.expect_boot_after_update(version="2")
    ota.expect_boot(slot=ota.first_slot, version="1")
    ota.wait_until_ready()
    ota.expect_state(ota.other_slot, OtaImgState.ABORTED)


@pytest.mark.parametrize(
    ("purpose", "phase", "nth"),
    [
        pytest.param("ota:write", "middle", 40, id="in_the_download"),
        pytest.param("otadata", "after", 1, id="between_erase_and_write_of_the_switch"),
        pytest.param("otadata", "middle", 2, id="in_the_write_of_the_switch"),
    ],
)
def test_a_power_cut_leaves_the_old_slot(ota: Ota, release: Draft, purpose: str, phase: str, nth: int) -> None:
    """An erased or half written place reads as garbage: the board boots what it ran, and takes an update afterwards."""
    ota.supply.plan_power_cut(purpose, phase=phase, nth=nth)
    ota.start(release.version("2"))
    ota.expect_power_lost()
    ota.power_cycle()
    ota.expect_boot(slot=ota.first_slot, version="1")
    ota.wait_until_ready()
    ota.expect_not_tried(ota.other_slot)
    ota.update(release.version("3"), version="3")
