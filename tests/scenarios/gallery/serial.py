"""Updates over a wire: every mishap is found."""

from __future__ import annotations

from bench.images import Defect
from tests.scenarios.gallery.exhibit import shows

__all__ = ["EXHIBITS"]

EXHIBITS = (
    shows(
        Defect.ANY_ORDER,
        "A chunk that is lost or repeated ends the update.",
        {
            "expected said(tag='serial_ota', text='Chunk 21 taken')": (
                "test_serial_update::test_a_mishap_on_the_way_is_refused[one_lost]",
                "test_serial_update::test_a_lost_chunk_is_made_good_on_the_same_boot",
                "test_flash_encryption::test_a_lost_chunk_is_refused_on_an_encrypted_board",
            ),
            "expected said(tag='serial_ota', text='Chunk 20 taken')": (
                "test_serial_update::test_a_mishap_on_the_way_is_refused[one_repeated]",
            ),
        },
    ),
    shows(
        Defect.ANY_CHUNK,
        "A damaged chunk ends the update.",
        {
            "expected said(text='Chunk 20 is damaged: its CRC is 0x')": (
                "test_serial_update::test_a_mishap_on_the_way_is_refused[one_corrupted]",
            ),
        },
    ),
    shows(
        Defect.ANY_SUM,
        "The image that came is the one that was announced.",
        {
            "expected said(text='SHA-256 of the image is not the announced one')": (
                "test_serial_update::test_a_mishap_on_the_way_is_refused[one_altered]",
            ),
        },
    ),
    shows(
        Defect.ANY_SIZE,
        "An image that does not fit is refused before anything is written.",
        {
            "expected said(text='Image of 2031632 bytes does not fit a partition of 2031616')": (
                "test_serial_update::test_an_image_that_does_not_fit_is_refused_before_anything_is_written",
            ),
        },
    ),
    shows(
        Defect.STUCK,
        "After a refusal the next update is taken at once.",
        {
            "expected said(tag='serial_ota', text='Writing to partition')": (
                "test_serial_update::test_a_lost_chunk_is_made_good_on_the_same_boot",
            ),
        },
    ),
    shows(
        Defect.MIXED,
        "An update that begins anew has nothing of the last one in it.",
        {
            "expected said(tag='serial_ota', text='Writing to partition')": (
                "test_serial_update::test_a_neighbour_that_begins_again_in_mid_stream_is_followed",
            ),
        },
    ),
    shows(
        Defect.SWITCH_BEFORE_DOWNLOAD,
        "What is under way does not boot.",
        {
            "said(tag='boot', text='OTA app partition slot 1 is not bootable') must not come": (
                "test_serial_update::test_a_reset_in_mid_stream_leaves_the_old_slot",
                "test_serial_update::test_a_power_cut_in_mid_stream_leaves_the_old_slot",
                "test_supply::test_a_power_cut_in_the_download_leaves_the_old_image",
                "test_flash_encryption::test_a_power_cut_leaves_the_old_slot",
            ),
        },
    ),
)
