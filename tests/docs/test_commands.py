"""Every command of README and docs/*.md is run, in the order of its page; what cannot be is marked, and listed here.

A block of commands is fenced as ``sh``, or as ``console`` with a prompt and some of the output. One that nobody can run
without hardware, say, has the comment ``<!-- not run: needs hardware -->`` on the line before; the comment
``<!-- exits 1 -->`` tells the exit code of its last command. A fence that names a file (```` ```yaml boards.yaml ````)
is that file for the commands of its page.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from bench.cli import COMMANDS
from scenarios import test_rollback
from tests.docs.desk import PROPS, Desk
from tests.docs.markdown import Block, blocks_of, commands_of
from tests.docs.pages import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

REASONS = (
    "needs hardware",
    "needs ESP-IDF",
    "needs labgrid",
    "needs openssl",
    "needs packages from outside",
    "is run by .ci/run",
    "takes minutes",
)
"""What keeps a command from being run here."""

NEEDED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "README.md": ("evidence", "app.bin", "console.log"),
        "boards.md": ("flash.bin",),
        "dialects.md": ("console.log",),
        "faults.md": ("app.bin",),
        "firmware.md": ("app.bin", "console.log"),
        "first-run.md": ("console.log",),
        "gate.md": ("evidence", "release.pem", "release.pub"),
        "history.md": ("evidence",),
        "images.md": ("app.bin",),
        "report.md": ("evidence",),
        "troubleshooting.md": ("evidence",),
    }
)
"""What lies on the desk when the first command of a page is run."""

_KNOWN = ("text", "python", "yaml", "json", "ini", "toml", "c", "groovy")
_BARE = re.compile(r"^ {4,}(\$ )?(bench|pytest|python3?|pip|tox|esptool|idf\.py) [^:|]*$", re.MULTILINE)


def _blocks(page: Path) -> list[Block]:
    return list(blocks_of(page.name, page.read_text("utf-8")))


def _to_run(page: Path) -> list[Block]:
    return [block for block in _blocks(page) if block.for_a_shell and not block.not_run]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is made once for all pages."""
    return tmp_path_factory.mktemp("store")


@pytest.mark.parametrize("page", [page for page in PAGES if _to_run(page)], ids=lambda page: page.name)
def test_every_command_of_the_page_works(page: Path, tmp_path: Path, store: Path) -> None:
    desk = Desk(tmp_path / "desk", store)
    for name in NEEDED.get(page.name, ()):
        desk.put(name)
    for block in _blocks(page):
        if block.file:
            path = desk.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, "utf-8")
    for block in _to_run(page):
        commands = commands_of(block)
        for command in commands:
            try:
                desk.run(command, exits=block.exits if command is commands[-1] else 0)
            except AssertionError as error:
                raise AssertionError(f"{page.name}:{block.line}: {error}") from None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    for block in _blocks(page):
        where = f"{page.name}:{block.line}"
        if block.for_a_shell:
            assert commands_of(block), f"{where}: a block without a command"
            assert block.not_run in ("", *REASONS), f"{where}: {block.not_run!r} is none of {REASONS}"
        else:
            assert block.info.split(" ")[0] in _KNOWN, f"{where}: ```{block.info}: say sh, console or what it is"
    outside = re.sub(r"^( *)```.*?^ *```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert [found[0] for found in _BARE.finditer(outside)] == [], f"{page.name}: commands outside of a ```sh block"


def test_what_is_not_run_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = [block for page in PAGES for block in _blocks(page) if block.for_a_shell]
    left = [(block, command.text) for block in blocks if block.not_run for command in commands_of(block)]
    run = sum(len(commands_of(block)) for block in blocks if not block.not_run)
    for block, text in left:
        print(f"{block.page}:{block.line}: {block.not_run}: {text}")
    reasons = ", ".join(f"{count} {reason}" for reason, count in Counter(block.not_run for block, _ in left).items())
    with capsys.disabled():
        print(f"\ncommands of the documents: {run} run, {len(left)} not ({reasons})")
    assert run > 2 * len(left)
    assert {reason for block, _ in left for reason in (block.not_run,)} <= set(REASONS)


def test_everything_on_the_desk_is_used() -> None:
    assert {name for names in NEEDED.values() for name in names} == set(PROPS)
    assert set(NEEDED) <= {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_said_of_a_command_in_passing_exists(page: Path, pytestconfig: pytest.Config) -> None:
    """Code in the text that begins with ``bench`` or ``pytest``: commands and options are there."""
    text = re.sub(r"^( *)```.*?^ *```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for span in re.findall(r"`((?:bench|pytest) [^`]+)`", " ".join(text.split())):
        program, word = span.split()[:2]
        if program == "pytest":
            known = pytestconfig._parser.optparser.format_help()
        elif word in ("…", "COMMAND", "--help"):
            continue
        else:
            assert word in _names(), f"{page.name}: `{span}`: there is no such command"
            known = " ".join(_known_words(word))
        for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", span):
            assert re.search(rf"{option}(?![\w-])", f"{known} --help"), (
                f"{page.name}: `{span}`: there is no such option"
            )


def test_every_page_is_in_the_index_and_no_link_is_broken() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    for page in PAGES:
        if page.parent.name == "docs" and page.name != "README.md":
            assert f"]({page.name})" in index, f"docs/README.md does not name {page.name}"
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} leads to {target}, which is not there"


def test_the_scenario_of_the_readme_is_one_of_the_scenarios() -> None:
    (shown,) = [block.text for block in _blocks(ROOT / "README.md") if block.info == "python"]
    source = inspect.getsource(test_rollback.test_an_image_that_dies_at_boot_is_rolled_back)
    assert shown.split("def ")[1] == source.split("def ")[1]


def _names() -> set[str]:
    return {name for group in COMMANDS.values() for name in group}


def _known_words(name: str) -> set[str]:
    """The options of a command and of all its actions."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    importlib.import_module(f"bench.cli.{name.replace('-', '_')}").register(commands)
    return _options(commands.choices[name])


def _options(parser: argparse.ArgumentParser) -> set[str]:
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                found |= _options(below)
    return found


def test_commands_about_one_run_name_one_however_many_there_are() -> None:
    """`evidence/2*-*` is one run on the desk here, and several from a user's second day on."""
    several = [
        f"{page.name}: {command.text}"
        for page in PAGES
        for block in _to_run(page)
        for command in commands_of(block)
        if re.match(r"bench (report|gate) \S*\*", command.text)
    ]
    assert several == []
