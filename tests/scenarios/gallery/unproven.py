"""The scenarios that no exhibit of the gallery breaks, each with the reason: a list that may only get shorter."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["UNPROVEN"]

UNPROVEN: Mapping[str, str] = MappingProxyType({})
"""Reason by scenario, ``module::function``."""
