"""The bench's pytest plugins; the fixtures live in `fixtures/`, one file a theme."""

from __future__ import annotations

pytest_plugins = [
    "fixtures.options",
    "fixtures.reporting",
    "fixtures.embedded",
    "fixtures.flashing",
    "fixtures.board",
    "fixtures.firmware",
    "fixtures.timeline",
    "fixtures.server",
    "fixtures.evidence",
    "fixtures.ota",
]
