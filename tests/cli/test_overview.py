"""`bench --help` is a table of contents, and costs nothing."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from bench.cli import COMMANDS, main

NAMES = [name for group in COMMANDS.values() for name in group]


def test_the_help_names_every_command_with_a_line_about_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for title, group in COMMANDS.items():
        assert f"{title}:" in shown
        for name, told in group.items():
            assert any(line.split() == [name, *told.split()] for line in shown.splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_there_and_tells_its_usage(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert hasattr(import_module(f"bench.cli.{name.replace('-', '_')}"), "register")
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: bench {name} ")


def test_an_unknown_command_is_a_usage_error_that_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serv"])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "'serv'" in told
    assert all(f"'{name}'" in told for name in NAMES)


def test_no_command_is_imported_for_the_help() -> None:
    code = (
        "import sys\nfrom bench.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "sys.exit(any(name.startswith('bench.cli.') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30).returncode == 0
