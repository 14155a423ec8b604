"""The gallery: for each promise a defective firmware that breaks it. A pytest plugin, for runs of its own.

With ``-p tests.scenarios.gallery`` every scenario is run on the exhibits made for it instead of on sound firmware, and
scenarios without one are left out. Most exhibits are mixed from virtual builds (the sdkconfig of one, the application
or bootloader of another), the others are told to misbehave (`bench.images.Behaviour`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench.builds import VirtualBuild
from bench.images import Behaviour

__all__ = ["EXHIBITS", "Exhibit"]

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Exhibit:
    """One defective firmware.

    Args:
        name: what is wrong with it
        scenario: the scenario whose promise it breaks, ``module::function``
        says: what the failure must name
        files: the files of the defective build, from the sound build's spec
    """

    name: str
    scenario: str
    says: str
    files: Callable[[VirtualBuild], Files]


BOOTLOADER = "bootloader/bootloader.bin"


def _bootloader(**other: object) -> Callable[[VirtualBuild], Files]:
    """The bootloader of another build under everything else of this one."""
    return lambda sound: {**sound.files(), BOOTLOADER: _other(sound, other)[BOOTLOADER]}


def _application(**other: object) -> Callable[[VirtualBuild], Files]:
    """The application of another build beside everything else of this one."""
    return lambda sound: {**sound.files(), f"{sound.app}.bin": _other(sound, other)[f"{sound.app}.bin"]}


def _both(**other: object) -> Callable[[VirtualBuild], Files]:
    """Application and bootloader of another build, beside this one's sdkconfig."""
    return lambda sound: {**_bootloader(**other)(sound), f"{sound.app}.bin": _other(sound, other)[f"{sound.app}.bin"]}


def _other(sound: VirtualBuild, other: Mapping[str, object]) -> Files:
    return replace(sound, **other).files()  # type: ignore[arg-type]  # the fields of a spec by name


EXHIBITS = (
    Exhibit(
        "the bootloader was built without rollback",
        "test_rollback::test_an_image_that_dies_at_boot_is_rolled_back",
        "booted(slot='ota_0', app_version='1')",
        _bootloader(rollback=False),
    ),
    Exhibit(
        "the application was built without rollback, and never confirms",
        "test_rollback::test_a_confirmed_update_survives_a_reset",
        "App is valid, rollback cancelled successfully",
        _application(rollback=False),
    ),
    Exhibit(
        "the application says that it is confirmed, and is not",
        "test_rollback::test_a_confirmed_update_survives_a_reset",
        "ota_1 is <OtaImgState.PENDING_VERIFY",
        _application(behaviour=Behaviour.CONFIRM_IN_WORDS),
    ),
    Exhibit(
        "the version is not checked",
        "test_update::test_the_same_version_is_refused",
        "UPDATE_BOOT_PARTITION must not come",
        _application(version_check=False),
    ),
    Exhibit(
        "success is reported and nothing switched",
        "test_update::test_update_to_a_newer_version",
        "booted(slot='ota_1', app_version='2')",
        _application(behaviour=Behaviour.REPORT_WITHOUT_SWITCH),
    ),
    Exhibit(
        "an image is not verified before the switch",
        "test_refused_images::test_an_image_truncated_in_its_body_is_refused",
        "instead came:",
        _application(behaviour=Behaviour.TRUST_ANY_IMAGE),
    ),
    Exhibit(
        "the chip id is not compared",
        "test_refused_images::test_an_image_for_another_chip_is_refused",
        "FINISH must not come",
        _application(behaviour=Behaviour.TRUST_ANY_CHIP),
    ),
    Exhibit(
        "the running slot's otadata entry is lost in a refused update",
        "test_refused_images::test_a_connection_cut_in_the_middle_is_refused",
        "the otadata entry of the running slot ota_0 was changed",
        _application(behaviour=Behaviour.SPOIL_OTADATA),
    ),
    Exhibit(
        "any server is trusted",
        "test_server_refused::test_a_certificate_of_another_ca_is_refused",
        "UPDATE_BOOT_PARTITION must not come",
        _application(behaviour=Behaviour.TRUST_ANY_SERVER),
    ),
    Exhibit(
        "any authentication tag is taken",
        "test_pre_encrypted::test_an_image_with_a_flipped_tag_is_refused",
        "ESP_HTTPS_OTA upgrade successful",
        _application(behaviour=Behaviour.TRUST_ANY_TAG),
    ),
    Exhibit(
        "no signature is verified",
        "test_signed::test_a_key_that_comes_second_is_not_trusted",
        "Verifying image signature...",
        _application(signing=None),
    ),
    Exhibit(
        "the chip revision is not looked at before the image is written",
        "test_damaged_images::test_an_image_for_later_chips_is_refused_before_it_is_written",
        "VERIFY_CHIP_REVISION",
        _application(idf_ver="v5.3.1"),
    ),
    Exhibit(
        "the application does not check the secure version",
        "test_anti_rollback::test_a_lower_secure_version_is_refused_before_the_download",
        "New firmware security version is less than eFuse programmed",
        _application(secure_version_check=False),
    ),
    Exhibit(
        "neither application nor bootloader has anti-rollback",
        "test_anti_rollback::test_a_lower_secure_version_is_refused_at_the_end_and_erased",
        "WRITE_FLASH or FINISH should have come next",
        _both(anti_rollback=False),
    ),
    Exhibit(
        "the secure version is raised by the download",
        "test_anti_rollback::test_the_secure_version_advances_only_after_confirmation",
        "secure_version",
        _application(behaviour=Behaviour.BURN_EARLY),
    ),
    Exhibit(
        "the chip's eFuse is burnt by the download",
        "test_anti_rollback::test_real_efuses_move_on_confirmation_and_for_ever",
        "secure_version()",
        _application(behaviour=Behaviour.BURN_EARLY),
    ),
    Exhibit(
        "the bootloader was built without anti-rollback",
        "test_anti_rollback::test_a_slot_that_is_too_old_is_never_a_fallback",
        "but version 1 from ota_0 did",
        _bootloader(anti_rollback=False),
    ),
)
"""Each breaks the promise of one scenario, and that scenario must fail on it."""


@pytest.fixture
def exhibit(request: pytest.FixtureRequest) -> Exhibit:
    """The exhibit on show."""
    assert isinstance(request.param, Exhibit)
    return request.param


class _Show:
    """Registered after the bench's own fixtures, so that its `shelf` stands before theirs."""

    @pytest.fixture
    def shelf(self, exhibit: Exhibit, tmp_path: Path) -> Callable[[VirtualBuild], Path]:
        """Writes the exhibit where the sound build would be written."""

        def take(sound: VirtualBuild) -> Path:
            root = tmp_path / "build"
            for name, data in exhibit.files(sound).items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(data)
            return root

        return take


def pytest_configure(config: pytest.Config) -> None:
    """Put the exhibits in the place of the builds."""
    config.pluginmanager.register(_Show(), "gallery-show")


def _name(test: pytest.Metafunc | pytest.Function) -> str:
    return f"{test.module.__name__.rpartition('.')[2]}::{test.function.__name__}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every scenario once for each exhibit that breaks its promise."""
    if "exhibit" in metafunc.fixturenames:
        shown = [one for one in EXHIBITS if one.scenario == _name(metafunc)]
        metafunc.parametrize("exhibit", shown, indirect=True, ids=[one.name for one in shown])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what there is no exhibit for."""
    wanted = {one.scenario for one in EXHIBITS}
    left_out = [item for item in items if not isinstance(item, pytest.Function) or _name(item) not in wanted]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
