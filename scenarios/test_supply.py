"""Supply: power cut or reset at any named point of an update, and the board runs something it was allowed to run."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bench.flash import OtaImgState
from bench.images import Behaviour
from bench.ota import Draft, Ota
from bench.timeline import panicked, said

pytestmark = [pytest.mark.needs("power_cut"), pytest.mark.firmware(layout="two_ota")]

OLD, NEW = ("ota_0", "1"), ("ota_1", "2")


@dataclass(frozen=True)
class Point:
    """A point of an update, as the nth flash operation of a purpose, and what runs after a cut there."""

    purpose: str
    phase: str
    nth: int
    runs: tuple[str, str]
    state: int | None = None
    """Of ota_1 in otadata, once the board has booted again; None where no entry speaks of it."""


POINTS = {
    "first_erase": Point("ota:erase", "middle", 1, OLD),
    "later_erase": Point("ota:erase", "middle", 30, OLD),
    "first_write": Point("ota:write", "middle", 1, OLD),
    "last_erase": Point("ota:erase", "after", 50, OLD),
    "before_the_switch": Point("otadata", "before", 1, OLD),
    "in_the_erase_of_the_switch": Point("otadata", "middle", 1, OLD),
    "between_erase_and_write_of_the_switch": Point("otadata", "after", 1, OLD),
    "in_the_write_of_the_switch": Point("otadata", "middle", 2, OLD),
    "after_the_switch": Point("otadata", "after", 2, NEW, OtaImgState.VALID),
    "before_pending": Point("otadata:bootloader", "before", 1, NEW, OtaImgState.VALID),
    "between_erase_and_write_of_pending": Point("otadata:bootloader", "after", 1, OLD),
    "after_pending": Point("otadata:bootloader", "after", 2, OLD, OtaImgState.ABORTED),
    "before_the_confirmation": Point("otadata:confirm", "before", 1, OLD, OtaImgState.ABORTED),
    "between_erase_and_write_of_the_confirmation": Point("otadata:confirm", "after", 1, OLD),
    "in_the_write_of_the_confirmation": Point("otadata:confirm", "middle", 2, OLD),
    "after_the_confirmation": Point("otadata:confirm", "after", 2, NEW, OtaImgState.VALID),
}
"""An entry half written has a wrong CRC or none; then the other entry decides, and it names the old slot."""


@pytest.mark.needs("rollback")
@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
def test_a_power_cut_leaves_something_that_runs(ota: Ota, release: Draft, point: Point) -> None:
    """The board boots the old image or the whole new one, and takes the next update."""
    ota.wait_for_prompt()
    ota.supply.plan_power_cut(point.purpose, phase=point.phase, nth=point.nth)
    ota.start(release.version("2"))
    ota.expect_power_lost()
    ota.power_cycle()

    _expect_running(ota, point)
    ota.update(release.version("3"), version="3")


@pytest.mark.needs("rollback")
@pytest.mark.parametrize(("phase", "nth"), [("middle", 1), ("after", 1), ("middle", 2)])
def test_a_power_cut_in_the_second_switch_leaves_the_running_slot(
    ota: Ota, release: Draft, phase: str, nth: int
) -> None:
    """Back to ota_0, which is what runs where otadata says nothing: only an entry that stayed whole keeps ota_1."""
    ota.update(release.version("2"), version="2")
    ota.supply.plan_power_cut("otadata", phase=phase, nth=nth)
    ota.start(release.version("3"))
    ota.expect_power_lost()
    ota.power_cycle()

    ota.expect_running(slot="ota_1", version="2")
    ota.expect_untouched("ota_1")
    ota.update(release.version("4"), version="4")


@pytest.mark.parametrize("quarter", [1, 2, 3, 4])
def test_a_power_cut_in_the_download_leaves_the_old_image(ota: Ota, release: Draft, quarter: int) -> None:
    """At each quarter of the download: nothing half is booted."""
    writes = len(release.data) // 1024
    ota.wait_for_prompt()
    ota.supply.plan_power_cut("ota:write", phase="middle", nth=max(1, writes * quarter // 4 - 1))
    ota.start(release.version("2"))
    ota.expect_power_lost()
    ota.power_cycle()

    ota.expect_running(slot="ota_0", version="1")
    ota.expect_untouched("ota_0")
    ota.expect_absent(said(text="upgrade successful"), panicked())
    ota.expect_not_tried("ota_1")
    ota.expect_verdict("interrupted")
    ota.update(release.version("3"), version="3")


@pytest.mark.needs("rollback")
@pytest.mark.parametrize(
    "name",
    ["later_erase", "between_erase_and_write_of_the_switch", "after_the_switch", "before_the_confirmation"],
)
def test_a_reset_leaves_something_that_runs(ota: Ota, release: Draft, name: str) -> None:
    """The same with a short pulse on EN, from which the board comes back by itself."""
    point = POINTS[name]
    ota.wait_for_prompt()
    ota.supply.plan_power_cut(point.purpose, phase=point.phase, nth=point.nth, back=True)
    ota.start(release.version("2"))

    _expect_running(ota, point)
    assert ota.supply.cuts_fired() == 1
    ota.update(release.version("3"), version="3")


@pytest.mark.needs("rollback")
@pytest.mark.parametrize(("phase", "nth"), [("before", 3), ("middle", 3), ("after", 3), ("middle", 4), ("after", 4)])
def test_a_power_cut_in_the_rollback_still_ends_in_the_old_image(
    ota: Ota, release: Draft, phase: str, nth: int
) -> None:
    """The bootloader marks a dying image as pending (two operations), then as aborted (two more): cut in the latter."""
    ota.wait_for_prompt()
    ota.supply.plan_power_cut("otadata:bootloader", phase=phase, nth=nth)
    ota.start(release.version("2").crashing_at_boot())
    ota.expect_power_lost()
    ota.power_cycle()

    ota.expect_running(slot="ota_0", version="1")
    assert ota.slots["ota_1"].state in (OtaImgState.ABORTED, None)
    ota.expect_untouched("ota_0")
    ota.update(release.version("3"), version="3")


@pytest.mark.needs("rollback", "behaviour")
@pytest.mark.parametrize(("phase", "nth"), [("before", 3), ("middle", 3), ("middle", 4), ("after", 4)])
def test_a_power_cut_while_an_image_gives_itself_up(ota: Ota, release: Draft, phase: str, nth: int) -> None:
    """esp_ota_mark_app_invalid_rollback_and_reboot() broken off anywhere: the bootloader finishes what it began."""
    ota.wait_for_prompt()
    ota.supply.plan_power_cut("otadata", phase=phase, nth=nth)
    ota.start(release.version("2").behaving(Behaviour.DIAGNOSTICS_FAIL))
    ota.expect_boot_after_update(version="2")
    ota.expect_power_lost()
    ota.power_cycle()

    ota.expect_running(slot="ota_0", version="1")
    assert ota.slots["ota_1"].state in (OtaImgState.ABORTED, OtaImgState.INVALID, None)
    ota.expect_untouched("ota_0")
    ota.expect_verdict("rolled_back")
    ota.update(release.version("3"), version="3")


def _expect_running(ota: Ota, point: Point) -> None:
    """The point's slot and version run, in the state that otadata should have, and ota_0 is what it was."""
    slot, version = point.runs
    ota.expect_running(slot=slot, version=version)
    found = ota.slots["ota_1"].state
    assert found == point.state, f"ota_1 is {found!r} in otadata, and not {point.state!r}"
    ota.expect_untouched("ota_0")
    ota.expect_absent(panicked())
