"""docs/command-line.md is what the parsers say."""

from __future__ import annotations

import re

import pytest

from bench.cli import COMMANDS, main
from tests.docs.pages import ROOT, command_line_page

PAGE = (ROOT / "docs" / "command-line.md").read_text("utf-8")
NAMES = [name for group in COMMANDS.values() for name in group]


def test_the_committed_page_is_in_step_with_the_parsers() -> None:
    assert command_line_page() == PAGE, "docs/command-line.md is stale: python -m tests.docs.pages"


def test_every_command_stands_on_the_page_once() -> None:
    assert re.findall(r"^### bench (\S+)$", PAGE, re.MULTILINE) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_a_command_names_the_options_of_the_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The other way round, through the door that users take; those of actions stand below the action's own help."""
    section = PAGE.split(f"### bench {name}\n")[1].split("\n##")[0]
    own = section.split("\n**bench ")[0]
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for option in re.findall(r"^\| `(?:-\w, )?(--[\w-]+)", own, re.MULTILINE):
        assert option in told
    for action in re.findall(rf"^\*\*bench {name} (\w+)\*\*", section, re.MULTILINE):
        assert action in told


def test_the_options_of_pytest_are_those_of_this_run(pytestconfig: pytest.Config) -> None:
    shown = pytestconfig._parser.optparser.format_help()
    options = re.findall(r"^\| `(--[\w-]+)", PAGE.split("## pytest")[1], re.MULTILINE)
    assert len(options) > 10
    assert [option for option in options if option not in shown] == []
