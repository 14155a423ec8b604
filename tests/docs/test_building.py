"""docs/building.md has the builds that a run of all scenarios needs, as `bench build --all` makes them."""

from __future__ import annotations

import re
from pathlib import Path

from bench.builds.building.recipes import RECIPES
from bench.cli.build import register

PAGE = (Path(__file__).parents[2] / "docs" / "building.md").read_text("utf-8")


def test_the_table_of_builds_is_that_of_the_catalogue() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", PAGE, re.MULTILINE)
    told = {name: (apps.strip(), adds.strip()) for name, apps, adds, _ in rows}
    own = {name: (", ".join(one.apps), ", ".join(one.adds)) for name, one in RECIPES.items() if one.own}
    assert told == own
    for name, _, _, where in rows:
        recipe = RECIPES[name]
        assert ("--signing-key" in where) == bool(recipe.signed)
        assert all(chip in where for chip in recipe.chips)
        assert (f"since v{recipe.since[0]}.{recipe.since[1]}" in where) == (recipe.since > (4, 4))


def test_every_option_of_the_page_exists() -> None:
    import argparse

    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    known = parser.parse_args(["build"]).__dict__.keys()
    options = re.findall(r"^\| `--([\w-]+)", PAGE, re.MULTILINE)
    assert len(options) > 8
    assert {option.replace("-", "_") for option in options} <= known
