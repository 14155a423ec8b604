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
        "never confirms, and loses its power",
        "the application never confirms itself, so that the next power-on takes a good update back",
        "After a power cut the next update succeeds.",
        application(defect=Defect.NEVER_CONFIRMS),
        {"runs after the cut, none of": ("test_power_sweep::test_no_power_cut_in_time_leaves_the_board_dead",)},
    ),
)
