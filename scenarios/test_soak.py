"""Soak: updates back to back, with a fault before each; `--cycles N` says how many, `--seed N` which."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.ota import Draft, Ota, Soak
from bench.server import Cut, NotFound, WrongCertificate

HEADERS = 1024
"""Damage beyond the first kilobyte is found by the image's own hash, and not by its fields."""

FaultOf = Callable[[Ota, Draft, Soak], None]


def nothing(ota: Ota, draft: Draft, soak: Soak) -> None:
    """No fault at all."""


def connection_cut(ota: Ota, draft: Draft, soak: Soak) -> None:
    """The connection ends somewhere in the download."""
    ota.start(draft.served(Cut(after=soak.number(2 * HEADERS, len(draft.data) - HEADERS))))
    ota.expect_refused("Complete data was not received.")


def missing_file(ota: Ota, draft: Draft, _: Soak) -> None:
    """There is no such release."""
    ota.start(draft.served(NotFound()))
    ota.expect_refused("File not found(404)")


def wrong_certificate(ota: Ota, draft: Draft, _: Soak) -> None:
    """The server is somebody else's."""
    ota.start(draft.served(WrongCertificate()))
    ota.expect_refused("ESP HTTPS OTA Begin failed")


def truncated_image(ota: Ota, draft: Draft, soak: Soak) -> None:
    """The release is only a part of an image."""
    ota.start(draft.truncated(soak.number(2 * HEADERS, len(draft.data) - HEADERS)))
    ota.expect_refused("Image validation failed, image is corrupted")


def flipped_byte(ota: Ota, draft: Draft, soak: Soak) -> None:
    """One byte of the release is wrong."""
    ota.start(draft.with_flipped_byte(soak.number(HEADERS, len(draft.data) - HEADERS)))
    ota.expect_refused("Image validation failed, image is corrupted")


def power_cut(ota: Ota, draft: Draft, soak: Soak) -> None:
    """The power fails somewhere in the download."""
    _interrupted(ota, draft, soak, back=False)


def reset(ota: Ota, draft: Draft, soak: Soak) -> None:
    """The board is reset somewhere in the download."""
    _interrupted(ota, draft, soak, back=True)


def dying_image(ota: Ota, draft: Draft, _: Soak) -> None:
    """The new image dies at its first instruction."""
    slot, version = ota.running_slot, ota.running_version
    ota.start(draft.crashing_at_boot())
    ota.expect_running(slot=slot, version=version)
    ota.expect_verdict("rolled_back")
    ota.expect_untouched(slot)


def _interrupted(ota: Ota, draft: Draft, soak: Soak, *, back: bool) -> None:
    slot, version = ota.running_slot, ota.running_version
    phase = soak.choose(("before", "middle", "after"))
    fired = ota.supply.cuts_fired()
    ota.supply.plan_power_cut("ota:write", phase=phase, nth=soak.number(1, len(draft.data) // 1024 - 8), back=back)
    ota.start(draft)
    if not back:
        ota.expect_power_lost()
        ota.power_cycle()
    ota.expect_running(slot=slot, version=version)
    assert ota.supply.cuts_fired() == fired + 1
    ota.expect_untouched(slot)


FAULTS: tuple[FaultOf, ...] = (
    *(nothing, connection_cut, missing_file, wrong_certificate, truncated_image),
    *(flipped_byte, power_cut, reset, dying_image),
)


@pytest.mark.needs("rollback", "power_cut")
def test_updates_back_to_back(ota: Ota, release: Draft, soak: Soak) -> None:
    """However often, and whatever failed before: a good update succeeds, and the slots alternate."""
    ota.wait_for_prompt()
    for cycle in range(soak.cycles):
        fault = soak.choose(FAULTS)
        fault(ota, release.version(f"bad-{cycle}"), soak)
        soak.survived(fault.__name__.replace("_", " "))
        slot = ota.running_slot
        with soak.timed():
            ota.update(release.version(f"good-{cycle}"), version=f"good-{cycle}")
        assert ota.running_slot != slot
        assert ota.slots[slot].version != f"good-{cycle}"
