"""What a build that somebody made has not, of what a scenario wants of its firmware."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bench.builds import Build
from bench.builds.rekeying import signed_by_anybody
from bench.ota.firmware import Firmware

__all__ = ["why_unfit"]

_CHANGED = (5, 5)
"""Much of what ESP-IDF says and does is another since this line of releases."""

_REQUEST_SIZE = "EXAMPLE_HTTP_REQUEST_SIZE"


def why_unfit(firmware: Firmware, wanted: Mapping[str, Any]) -> str | None:
    """Why a scenario is about another build than this one, with the mend where there is one; None where it is not.

    Args:
        wanted: what its ``firmware`` mark says, see docs/scenarios.md
    """
    build, app = firmware.build, wanted.get("app", "advanced_https_ota")
    if firmware.app != app:
        return f"needs the application {app}; {build.path} is {build.project_name}: give a build of it to --firmware"
    kinds = (_of_keys, _of_layout, _of_virtual_builds, _of_release, _of_settings)
    return next((reason for kind in kinds for reason in kind(build, wanted)), None)


def _of_keys(build: Build, wanted: Mapping[str, Any]) -> Iterator[str]:
    if (scheme := wanted.get("signing")) and signed_by_anybody(build) != scheme:
        yield (
            f"needs updates that the bench can sign ({scheme}): {build.path} checks none, or with a key that cannot be "
            "replaced; bench build --variant bench_signed_rsa makes one"
        )
    if wanted.get("encryption") == "ecies":
        yield "needs the ECIES scheme, whose HMAC key is in an eFuse that only virtual boards are burnt"


def _of_layout(build: Build, wanted: Mapping[str, Any]) -> Iterator[str]:
    layout, table, least = wanted.get("layout"), build.partition_table, wanted.get("secure_version", 0)
    if layout == "factory_two_ota" and table.factory is None:
        yield f"needs a partition table with a factory application; that of {build.path} has none"
    if layout == "two_ota" and table.factory is not None:
        yield f"needs a partition table without a factory application; that of {build.path} has one"
    if layout == "anti_rollback" and _secure_version(build) != least:
        name = "bench_anti_rollback_1" if least else "bench_anti_rollback"
        yield (f"needs a build of secure version {least}, and {build.path} is of another; bench build --variant {name}")


def _of_virtual_builds(_: Build, wanted: Mapping[str, Any]) -> Iterator[str]:
    if wanted.get("flash_encryption"):
        yield "needs flash encryption, whose key only virtual boards are burnt"
    if "bootloader" in wanted:
        yield "needs a bootloader from another build, which only virtual builds are given"
    if "secure_version_check" in wanted:
        yield "needs an application that does not check the secure version itself; no stock build is one"


def _of_release(build: Build, wanted: Mapping[str, Any]) -> Iterator[str]:
    built, idf_ver = _line_of(build), wanted.get("idf_ver", "")
    line = _line(idf_ver)
    if wanted.get("exactly"):
        if built != line:
            yield f"needs a build by ESP-IDF {idf_ver}: {build.path} is by another release"
    elif line and (built < line if line >= _CHANGED else built >= _CHANGED):
        yield f"needs ESP-IDF {'since' if line >= _CHANGED else 'as of'} {idf_ver}: {build.path} is of another"
    if "since" in wanted and built < _line(wanted["since"]):
        yield f"needs ESP-IDF since {wanted['since']}: {build.path} is by an earlier one"
    if "until" in wanted and built >= _line(wanted["until"]):
        yield f"needs ESP-IDF before {wanted['until']}: {build.path} is by a later one"


def _of_settings(build: Build, wanted: Mapping[str, Any]) -> Iterator[str]:
    if wanted.get("cert_bundle") is False and build.enabled("EXAMPLE_USE_CERT_BUNDLE"):
        yield f"needs a build with CONFIG_EXAMPLE_USE_CERT_BUNDLE off: {build.path} has it on"
    for symbol in _symbols(wanted):
        if not build.sdkconfig.get(symbol):
            yield f"needs a build with CONFIG_{symbol}=y: {build.path} has it off"
    size, known = wanted.get("http_request_size"), build.sdkconfig.get(_REQUEST_SIZE)
    if size not in (None, known):
        yield f"needs a build with CONFIG_{_REQUEST_SIZE}={size}: that of {build.path} is {known}"


def _symbols(wanted: Mapping[str, Any]) -> Iterator[str]:
    """The sdkconfig symbols that must be on for a build to be as the scenario wants it."""
    yield from wanted.get("config", ())
    if wanted.get("partial_http_download"):
        yield "EXAMPLE_ENABLE_PARTIAL_HTTP_DOWNLOAD"
    if wanted.get("cert_bundle"):
        yield "EXAMPLE_USE_CERT_BUNDLE"
    if wanted.get("bind_interface"):
        yield "EXAMPLE_FIRMWARE_UPGRADE_BIND_IF"
    if wanted.get("log_level") == "debug":
        yield "LOG_DEFAULT_LEVEL_DEBUG"
    if wanted.get("rollback"):
        yield "BOOTLOADER_APP_ROLLBACK_ENABLE"
    if wanted.get("version_check") is False:
        yield "EXAMPLE_SKIP_VERSION_CHECK"


def _secure_version(build: Build) -> int:
    return build.image.app_desc.secure_version if build.image.app_desc is not None else 0


def _line_of(build: Build) -> tuple[int, ...]:
    """The release line of the ESP-IDF that it was built with: (5, 1); empty where it does not say."""
    described = build.image.app_desc
    return _line(described.idf_ver if described is not None else "")


def _line(release: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", release)[:2]))
