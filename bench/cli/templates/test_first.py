"""A first scenario: the update works, and one that is cut off does no harm."""

import pytest

from bench.ota import Draft, Ota
from bench.server import Cut


@pytest.mark.needs("rollback")
def test_an_update_is_installed_and_confirmed(ota: Ota, release: Draft) -> None:
    """A newer version is downloaded, booted and confirmed."""
    ota.update(release.version("2"), version="2")


def test_a_cut_download_leaves_the_old_version(ota: Ota, release: Draft) -> None:
    """A connection that breaks in the middle of the download changes nothing."""
    ota.start(release.version("2").served(Cut(after=20_000)))
    ota.expect_fault_soon("cut")
    ota.expect_unharmed()
