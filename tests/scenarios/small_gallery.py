"""A gallery of four exhibits, of which only the first is what it should be: a pytest plugin for test_gallery.py."""

from __future__ import annotations

import pytest

from bench.images import Defect
from tests.scenarios.gallery.exhibit import application, mixed, shows
from tests.scenarios.gallery.plugin import Show, exhibit

__all__ = ["EXHIBITS", "exhibit"]

_SCENARIO = "test_update::test_the_same_version_is_refused"
_PROMISE = "The version that runs is not installed again."

EXHIBITS = (
    shows(Defect.VERSION_CHECK_LOST, _PROMISE, {"UPDATE_BOOT_PARTITION must not come": (_SCENARIO,)}),
    mixed("sound", "the application is sound", _PROMISE, application(), {"anything": (_SCENARIO,)}),
    shows(Defect.FORGET_ON_FAILURE, _PROMISE, {"UPDATE_BOOT_PARTITION must not come": (_SCENARIO,)}),
    mixed(
        "another application",
        "the application is another one, and the scenario is skipped",
        _PROMISE,
        application(version_check=True),
        {"anything": ("test_signed::test_an_unsigned_update_is_refused[ecdsa_v1]",)},
    ),
)


def pytest_configure(config: pytest.Config) -> None:
    """Open the small gallery."""
    config.pluginmanager.register(Show(EXHIBITS), "gallery-show")
