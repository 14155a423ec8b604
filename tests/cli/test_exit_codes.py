"""Exit codes where the output goes nowhere: a reader that has gone, a full disk, streams that are closed.

The commands run as users run them: with an output that is buffered.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.images.samples import small_app

PROGRAM = "import sys; from bench.cli import main; sys.exit(main(sys.argv[1:]))"


def run(folder: Path, redirection: str, *words: str, stdout: int = subprocess.PIPE) -> tuple[int, str]:
    """The exit code of ``bench WORDS REDIRECTION``, and what was said on stderr."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run(
        ["bash", "-c", f'exec "$@" {redirection}', "bench", sys.executable, "-c", PROGRAM, *words],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.bin").write_bytes(small_app().to_bytes())
    (tmp_path / "console.log").write_bytes(b"I (1) app: hello\r\n")
    return tmp_path


SPEAKING = (
    ["--help"],
    ["image", "inspect", "--help"],
    ["image", "inspect", "app.bin"],
    ["boards", "schema"],
    ["console", "parse", "console.log"],
)


@pytest.mark.parametrize("words", SPEAKING, ids=" ".join)
def test_a_reader_that_has_gone_is_141(folder: Path, words: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        assert run(folder, "", *words, stdout=write) == (141, "")
    finally:
        os.close(write)


@pytest.mark.parametrize("words", SPEAKING, ids=" ".join)
def test_a_full_disk_is_2_with_the_reason(folder: Path, words: list[str]) -> None:
    assert run(folder, "> /dev/full", *words) == (2, "bench: [Errno 28] No space left on device\n")


@pytest.mark.parametrize("words", SPEAKING, ids=" ".join)
def test_an_output_that_is_closed_is_one_that_nobody_wants(folder: Path, words: list[str]) -> None:
    code, told = run(folder, ">&-", *words)
    assert (code, "Traceback" in told) == (0, False)


def test_an_input_that_is_closed_is_empty(folder: Path) -> None:
    assert run(folder, "<&-", "console", "parse", "-") == (0, "")


def test_the_reason_is_said_also_where_nobody_reads_the_output(folder: Path) -> None:
    assert run(folder, "> /dev/full", "image", "inspect", "none.bin") == (
        2,
        "bench: none.bin: No such file or directory\n",
    )
