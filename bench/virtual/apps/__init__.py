"""The applications of the virtual board: who plays an image is decided by its project's name, or by its style."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NoReturn

from bench.virtual.apps import advanced_https_ota, native_ota, pre_encrypted_ota, serial_ota, simple_ota, unknown
from bench.virtual.apps.styled import style_of, styled
from bench.virtual.running import Running

__all__ = ["PERSONALITIES", "run"]

PERSONALITIES: Mapping[str, Callable[[Running], NoReturn]] = MappingProxyType(
    {
        "advanced_https_ota": advanced_https_ota.run,
        "native_ota": native_ota.run,
        "pre_encrypted_ota": pre_encrypted_ota.run,
        "serial_ota": serial_ota.run,
        "simple_ota": simple_ota.run,
    }
)
"""By `esp_app_desc_t.project_name`."""


def run(running: Running) -> NoReturn:
    """Be the application whose start-up code has just called app_main."""
    description = running.image.app_desc
    name = description.project_name if description is not None else ""
    if name not in PERSONALITIES and (like := style_of(running.log.rodata)) is not None:
        name, running = like, styled(running)
    PERSONALITIES.get(name, unknown.run)(running)
