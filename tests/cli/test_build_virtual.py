"""``bench build-virtual`` on the command line: what its help names, and how wrong usage is told."""

from __future__ import annotations

import pytest

from bench.cli import main
from bench.images import Behaviour


def test_the_help_names_every_way_to_fail(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["build-virtual", "--help"])
    assert ended.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    ways = ", ".join(one for one in Behaviour if one)
    assert ways.count(", ") > 5
    assert f"way to fail (default: none): {ways} --defect" in told


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--version", "\udcff", "'\\udcff': expected text in UTF-8"),
        ("--secure-version", "x", "'x': expected a number"),
        ("--request-size", "0", "'0': expected at least 1"),
    ],
)
def test_wrong_usage_is_told_what_is_expected(
    option: str, value: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--chip", "esp32", "--app", "native_ota", "--version", "1", "--out", "none", option, value]
    with pytest.raises(SystemExit) as ended:
        main(["build-virtual", *words])
    assert ended.value.code == 2
    assert f"argument {option}: {expected}" in capsys.readouterr().err
