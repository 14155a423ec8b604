"""The bench's pytest plugins; the fixtures live in `fixtures/`, one file a theme."""

from __future__ import annotations

from fixtures import THEMES

# Not simply "fixtures": pytest knows its own fixtures by that plugin name and would load nothing.
pytest_plugins = [f"fixtures.{theme}" for theme in THEMES]
