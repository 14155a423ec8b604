"""Power cuts: whenever the supply fails, something runs that may, and the next update succeeds."""

from __future__ import annotations

from bench.images import Defect
from tests.scenarios.gallery.exhibit import application, mixed

__all__ = ["EXHIBITS"]

_SWEEP = "test_power_sweep::test_no_power_cut_leaves_the_board_dead"

EXHIBITS = (
    mixed(
        "switches before the download, and loses its power",
        "the application switches the boot partition before the image is there, which only a power cut shows",
        "After a power cut the old version runs, or the whole new one.",
        application(defect=Defect.SWITCH_BEFORE_DOWNLOAD),
        {"after the cut version": (f"{_SWEEP}[update]", f"{_SWEEP}[plain]")},
    ),
    mixed(
        "does not erase, and loses its power",
        "the application does not erase before it writes, so that what a download left behind spoils the next",
        "After a power cut the next update succeeds.",
        application(defect=Defect.FORGET_TO_ERASE),
        {
            "UPDATE_BOOT_PARTITION(slot=ota_0)   <- here": (
                "test_power_sweep::test_no_power_cut_in_time_leaves_the_board_dead",
            )
        },
    ),
)
