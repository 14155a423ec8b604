"""The gallery: for each promise a defective firmware that breaks it, and the scenarios that must notice."""

from __future__ import annotations

from itertools import chain

from tests.scenarios.gallery import (
    anti_rollback,
    boot,
    encrypted,
    images,
    network,
    power,
    ranges,
    rollback,
    serial,
    signatures,
    tls,
    updates,
)
from tests.scenarios.gallery.exhibit import Exhibit

__all__ = ["EXHIBITS", "FAMILIES"]

FAMILIES = (updates, images, network, tls, ranges, encrypted, signatures, serial, rollback, boot, anti_rollback, power)
"""One module a family; its docstring names it."""

EXHIBITS: tuple[Exhibit, ...] = tuple(chain.from_iterable(family.EXHIBITS for family in FAMILIES))
"""Every defective firmware there is."""
