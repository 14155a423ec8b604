"""Building firmware with ESP-IDF: sdkconfig fragments, recipes of them, and builds that are made once and kept."""

from __future__ import annotations

from bench.builds.building.cache import Cache, default_root
from bench.builds.building.esp_idf import EspIdf, find
from bench.builds.building.making import Made, Order, make
from bench.builds.building.recipes import NETWORKS, RECIPES, catalogue

__all__ = ["NETWORKS", "RECIPES", "Cache", "EspIdf", "Made", "Order", "catalogue", "default_root", "find", "make"]
