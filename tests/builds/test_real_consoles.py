"""Every log line of the real consoles can be said by a build of the same release and options.

The virtual board prints nothing but what its image has compiled in, so a format that is missing here is a line that
the board would swallow.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

from bench.builds.firmware import application, bootloader
from bench.builds.releases import RELEASES
from bench.builds.rodata import COMPILE_DATE, COMPILE_TIME
from tests.builds.making import spec
from tests.log_formats import Spoken, format_of, formats_in
from tests.reference import reference

_RECORD = re.compile(r"(\x1b\[0;3\dm)?([EWID]) \(\d+\) ([^:\x1b]+): (.*?)(\x1b\[0m)?")
# Lines of drivers that say nothing of an update, at debug level.
_NOT_MODELLED = {"intr_alloc", "rtc_init"}
_APPS = {
    "advanced_https_ota": "advanced_https_ota",
    "pre_encrypted_ota": "pre_encrypted_ota",
    "native_ota_example": "native_ota",
    "simple_ota_example": "simple_ota",
}


def consoles() -> list[str]:
    """Consoles of the releases and applications that the bench writes; empty where there are none."""
    truth = Path(__file__).resolve().parents[2].parent / "shared" / "reference" / "serial" / "truth.json"
    if not truth.exists():
        return []
    told = json.loads(truth.read_text())
    return sorted(
        name
        for name, one in told.items()
        if one["esp_idf"] in RELEASES and one["config"].startswith(tuple(_APPS)) and "artifact" not in name
    )


@cache
def formats(idf_ver: str, config: str, debug: bool) -> Spoken:
    """By level and colour: what a build of that configuration can say, as patterns over whole lines."""
    app = next(project for one, project in _APPS.items() if config.startswith(one))
    found: Spoken = {}
    # With colours and without: a console may begin in one build and end in another.
    for colors in (True, False):
        build = spec(
            "esp32c3",
            app,
            idf_ver=idf_ver,
            layout="anti_rollback" if "anti-rollback" in config else "factory_two_ota",
            log_level="debug" if debug else "info",
            log_colors=colors,
            partial_http_download="PARTIAL" in config,
        )
        for image in (application(build), bootloader(build)):
            for level, patterns in formats_in(image.to_bytes(), varying=(COMPILE_DATE, COMPILE_TIME)).items():
                found.setdefault(level, []).extend(patterns)
    return found


@pytest.mark.parametrize("name", consoles())
def test_every_line_is_in_the_vocabulary(name: str) -> None:
    truth = json.loads(reference("serial/truth.json").read_text())[name]
    text = reference(f"serial/{name}").read_bytes().decode("utf-8", "replace").replace("\r", "")
    debug = bool(re.search(r"^D \(", text, re.MULTILINE))
    can_say = formats(truth["esp_idf"], truth["config"], debug)
    records = [one for line in text.split("\n") if (one := _RECORD.fullmatch(line))]
    assert len(records) > 40, "the console was not read"
    unknown = [
        one[0] for one in records if one[3] not in _NOT_MODELLED and format_of(can_say, one[0], whole=False) is None
    ]
    assert unknown == []


def test_the_consoles_are_there() -> None:
    reference("serial/truth.json")
    assert len(consoles()) >= 25
