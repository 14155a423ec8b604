"""The lab breaks down under a scenario: its port goes in the middle of a line, or the server's port is taken."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path

import pytest

from bench.boards.console_port import ConsolePort
from bench.console import Console
from bench.errors import BoardLost
from bench.ota import Tap
from bench.report.evidence import Evidence
from bench.timeline import Deadline, Timeline, happened, read_jsonl
from tests.fixtures.runs import run_pytest

_SAID = b"I (12) app_init: App version:      1\r\nI (13) advanced_https_ota_example: OTA star"


def test_a_port_that_goes_in_the_middle_of_a_line_is_a_lost_board(tmp_path: Path) -> None:
    threads = threading.active_count()
    master, slave = os.openpty()
    with Timeline() as timeline:
        with Evidence(tmp_path) as evidence:
            evidence.attach(timeline)
            tap = Tap(Console(timeline), evidence, timeline)
            with ConsolePort(os.ttyname(slave), tap.feed, when_lost=tap.lost):
                os.close(slave)
                os.write(master, _SAID)
                timeline.wait(happened("console", "record"), Deadline(20))
                os.close(master)
                with pytest.raises(BoardLost, match="is gone"):
                    timeline.wait(happened("never", "comes"), Deadline(20))
            tap.close()
        kinds = [entry.kind for entry in timeline.entries]
        assert kinds.count("board_lost") == 1
        assert "event" not in kinds, "half a line was taken for the event that it may have become"
    assert (tmp_path / "console.raw").read_bytes() == _SAID
    with (tmp_path / "timeline.jsonl").open(encoding="ascii", newline="\n") as lines:
        assert [entry.kind for entry in read_jsonl(lines)] == kinds
    assert threading.active_count() == threads


_TAKEN = '''
import dataclasses

import pytest


@pytest.fixture
def firmware(firmware):
    """Firmware that has its URL compiled in, and with it the port that the server is to take."""
    return dataclasses.replace(firmware, url="https://127.0.0.1:%d/app.bin")


def test_told(ota, release):
    """The port is taken by another program."""
    ota.start(release.version("2"))


def test_without_a_server(attachment):
    """What does not need it goes on."""
'''


def test_a_server_port_that_is_taken_is_an_error_that_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = run_pytest(tmp_path / "project", "--board", "virtual-esp32c3", scenarios=_TAKEN % port)
    assert run.exit_code == pytest.ExitCode.TESTS_FAILED
    outcome, said = run.cases["test_told"]
    assert outcome == "error"
    assert f"cannot listen on 127.0.0.1, port {port}: it is in use; end the other program" in said
    assert run.cases["test_without_a_server"][0] == "passed"
    (path,) = (path for path in run.folder.glob("evidence/*/*/*/outcome.json") if "test_told" in path.parent.name)
    told = json.loads(path.read_text())
    assert told["outcome"] == "error"
    assert "it is in use" in told["cause"]
