"""Whole stories of the virtual board, from the ROM's banner through updates and restarts, against real devices."""

from __future__ import annotations

import pytest
import trustme

from bench.builds import VirtualBuild
from bench.builds.firmware import application
from bench.flash.otadata import OtaData, OtaImgState
from bench.images import Behaviour, Image
from bench.virtual.door import CutPlan, Phase
from tests.reference import reference
from tests.virtual.lifelike import ANTI_ROLLBACK, TWO_OTA, Console, Life, live
from tests.virtual.peer import answering, response, serve
from tests.virtual.test_apps import normal

CHIPS = ("esp32", "esp32c3", "esp32s3")
_CALLS = ("main_task: Calling app_main()", "cpu_start: Starting scheduler.")
"""The last line before app_main; the latter in v4.4."""
RELEASES = ("v4.4.8", "v5.1.4", "v5.3.1")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def lives(console: Console) -> list[list[str]]:
    """The lines of each life from app_main on, panic dumps left out."""
    told: list[list[str]] = []
    open_, dump = False, False
    for line in normal(console.lines):
        if line.startswith(("ESP-ROM:", "ets ")):
            open_ = dump = False
        if line.startswith("abort() was called"):
            dump = True
        if open_ and not dump:
            told[-1].append(line)
        if line.endswith(_CALLS):
            open_ = True
            told.append([])
    return told


def real_lives(name: str) -> list[list[str]]:
    return lives(Console(bytearray(reference(f"serial/{name}.log").read_bytes())))


def build(authority: trustme.CA, version: str, release: str, **options: object) -> VirtualBuild:
    known: dict[str, object] = {"chip": "esp32c3", "app": "advanced_https_ota", "layout": "anti_rollback"}
    return VirtualBuild(
        version=version,
        idf_ver=release,
        ca_pem=authority.cert_pem.bytes(),
        **(known | options),  # type: ignore[arg-type]
    )


def update(life: Life, authority: trustme.CA, image: Image) -> None:
    """Power the board with a server that serves `image` within its reach, and give it the URL."""
    with serve(answering(response(image.to_bytes())), authority=authority) as peer:
        life.boot(peer.url())


def without_header_check(image: Image) -> Image:
    """The same application compiled without the example's look at the secure version."""
    literal = b"New firmware security version is less"
    at = image.segments[0].data.index(literal)
    return image.with_patch(0, at, b"x" * len(literal))


@pytest.mark.parametrize("release", RELEASES)
def test_a_higher_secure_version_is_burnt_once_confirmed(release: str, authority: trustme.CA) -> None:
    old = build(authority, "1", release)
    new = build(authority, "2", release, secure_version=1)
    with live(csv=ANTI_ROLLBACK) as life:
        life.flash(old)
        update(life, authority, application(new))
        assert lives(life.console) == real_lives(f"{release}_ar_ok_sec0_to_sec1")
        if release == "v5.1.4":
            confirmed = reference("flash/ar-05-confirmed-secure-version-1.otadata.bin").read_bytes()
            assert life.content("otadata") == confirmed


@pytest.mark.parametrize("release", RELEASES)
def test_a_lower_secure_version_is_refused_by_the_header_and_at_the_end(release: str, authority: trustme.CA) -> None:
    first = application(build(authority, "1", release))
    second = application(build(authority, "2", release, secure_version=1))
    answers = [response(image.to_bytes()) for image in (without_header_check(second), first)]
    with live(csv=ANTI_ROLLBACK) as life, serve(answering(*answers), authority=authority) as peer:
        life.flash(build(authority, "1", release))
        life.boot(peer.url(), peer.url())
        assert lives(life.console) == real_lives(f"{release}_ar_refused_at_finish")
        assert life.content("ota_0") == b"\xff" * 0x380000
        assert OtaData.parse(life.content("otadata")).active_index == 1

        life.machine.flash.poke(life.partition("ota_1").offset, second.to_bytes())
        life.console.raw.clear()
        life.boot(peer.url())
        assert lives(life.console) == real_lives(f"{release}_ar_refused_sec0_lt_1")


@pytest.mark.parametrize(
    ("story", "behaviour", "state"),
    [
        ("rollback_abort", Behaviour.ABORT, OtaImgState.ABORTED),
        ("rollback_diag", Behaviour.DIAGNOSTICS_FAIL, OtaImgState.INVALID),
    ],
)
@pytest.mark.parametrize("release", RELEASES)
def test_an_image_that_fails_before_it_confirms_is_rolled_back(
    release: str, story: str, behaviour: Behaviour, state: OtaImgState, authority: trustme.CA
) -> None:
    with live(csv=ANTI_ROLLBACK) as life:
        life.flash(build(authority, "2", release))
        update(life, authority, application(build(authority, "3", release, behaviour=behaviour)))
        real = real_lives(f"{release}_{story}")
        # there "2" had come into ota_1, here it was flashed into ota_0
        for there, here in (("subtype 16 at offset 0x20000", "subtype 17 at offset 0x3a0000"), (": 16", ": 17")):
            real[0] = [line.replace(there, here) for line in real[0]]
        assert lives(life.console) == real
        entries = OtaData.parse(life.content("otadata")).entries
        assert [entry.state for entry in entries] == [OtaImgState.VALID, state]
        if release == "v5.1.4" and behaviour == Behaviour.ABORT:
            aborted = reference("flash/ar-04-rolled-back-aborted.otadata.bin").read_bytes()
            assert life.content("otadata") == aborted


def test_an_image_that_hangs_before_it_confirms_is_rolled_back_at_the_next_reset(authority: trustme.CA) -> None:
    with live(csv=ANTI_ROLLBACK) as life:
        life.flash(build(authority, "1", "v5.3.1"))
        hanging = build(authority, "2", "v5.3.1", behaviour=Behaviour.HANG_BEFORE_CONFIRM)
        update(life, authority, application(hanging))
        assert OtaData.parse(life.content("otadata")).entries[1].state == OtaImgState.PENDING_VERIFY
        life.console.raw.clear()
        life.boot()
        assert "I app_init: App version:      1" in life.console.lines


@pytest.mark.parametrize("chip", CHIPS)
def test_three_updates_in_a_row_alternate_the_slots(chip: str, authority: trustme.CA) -> None:
    with live(chip, csv=TWO_OTA) as life:
        life.flash(build(authority, "1", "v5.3.1", chip=chip, layout="factory_two_ota"))
        for version, slot in (("2", "ota_0"), ("3", "ota_1"), ("4", "ota_0")):
            image = application(build(authority, version, "v5.3.1", chip=chip, layout="factory_two_ota"))
            life.console.raw.clear()
            update(life, authority, image)
            assert life.content(slot).startswith(image.to_bytes())
            assert f"I app_init: App version:      {version}" in life.console.lines
            assert f"Boot partition updated. Next Partition: {16 + int(slot[-1])}" in "\n".join(life.console.lines)


def test_a_url_that_is_compiled_in_is_asked_for_at_once(authority: trustme.CA) -> None:
    new = application(build(authority, "2", "v5.3.1"))
    with serve(answering(response(new.to_bytes())), authority=authority) as peer, live(csv=ANTI_ROLLBACK) as life:
        life.flash(build(authority, "1", "v5.3.1", url=peer.url()))
        life.boot()
        first = lives(life.console)[0]
        at = first.index("I advanced_https_ota_example: Starting Advanced OTA example")
        assert first[at + 1 : at + 3] == [
            "I advanced_https_ota_example: OTA started",
            "I main_task: Returned from app_main()",
        ]
        assert len(peer.requests) == 1


def test_without_a_network_it_waits_for_an_address(authority: trustme.CA) -> None:
    with live(csv=ANTI_ROLLBACK) as life:
        life.flash(build(authority, "1", "v5.3.1"))
        life.machine.network.set_up(False)
        life.boot("https://127.0.0.1:1/")
        assert life.console.lines[-1] == "I ethernet_connect: Waiting for IP(s)."


@pytest.mark.parametrize("purpose", ["ota:erase", "ota:write", "otadata"])
def test_power_lost_in_mid_update_leaves_the_old_version_and_another_try_succeeds(
    purpose: str, authority: trustme.CA
) -> None:
    new = application(build(authority, "2", "v5.3.1"))
    with live(csv=ANTI_ROLLBACK) as life:
        life.flash(build(authority, "1", "v5.3.1"))
        life.boot()
        life.machine.flash.door.plan(CutPlan(purpose, Phase.MIDDLE, 2 if purpose == "otadata" else 20))
        update(life, authority, new)
        assert life.machine.flash.door.fired
        life.console.raw.clear()
        life.boot()
        assert "I app_init: App version:      1" in life.console.lines
        life.console.raw.clear()
        update(life, authority, new)
        assert "I app_init: App version:      2" in life.console.lines


def test_a_cut_in_mid_confirmation_rolls_back_and_never_loses_both_slots(authority: trustme.CA) -> None:
    new = application(build(authority, "2", "v5.3.1"))
    with live(csv=ANTI_ROLLBACK) as life:
        life.flash(build(authority, "1", "v5.3.1"))
        life.machine.flash.door.plan(CutPlan("otadata:confirm", Phase.AFTER, 1))
        update(life, authority, new)
        life.console.raw.clear()
        life.boot()
        assert "I app_init: App version:      1" in life.console.lines


def test_a_real_image_asks_for_credentials_and_updates_itself(authority: trustme.CA) -> None:
    """advanced_https_ota as Espressif built it: Wi-Fi, certificate bundle, no version check, resumption."""
    data = reference("images/esp32-advanced_https_ota-v5.5-dev.bin").read_bytes()
    with live("esp32") as life, serve(answering(response(data))) as peer:
        life.flash(build(authority, "1", "v5.3.1", chip="esp32", layout="factory_two_ota"))
        life.machine.flash.poke(life.partition("factory").offset, data)
        life.boot()
        assert life.console.lines[-1] == "I example_connect: Please input ssid password:"
        life.console.raw.clear()
        life.boot("myssid secret", peer.url(scheme="http"))
        assert life.content("ota_0").startswith(data)
        told = [line for life_ in lives(life.console)[:1] for line in life_]
        assert "I example_connect: Connecting to myssid..." in told
        assert "I esp_https_ota: Writing to <ota_0> partition at offset 0x110000" in told
        assert told[-1] == "I advanced_https_ota_example: ESP_HTTPS_OTA upgrade successful. Rebooting ..."
        assert "I boot: Loaded app from partition at offset 0x110000" in life.console.lines
        assert "secret" not in "".join(life.console.lines)
    with live("esp32") as life, serve(answering(response(data)), authority=authority) as peer:
        life.flash(build(authority, "1", "v5.3.1", chip="esp32", layout="factory_two_ota"))
        life.machine.flash.poke(life.partition("factory").offset, data)
        life.boot("myssid secret", peer.url())
        assert life.console.lines[-8:-5] == [
            "E esp-x509-crt-bundle: Failed to verify certificate",
            "E esp-tls-mbedtls: mbedtls_ssl_handshake returned -0x3000",
            "E esp-tls: Failed to open new connection",
        ]


def test_a_virtual_build_takes_a_real_image_over_tls_and_boots_it(authority: trustme.CA) -> None:
    data = reference("images/esp32-advanced_https_ota-v5.5-dev.bin").read_bytes()
    with live("esp32") as life:
        life.flash(build(authority, "1", "v5.3.1", chip="esp32", layout="factory_two_ota"))
        update(life, authority, Image.parse(data))
        assert life.console.lines[-1] == "I example_connect: Please input ssid password:"
        assert "I app_init: App version:      v5.5-dev-1460-gea06535ab28-dirt" in life.console.lines


def test_an_unknown_project_boots_and_idles(authority: trustme.CA) -> None:
    with live(csv=ANTI_ROLLBACK) as life:
        life.flash(build(authority, "1", "v5.3.1"))
        other = application(build(authority, "7", "v5.3.1")).with_project_name("somebody_s_app")
        update(life, authority, other)
        assert "I app_init: Project name:     somebody_s_app" in life.console.lines
        assert life.console.lines[-1] == "I main_task: Calling app_main()"
