"""Evidence: whole, whatever happens, and honest about what it could not keep."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.report import Evidence
from bench.report.firmware_store import KeptImage
from bench.timeline import Deadline, Timeline, happened, read_jsonl


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def test_it_keeps_all_of_a_scenario(tmp_path: Path) -> None:
    timeline = Timeline()
    timeline.append("bench", "begin")
    with Evidence(tmp_path / "a" / "b") as evidence:
        evidence.attach(timeline)
        evidence.console(b"rst:0x1\r\n\xff\x00")
        evidence.console(b"more")
        evidence.flashed([KeptImage.of("app.bin", b"image")])
        timeline.append("server", "release", path="/2.bin", url="u", size=3, sha256="abc", chunked=False, faults=[])
        for number, method in ((1, "GET"), (2, "HEAD")):
            headers = {"host": "h"}
            timeline.append("server", "request", connection=1, request=number, method=method, headers=headers)
        timeline.append("server", "response", connection=1, request=1, status=200, announced=3, sent=3, complete=True)
        evidence.outcome("failed", reason="because")
    timeline.append("bench", "afterwards")

    folder = tmp_path / "a" / "b"
    assert (folder / "console.raw").read_bytes() == b"rst:0x1\r\n\xff\x00more"
    with (folder / "timeline.jsonl").open(encoding="ascii") as file:
        assert read_jsonl(file) == timeline.entries[:-1]
    answered, unanswered = lines(folder / "requests.jsonl")
    assert answered["method"] == "GET"
    assert answered["status"] == 200
    assert answered["headers"] == {"host": "h"}
    assert unanswered["method"] == "HEAD"
    assert "status" not in unanswered
    assert json.loads((folder / "images.json").read_text()) == [
        {"role": "flashed", "name": "app.bin", "size": 5, "sha256": hashlib.sha256(b"image").hexdigest()},
        {"role": "published", "name": "/2.bin", "size": 3, "sha256": "abc"},
    ]
    assert json.loads((folder / "outcome.json").read_text()) == {"outcome": "failed", "reason": "because"}
    assert {path.name for path in folder.iterdir()} == {
        *("console.raw", "timeline.jsonl", "requests.jsonl", "images.json", "outcome.json")
    }


_SOURCE = """\
import sys, time
from pathlib import Path
from bench.report import Evidence
from bench.report.firmware_store import KeptImage
from bench.timeline import Timeline

timeline, evidence = Timeline(), Evidence(Path(sys.argv[1])).open()
evidence.attach(timeline)
for number in range(100):
    evidence.console(b"line %d\\n" % number)
    timeline.append("bench", "step", number=number)
evidence.flashed([KeptImage.of("app.bin", b"x")])
print("said", flush=True)
"""


@contextlib.contextmanager
def source(folder: Path, then: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has put a hundred things into its evidence, and then goes on as told."""
    with subprocess.Popen([sys.executable, "-c", _SOURCE + then, folder], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"said\n"
            yield process
        finally:
            process.kill()


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_what_was_kept_is_there_when_the_process_is_killed(tmp_path: Path) -> None:
    with source(tmp_path, "time.sleep(600)") as process:
        images = tmp_path / "images.json"
        until(lambda: images.exists() and json.loads(images.read_text()) != [])
        process.kill()
    assert (tmp_path / "console.raw").read_bytes().count(b"\n") == 100
    assert [line["index"] for line in lines(tmp_path / "timeline.jsonl")] == list(range(100))
    assert not (tmp_path / "outcome.json").exists()


def test_a_process_killed_while_it_tells_leaves_lines_in_order(tmp_path: Path) -> None:
    endless = "while True:\n    timeline.append('bench', 'step', filling='x' * 500)\n    time.sleep(0.0002)\n"
    with source(tmp_path, endless) as process:
        until(lambda: (tmp_path / "timeline.jsonl").stat().st_size > 200_000)
        process.kill()
    with (tmp_path / "timeline.jsonl").open(encoding="ascii") as file:
        entries = read_jsonl(file)
    assert [entry.index for entry in entries] == list(range(len(entries)))
    assert len(entries) > 200


def test_closing_writes_at_once(tmp_path: Path) -> None:
    timeline = Timeline()
    with Evidence(tmp_path) as evidence:
        evidence.attach(timeline)
        timeline.append("bench", "step")
        evidence.console(b"last words")
    assert len(lines(tmp_path / "timeline.jsonl")) == 1
    assert (tmp_path / "console.raw").read_bytes() == b"last words"
    assert not [thread for thread in threading.enumerate() if thread.name == "evidence"]


def test_an_outcome_comes_after_all_that_led_to_it(tmp_path: Path) -> None:
    timeline = Timeline()
    with Evidence(tmp_path) as evidence:
        evidence.attach(timeline)
        timeline.append("bench", "step")
        evidence.outcome("passed")
        assert len(lines(tmp_path / "timeline.jsonl")) == 1


def test_more_can_be_told_of_an_outcome_when_all_is_closed(tmp_path: Path) -> None:
    with Evidence(tmp_path) as evidence:
        assert evidence.told == {}
        evidence.outcome("passed", board="desk")
    evidence.amend({"outcome": "error", "seconds": 1.5})
    assert evidence.told == {"outcome": "error", "board": "desk", "seconds": 1.5}
    assert json.loads((tmp_path / "outcome.json").read_bytes()) == evidence.told


def test_an_outcome_that_cannot_be_amended_stays_as_it_was(tmp_path: Path) -> None:
    with Evidence(tmp_path / "x") as evidence:
        evidence.outcome("passed")
    shutil.rmtree(tmp_path / "x")
    with pytest.raises(BenchError, match=r"cannot write the evidence .*outcome\.json"):
        evidence.amend({"seconds": 1.5})
    assert evidence.told == {"outcome": "passed"}


def test_images_are_those_that_its_file_holds(tmp_path: Path) -> None:
    timeline = Timeline()
    with Evidence(tmp_path) as evidence:
        evidence.attach(timeline)
        evidence.flashed([KeptImage.of("app.bin", b"app")])
        timeline.append("server", "release", path="/new.bin", size=3, sha256="ab")
        evidence.outcome("passed")
    assert [image["name"] for image in evidence.images] == ["app.bin", "/new.bin"]
    assert json.loads((tmp_path / "images.json").read_bytes()) == list(evidence.images)


def test_an_earlier_run_leaves_no_trace(tmp_path: Path) -> None:
    for number in range(2):
        with Evidence(tmp_path) as evidence:
            assert not (tmp_path / "outcome.json").exists()
            evidence.console(b"%d" % number)
            evidence.outcome("passed")
    assert (tmp_path / "console.raw").read_bytes() == b"1"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here to play the full disk")
def test_a_full_disk_is_an_error_of_the_bench(tmp_path: Path) -> None:
    for name in ("console.raw", "timeline.jsonl"):
        (tmp_path / name).symlink_to("/dev/full")
    timeline = Timeline()
    evidence = Evidence(tmp_path).open()
    evidence.attach(timeline)
    evidence.console(b"x")
    assert timeline.append("bench", "step").index == 0, "the source of an entry is not to blame"
    with pytest.raises(BenchError, match=r"cannot write the evidence .*console.raw: No space left"):
        evidence.close()
    evidence.close()
    timeline.append("bench", "step")


def test_a_folder_that_cannot_be_is_an_error_of_the_bench(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match="cannot write the evidence"):
        Evidence(tmp_path / "file" / "x").open()
    (tmp_path / "timeline.jsonl").mkdir()
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    with pytest.raises(BenchError, match=r"timeline\.jsonl"):
        Evidence(tmp_path).open()
    (tmp_path / "y" / "outcome.json").mkdir(parents=True)
    with pytest.raises(BenchError, match=r"cannot write the evidence .*y"):
        Evidence(tmp_path / "y").open()
    assert before == (len(os.listdir("/proc/self/fd")) if before else 0)


def test_it_must_be_open_and_has_one_timeline(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path)
    with pytest.raises(BenchError, match="not open"):
        evidence.console(b"x")
    with evidence:
        evidence.attach(Timeline())
        with pytest.raises(BenchError, match="already"):
            evidence.attach(Timeline())
    with pytest.raises(BenchError, match="not open"):
        evidence.console(b"x")


def test_entries_from_many_threads_are_whole_lines_in_order(tmp_path: Path) -> None:
    timeline = Timeline()
    with Evidence(tmp_path) as evidence:
        evidence.attach(timeline)

        def work() -> None:
            for number in range(200):
                timeline.append("bench", "step", number=number, filling="x" * 200)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [line["index"] for line in lines(tmp_path / "timeline.jsonl")] == list(range(800))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here to play the full disk")
def test_what_was_not_kept_has_not_passed_and_nobody_waits_on(tmp_path: Path) -> None:
    (tmp_path / "console.raw").symlink_to("/dev/full")
    evidence = Evidence(tmp_path).open()
    with Timeline() as timeline:
        evidence.attach(timeline)
        evidence.console(b"gone")
        with pytest.raises(BenchError, match="No space left"):
            timeline.wait(happened("never", "comes"), Deadline(20))
        evidence.outcome("passed", cause=None)
        with pytest.raises(BenchError, match="No space left"):
            evidence.close()
    told = json.loads((tmp_path / "outcome.json").read_text())
    assert told["outcome"] == "error"
    assert "No space left" in told["cause"]
