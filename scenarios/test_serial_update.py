"""Update over a wire: a neighbour of the board streams the image to it in chunks over UART, and not every chunk comes.

The protocol is that of docs/serial-update.md: it finds every mishap, and asks for nothing a second time.
"""

from __future__ import annotations

import pytest

from bench.flash import OtaImgState
from bench.ota import Altered, Corrupted, Draft, Lost, Mishap, Ota, Repeated
from bench.timeline import booted, expect_absent, happened, panicked, said

pytestmark = pytest.mark.firmware(app="serial_ota")

MIDDLE = 20
LAST = 58
"""The last chunk of an image of `SIZE` bytes."""
SIZE = 240_000

TAKEN_ALL = said(tag="serial_ota", text=f"Chunk {LAST} taken")
COMPLETE = said(tag="serial_ota", text="Update complete, restarting")


def test_an_image_that_arrives_whole_is_booted(ota: Ota, release: Draft) -> None:
    """Every chunk is acknowledged, the new version boots from the other slot, and no server was ever asked."""
    ota.stream(release.version("2").padded_to(SIZE))

    ota.expect_updated(version="2")
    ota.expect_seen(TAKEN_ALL)
    ota.expect_absent(said(level="E"), panicked(), happened("server", "request"))
    assert ota.slots[ota.other_slot].version == "2"
    assert ota.slots[ota.first_slot].version == "1"
    ota.expect_untouched(ota.first_slot)


def test_three_images_in_a_row_alternate_the_slots(ota: Ota, release: Draft) -> None:
    """Each image goes to the slot that does not run, whatever its last chunk's size."""
    slots = []
    for version, size in (("2", 241_648), ("3", 241_664), ("4", 241_680)):
        ota.stream(release.version(version).padded_to(size))
        ota.expect_updated(version=version)
        slots.append(ota.running_slot)
    assert slots == [ota.other_slot, ota.first_slot, ota.other_slot]


@pytest.mark.needs("rollback")
def test_the_new_image_confirms_itself(ota: Ota, release: Draft) -> None:
    """An image that came over the wire is on trial as any other, and stays once it has confirmed itself."""
    ota.stream(release.version("2"))

    ota.expect_happened(COMPLETE)
    ota.expect_boot(slot=ota.other_slot, version="2")
    ota.expect_confirmed()
    ota.wait_until_ready()
    ota.expect_state(ota.other_slot, OtaImgState.VALID)
    ota.reset()
    ota.expect_boot(slot=ota.other_slot, version="2")


@pytest.mark.needs("rollback", "behaviour")
def test_an_image_that_dies_before_it_confirms_itself_is_rolled_back(ota: Ota, release: Draft) -> None:
    """It came whole and it is valid, but it does not work: the board goes back to the old one, which takes a better."""
    ota.stream(release.version("2").aborting_before_confirm())

    ota.expect_happened(COMPLETE)
    ota.expect_boot(slot=ota.other_slot, version="2")
    ota.expect_boot(slot=ota.first_slot, version="1")
    ota.wait_until_ready()
    ota.expect_state(ota.other_slot, OtaImgState.ABORTED)
    ota.expect_verdict("rolled_back")


@pytest.mark.parametrize(
    ("mishap", "because"),
    [
        pytest.param(Lost(0), "Chunk 1 came, and chunk 0 was expected", id="first_lost"),
        pytest.param(Lost(MIDDLE), "Chunk 21 came, and chunk 20 was expected", id="one_lost"),
        pytest.param(Lost(LAST), "Chunk 59 came, and chunk 58 was expected", id="last_lost"),
        pytest.param(Repeated(MIDDLE), "Chunk 20 came, and chunk 21 was expected", id="one_repeated"),
        pytest.param(Corrupted(MIDDLE), "Chunk 20 is damaged: its CRC is 0x", id="one_corrupted"),
        pytest.param(Altered(MIDDLE), "SHA-256 of the image is not the announced one", id="one_altered"),
    ],
)
def test_a_mishap_on_the_way_is_refused(ota: Ota, release: Draft, mishap: Mishap, because: str) -> None:
    """One chunk is lost, repeated or damaged: the update is refused, the old slot boots, and a good update follows."""
    ota.stream(release.version("2").padded_to(SIZE), mishap)

    ota.expect_refused(because)
    ota.expect_absent(COMPLETE)
    ota.stream(release.version("3").padded_to(SIZE))
    ota.expect_updated(version="3")


@pytest.mark.needs("flash_snapshot")  # else the bench restarts the board to look into its flash
def test_a_lost_chunk_is_made_good_on_the_same_boot(ota: Ota, release: Draft) -> None:
    """After a refusal the application takes another update at once, and nothing of the first one is left in it."""
    ota.wait_for_prompt()
    began = ota.timeline.last_index
    ota.stream(release.version("2").padded_to(SIZE), Lost(MIDDLE))
    ota.expect_gives_up("Chunk 21 came, and chunk 20 was expected")
    ota.expect_untouched(ota.first_slot)

    ota.stream(release.version("3").padded_to(SIZE))
    ota.expect_seen(COMPLETE)
    (complete,) = (entry for entry in ota.timeline.since(began) if COMPLETE.matches(entry))
    expect_absent(ota.timeline, panicked(), booted(), after=began, until=complete.index)
    ota.expect_updated(version="3")
    ota.expect_absent(said(level="E"))


def test_a_reset_in_mid_stream_leaves_the_old_slot(ota: Ota, release: Draft) -> None:
    """The board is reset with 20 chunks written and more to come: it boots what it ran, and takes the whole anew."""
    ota.stream(release.version("2").padded_to(SIZE), chunks=MIDDLE)
    ota.expect_seen(said(tag="serial_ota", text=f"Chunk {MIDDLE - 1} taken"))

    ota.expect_unharmed()
    ota.expect_absent(COMPLETE)
    ota.stream(release.version("2").padded_to(SIZE))
    ota.expect_updated(version="2")


def test_a_neighbour_that_begins_again_in_mid_stream_is_followed(ota: Ota, release: Draft) -> None:
    """The neighbour restarts and begins anew with another image: what came of the first is given up, and not mixed."""
    ota.stream(release.version("2").padded_to(SIZE), chunks=MIDDLE)
    ota.stream(release.version("3").padded_to(SIZE))

    ota.expect_updated(version="3")
    ota.expect_absent(said(level="E"))


@pytest.mark.needs("power_cut")
def test_a_power_cut_in_mid_stream_leaves_the_old_slot(ota: Ota, release: Draft) -> None:
    """The power goes while the stream is under way: with it back, the board boots what it ran."""
    ota.stream(release.version("2").padded_to(SIZE), chunks=MIDDLE)
    ota.power_cycle()

    ota.expect_boot(slot=ota.first_slot, version="1")
    ota.wait_until_ready()
    ota.expect_untouched(ota.first_slot)
    ota.expect_not_tried(ota.other_slot)


def test_an_image_that_does_not_fit_is_refused_before_anything_is_written(ota: Ota, release: Draft) -> None:
    """The announced size is that of the slot and 16 bytes more: neither slot is touched."""
    size = ota.firmware.slot_size
    ota.stream(release.version("2").padded_to(size + 16), chunks=1)

    ota.expect_refused(f"Image of {size + 16} bytes does not fit a partition of {size}")
    ota.expect_untouched(ota.first_slot, ota.other_slot)


@pytest.mark.parametrize(
    ("place", "because"),
    [
        ("segment", "Image validation failed, image is corrupted"),
        ("hash", "Image validation failed, image is corrupted"),
    ],
)
def test_an_image_that_was_damaged_before_it_was_sent_is_refused(
    ota: Ota, release: Draft, place: str, because: str
) -> None:
    """The wire was lossless and every sum of the protocol is right: ESP-IDF's own verification finds it."""
    ota.stream(release.version("2").with_flipped_bit(place))

    ota.expect_refused(because)


def test_something_that_is_no_image_is_refused(ota: Ota, release: Draft) -> None:
    """Its first byte is not that of an image: it is refused with the first chunk."""
    ota.stream(release.random(32_000))

    ota.expect_refused("OTA image has invalid magic byte (expected 0xE9, saw 0x00)")
    ota.expect_absent(said(tag="serial_ota", text="Chunk 0 taken"))
