"""The pages of docs/ that are written from the code: `python -m tests.docs.pages` writes them anew."""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from bench.cli import COMMANDS
from bench.server.faults import KNOWN, fault_help
from fixtures import THEMES

__all__ = ["PAGES", "ROOT", "command_line_page", "faults_page"]

ROOT = Path(__file__).resolve().parents[2]

_FAULTS = """\
# Faults

What the OTA server can do wrong on purpose, and what it can do otherwise although it is sound. Written from
`bench/server/faults` by `python -m tests.docs.pages`; a test compares.

In a scenario a fault is a value. Several go together:

```python
ota.start(release.version("2").served(Chunked(), Cut(after=100_000)))
ota.expect_refused("Complete data was not received.")
ota.expect_fault("cut")                     # it did fire: a fault that never came proves nothing
```

On the command line it is a word. `--fault` may be given several times; fields in brackets may be left out:

```sh
bench serve app.bin --fault chunked --fault cut:after=100000
```

`bench serve --help` lists them too. Which scenario uses which fault: `grep -rn Cut scenarios`.
"""

_OWN = """
## A fault of your own

1. A frozen dataclass in the file of its theme in `bench/server/faults/`, with a `name` for the command line. Its fields
   are int, float or str. The first line of its docstring is the line about it above.
2. It changes the door (certificates, TLS), the plan of an answer (status, headers, body, hanging up) or the address.
   The docstring of `bench/server/faults/base.py` says how. It marks in the plan where it fires, with `Fired(self)`.
3. Its line in `KNOWN` and `__all__` of `bench/server/faults/__init__.py`.
4. Then, to bring this page up to date:

```sh
python -m tests.docs.pages
```
"""

_COMMANDS = """\
# Command line

Every `bench` command with its options, and the options that the bench adds to pytest. Written from the parsers by
`python -m tests.docs.pages`; a test compares.

```sh
bench --help
bench serve --help
```

| exit code | means |
|---|---|
| 0 | done |
| 1 | the command's own "no", which stands below |
| 2 | wrong usage, or something of the bench is not as it must be: one line says what, and what mends it |
| 130 | interrupted by Ctrl-C |
| 141 | whoever read the output (`head`, `less`) has gone |
"""

_PYTEST = """
## pytest

| exit code | means |
|---|---|
| 0 | nothing failed; with `--gate`: the gate is met |
| 1 | a scenario failed or was in error, or a board was lost; with `--gate`: it is not met |
| 2 | interrupted; with `--gate`: no verdict |
| 4 | wrong usage: no such board, no such file |
| 5 | no scenario was selected |

"""


def faults_page() -> str:
    """docs/faults.md."""
    told = dict(zip(KNOWN, fault_help(), strict=True))
    lines = [_FAULTS]
    for module, kinds in groupby(sorted(KNOWN, key=lambda kind: kind.__module__), key=lambda kind: kind.__module__):
        theme = module.rpartition(".")[2]
        lines += [f"## {theme.capitalize()}", "", f"{_first_line(module)}", ""]
        lines += ["| `--fault` | in a scenario | what happens |", "|---|---|---|"]
        lines += [f"| `{told[kind][0]}` | `{kind.__name__}` | {_cell(told[kind][1])} |" for kind in kinds]
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n" + _OWN


def command_line_page() -> str:
    """docs/command-line.md."""
    lines = [_COMMANDS]
    for title, group in COMMANDS.items():
        lines += [f"## {title}", ""]
        for name, about in group.items():
            module = importlib.import_module(f"bench.cli.{name.replace('-', '_')}")
            parser = argparse.ArgumentParser(prog="bench")
            commands = parser.add_subparsers()
            module.register(commands)
            lines += [f"### bench {name}", "", f"{about[0].upper()}{about[1:]}.", ""]
            lines += _of_parser(commands.choices[name])
            lines += [_exit_codes(module.__doc__ or ""), ""]
    return "\n".join(lines).rstrip("\n") + "\n" + _PYTEST + _pytest_options()


def _of_parser(parser: argparse.ArgumentParser) -> Iterator[str]:
    """How a command is called, a table of what it takes, and the same for each of its actions."""
    nested = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    rows = [one for one in parser._actions if one not in nested and "--help" not in one.option_strings]
    words = [_invocation(one) for one in rows if one.required or not one.option_strings]
    if not nested:
        optional = ["[OPTION …]"] if any(one.option_strings and not one.required for one in rows) else []
        yield from (f"`{' '.join([parser.prog, *optional, *words])}`", "")
    if rows:
        yield from ("| | |", "|---|---|")
        for one in rows:
            told = parser._get_formatter()._expand_help(one) if one.help else _default(one)
            yield f"| `{_cell(_invocation(one))}` | {_cell(told)} |"
        yield ""
    for one in nested:
        about = {choice.dest: choice.help or "" for choice in one._choices_actions}
        for name, below in one.choices.items():
            yield from (f"**{below.prog}**: {about.get(name, '')}", "")
            yield from _of_parser(below)


def _invocation(action: argparse.Action) -> str:
    """An option or argument as it is typed; not argparse's own way, which is another in each release of Python."""
    if action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
        return ", ".join(action.option_strings)
    choices = "|".join(map(str, action.choices)) if action.choices is not None else ""
    what = action.metavar or choices or action.dest.upper()
    assert isinstance(what, str)
    if action.option_strings:
        return f"{', '.join(action.option_strings)} {what}"
    return {"*": f"[{what} …]", "+": f"{what} …", "?": f"[{what}]"}.get(str(action.nargs), what)


def _default(action: argparse.Action) -> str:
    return "" if action.default in (None, False, argparse.SUPPRESS) else f"default: {action.default}"


def _exit_codes(docstring: str) -> str:
    """The paragraph in which a command tells its exit codes, from that word on."""
    found = re.search(r"Exit codes?\b.*?(?=\n\n|\Z)", docstring, re.DOTALL)
    if found is None:
        return "Exit code 0 when it is done, 2 with one line that says what is wrong."
    return " ".join(found[0].split()).replace("``", "`")


def _pytest_options() -> str:
    parser = pytest.Parser(_ispytest=True)
    for theme in THEMES:
        module = importlib.import_module(f"fixtures.{theme}")
        if add := getattr(module, "pytest_addoption", None):
            add(parser)
    rows = ["| option | |", "|---|---|"]
    for option in sorted(parser.getgroup("ota-bench").options, key=lambda one: tuple(one.names())):
        attributes = option.attrs()
        metavar = attributes.get("metavar") or "|".join(attributes.get("choices") or ())
        called = f"{', '.join(option.names())}{f' {metavar}' if metavar else ''}"
        rows.append(f"| `{_cell(called)}` | {_cell(str(attributes.get('help') or ''))} |")
    return "\n".join(rows) + "\n"


def _first_line(module: str) -> str:
    return (inspect.getdoc(importlib.import_module(module)) or "").split("\n\n")[0].replace("\n", " ")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGES = {"faults.md": faults_page, "command-line.md": command_line_page}
"""Every page that is written from the code, by its name in docs/."""


if __name__ == "__main__":
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page(), encoding="utf-8")
