"""`bench serve --help` lists every fault."""

from __future__ import annotations

import pytest

from bench.cli import main
from bench.server.faults import KNOWN


def test_the_help_names_every_fault_with_one_line_about_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out.split("faults (")[1]
    lines = out.splitlines()
    for kind in KNOWN:
        at = next(number for number, line in enumerate(lines) if line.strip().split(":")[0] == kind.name)
        assert lines[at + 1].strip() == (kind.__doc__ or "").strip().split("\n")[0] != ""
