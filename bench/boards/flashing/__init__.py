"""Flashing: a board is brought to a stated start by writing only what differs from what it holds already."""

from __future__ import annotations

from bench.boards.flashing.bringing import Brought, bring, bring_connected, bring_to_start, recover
from bench.boards.flashing.loader import MEND, Loader, in_loader, over
from bench.boards.flashing.start import ANY, BLANK, Content, Region, Start, digest_of, regions_of, start_of

__all__ = [
    "ANY",
    "BLANK",
    "MEND",
    "Brought",
    "Content",
    "Loader",
    "Region",
    "Start",
    "bring",
    "bring_connected",
    "bring_to_start",
    "digest_of",
    "in_loader",
    "over",
    "recover",
    "regions_of",
    "start_of",
]
