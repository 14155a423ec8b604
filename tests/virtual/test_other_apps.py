"""Consoles of native_ota and simple_ota on the virtual board, line by line against those of real devices."""

from __future__ import annotations

import re

import pytest
import trustme

from bench.builds.crt_bundle import certificate_bundle
from bench.builds.releases import line_of
from bench.images import random_payload
from bench.virtual.machine import PowerLost, Restart
from tests.reference import reference
from tests.virtual.lifelike import firmware, live
from tests.virtual.peer import Script, answering, response, serve
from tests.virtual.stories import NATIVE, SIMPLE
from tests.virtual.test_apps import normal, real_life, server

_WAITING = "I native_ota_example: Waiting for a new firmware ... "


def comparable(lines: list[str]) -> list[str]:
    """Without digests and addresses, and with an endless wait for a new firmware taken once."""
    told = [re.sub(r"[0-9a-f]{64}", "SHA", line) for line in normal(lines)]
    told = [re.sub(r"https://[\d.]+:\d+/[\w.]+", "URL", line) for line in told]
    told = [re.sub(r"(binary data length:) \d+", r"\1 N", line) for line in told]
    return [line for line in told if not line.startswith(_WAITING) or line == f"{_WAITING}1"]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.mark.parametrize("title", NATIVE)
def test_native_ota_reads_as_on_a_real_device(title: str, authority: trustme.CA) -> None:
    story = NATIVE[title]
    _native(f"v5.1.4_{title}", authority, None, story.version)


def test_native_ota_takes_random_bytes_for_a_description_as_a_real_device_does(authority: trustme.CA) -> None:
    """It prints them for a version, and what its stack holds behind them, until there is a NUL."""
    real = reference("serial/v5.1.4_native_random.log").read_bytes()
    begin = real.index(b"New firmware version: ") + len("New firmware version: ")
    printed = real[begin : real.index(b"\x1b[0m\r\n", begin)].replace(b"\r\n", b"\n")
    payload = bytearray(random_payload(32_000, seed=1, first_byte=0))
    payload[48 : 48 + 240] = printed[:240]
    _native("v5.1.4_native_random", authority, answering(response(bytes(payload))), "2")


def _native(name: str, authority: trustme.CA, script: Script | None, version: str) -> None:
    expected = comparable(real_life(name))
    release, _, title = name.partition("_")
    embedded = [b"FROM_STDIN", authority.cert_pem.bytes(), b"CONFIG_EXAMPLE_OTA_RECV_TIMEOUT=300"]
    old, new = (firmware(one, project="native_ota", idf_ver=release, embedded=embedded) for one in ("1", version))
    with serve(script or NATIVE[title].script(new), authority=authority) as peer, live() as life:
        end = life.run(old, peer.url(path="/native_ota.bin"))
        assert comparable(life.console.lines) == expected
        assert end is (Restart if title == "native_ok" else PowerLost)


@pytest.mark.parametrize("title", SIMPLE)
def test_simple_ota_reads_as_on_a_real_device(title: str, authority: trustme.CA) -> None:
    """With the certificate bundle, which holds an authority of one's own."""
    expected = comparable(real_life(f"v5.1.4_{title}"))
    story = SIMPLE[title]
    embedded = [b"FROM_STDIN", certificate_bundle(authority.cert_pem.bytes(), line_of("v5.1.4"))]
    options = ("url_from_stdin", "cert_bundle")
    old, new = (
        firmware(one, project="simple_ota", idf_ver="v5.1.4", embedded=embedded, options=options)
        for one in ("1", story.version)
    )
    with server(story, authority, story.script(new)) as peer, live() as life:
        url = peer.url(path="/simple_ota.bin") if story.listening else "https://127.0.0.1:1/simple_ota.bin"
        end = life.run(old, url)
        assert comparable(life.console.lines) == expected
        assert end is (Restart if title == "simple_ok" else PowerLost)


# -- partition tables that an example cannot live on

_FACTORY = "factory, app, factory, 0x10000, 0x100000\n"
_NVS, _OTADATA = "nvs, data, nvs, 0x9000, 0x4000\n", "otadata, data, ota, 0xd000, 0x2000\n"
_SLOTS = "ota_0, app, ota_0, 0x110000, 0x100000\nota_1, app, ota_1, 0x210000, 0x100000\n"


@pytest.mark.parametrize("chip", ["esp32c3", "esp32"])
@pytest.mark.parametrize("slots", ["", _SLOTS])
def test_native_ota_without_otadata_reads_through_a_null_pointer(chip: str, slots: str) -> None:
    """It prints the address of what esp_ota_get_boot_partition returns, and that is NULL."""
    with live(chip, _NVS + _FACTORY + slots) as life:
        assert life.run(firmware(chip=chip, project="native_ota")) is Restart
        told = life.console.after("I native_ota_example: Starting OTA example task")
    reason, register = ("Load access fault", "MTVAL   ") if chip == "esp32c3" else ("LoadProhibited", "EXCVADDR")
    assert told[0].endswith("E esp_ota_ops: not found otadata")
    assert told[1] == f"Guru Meditation Error: Core  0 panic'ed ({reason}). Exception was unhandled."
    assert any(f"{register}: 0x0000000c" in line for line in told)


def test_native_ota_without_a_slot_fails_its_assertion() -> None:
    with serve(answering(response(b"x" * 2000))) as peer, live(csv=_NVS + _OTADATA + _FACTORY) as life:
        assert life.run(firmware(project="native_ota"), peer.url(scheme="http")) is Restart
        assert (
            "assert failed: ota_example_task native_ota_example.c:137 (update_partition != NULL)" in life.console.lines
        )


@pytest.mark.parametrize("project", ["advanced_https_ota", "native_ota", "simple_ota", "pre_encrypted_ota"])
@pytest.mark.parametrize("literals", [(), (b"nvs_ota_wr_len",)])
def test_without_a_partition_for_nvs_an_example_aborts_before_it_connects(
    project: str, literals: tuple[bytes, ...]
) -> None:
    old = firmware(project=project, idf_ver="v5.5", embedded=(b"FROM_STDIN", *literals))
    with live(csv=_OTADATA + _FACTORY + _SLOTS) as life:
        assert life.run(old) is Restart
        lines = life.console.lines
    checked = next(
        at for at, line in enumerate(lines) if line.startswith("ESP_ERROR_CHECK failed: esp_err_t 0x105 (ESP_")
    )
    assert re.fullmatch(r'file: "\./main/\w+\.c" line \d+', lines[checked + 1])
    assert lines[checked + 2 : checked + 4] == ["func: app_main", "expression: err"]
    assert any(line.startswith("abort() was called at PC 0x") for line in lines[checked:])
    assert not any("Starting" in line and "OTA example" in line for line in lines)
