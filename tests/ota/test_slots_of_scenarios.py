"""How the scenarios look at slots: on a board of any layout, and not while an update is under way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SCENARIOS = sorted(Path(__file__).resolve().parents[2].joinpath("scenarios").glob("test_*.py"))
READ = ("slots", "otadata", "secure_version")
"""What reads the flash: a board that has only a port restarts for it."""
BEGIN = ("start", "start_again", "stream")


def functions(source: str) -> Iterator[ast.FunctionDef]:
    """The scenarios of a module, and what helps them."""
    yield from (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))


def uses_of_ota(function: ast.FunctionDef) -> Iterator[tuple[str, int]]:
    """``start``, ``slots`` … of ``ota.start(…)``, ``ota.slots`` … as they are evaluated: a call after its arguments."""
    ends = {
        id(node.func): (node.end_lineno, node.end_col_offset)
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
    }
    nodes = [node for node in ast.walk(function) if isinstance(node, ast.Attribute)]
    of_ota = [node for node in nodes if isinstance(node.value, ast.Name) and node.value.id == "ota"]
    for node in sorted(of_ota, key=lambda node: ends.get(id(node), (node.lineno, node.col_offset))):
        yield node.attr, node.lineno


def read_too_early(source: str) -> list[str]:
    """Where the flash is read behind the begin of an update, before anything was waited for."""
    found = []
    for function in functions(source):
        under_way = False
        for name, line in uses_of_ota(function):
            if name in READ and under_way:
                found.append(f"{function.name}, line {line}")
            if name in BEGIN or name.startswith(("expect", "wait")):
                under_way = name in BEGIN
    return found


def named_without_a_layout(source: str) -> list[str]:
    """Functions that name a slot by its number, and run on whatever layout there is."""
    module = ast.parse(source)
    marked = any(
        isinstance(node, ast.keyword) and node.arg == "layout" for node in ast.walk(_without_functions(module))
    )
    found = []
    for function in functions(source):
        fixed = any(
            isinstance(n, ast.keyword) and n.arg == "layout" for d in function.decorator_list for n in ast.walk(d)
        )
        body = [node for statement in function.body for node in ast.walk(statement)]
        if not (marked or fixed) and any(isinstance(n, ast.Constant) and n.value in ("ota_0", "ota_1") for n in body):
            found.append(function.name)
    return found


def _without_functions(module: ast.Module) -> ast.Module:
    return ast.Module([node for node in module.body if not isinstance(node, ast.FunctionDef)], [])


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_no_scenario_reads_flash_in_the_middle_of_an_update(path: Path) -> None:
    """It would race with the download, and on a board without `flash_snapshot` end it."""
    assert read_too_early(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_no_scenario_takes_a_layout_for_granted(path: Path) -> None:
    """With a factory image the first update goes to ota_0, and without one to ota_1."""
    assert named_without_a_layout(path.read_text(encoding="utf-8")) == []


def test_such_scenarios_would_be_found() -> None:
    early = 'def test_it(ota, release):\n    ota.start(release)\n    before = ota.slots\n    ota.expect_refused("x")\n'
    assert read_too_early(early) == ["test_it, line 3"]
    assert read_too_early(early.replace("    before = ota.slots\n", "") + "    ota.slots\n") == []
    assert read_too_early("def test_it(ota, release):\n    ota.start(release.at(ota.slots[0]))\n") == []
    named = 'def test_it(ota):\n    ota.expect_boot(slot="ota_1")\n'
    assert named_without_a_layout(named) == ["test_it"]
    assert named_without_a_layout(f'@mark(layout="two_ota")\n{named}') == []
