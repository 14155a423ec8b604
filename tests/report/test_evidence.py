"""Evidence: whole, whatever happens, and honest about what it could not keep."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.report import Evidence
from bench.timeline import Timeline, read_jsonl


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def test_it_keeps_all_of_a_scenario(tmp_path: Path) -> None:
    timeline = Timeline()
    timeline.append("bench", "begin")
    with Evidence(tmp_path / "a" / "b") as evidence:
        evidence.attach(timeline)
        evidence.console(b"rst:0x1\r\n\xff\x00")
        evidence.console(b"more")
        evidence.image("app.bin", b"image")
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


def test_what_was_kept_is_there_when_the_process_is_killed(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from bench.report import Evidence\n"
        "from bench.timeline import Timeline\n"
        "timeline, evidence = Timeline(), Evidence(Path(sys.argv[1])).open()\n"
        "evidence.attach(timeline)\n"
        "for number in range(100):\n"
        "    evidence.console(b'line %d\\n' % number)\n"
        "    timeline.append('bench', 'step', number=number)\n"
        "evidence.image('app.bin', b'x')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "console.raw").read_bytes().count(b"\n") == 100
    assert [line["index"] for line in lines(tmp_path / "timeline.jsonl")] == list(range(100))
    assert len(json.loads((tmp_path / "images.json").read_text())) == 1
    assert not (tmp_path / "outcome.json").exists()


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
    with pytest.raises(BenchError, match=r"cannot write the evidence .*console.raw: No space left"):
        evidence.console(b"x")
    assert timeline.append("bench", "step").index == 0, "the source of an entry is not to blame"
    with pytest.raises(BenchError, match=r"timeline.jsonl: No space left"):
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
