"""The wall clock is set while scenarios run, as NTP or a user does: nobody waits by it, nothing is ordered by it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.timeline import read_jsonl
from tests.fixtures.runs import Run, start_pytest

_STEPPED = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <time.h>

/* An hour and a half back, and the same forth, every few looks at it. */
static atomic_uint looks;

int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    if (!result && id == CLOCK_REALTIME && atomic_fetch_add(&looks, 1) / 7 % 2)
        now->tv_sec -= 5400;
    return result;
}
"""

_SCENARIOS = '''
import time


def test_the_clock_steps(ota, release):
    """Or the others would prove nothing."""
    seen = [time.time() for _ in range(50)]
    assert max(seen) - min(seen) > 5000
    ota.wait_for_prompt()


def test_update(ota, release):
    """An update, back and forth in time."""
    ota.start(release.version("2"))
    ota.expect_boot_after_update(version="2")


def test_refused(ota, release):
    """And one that is refused."""
    ota.start(release.version("2").truncated(180))
    ota.expect_refused("Complete headers were not received")
'''


@pytest.fixture
def stepped(tmp_path: Path) -> Path:
    """A library for LD_PRELOAD that steps the wall clock."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc) here: apt install gcc libc6-dev")
    (tmp_path / "stepped.c").write_text(_STEPPED)
    library = tmp_path / "stepped.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "stepped.c", "-ldl"], check=True)
    return library


def test_a_clock_that_is_set_changes_nothing(tmp_path: Path, stepped: Path) -> None:
    folder = tmp_path / "project"
    environment = {"LD_PRELOAD": str(stepped)}
    with start_pytest(folder, "--board", "virtual-esp32c3", scenarios=_SCENARIOS, environment=environment) as process:
        try:
            output = process.communicate(timeout=300)[0]
        finally:
            process.kill()
    run = Run(process.returncode, output, folder)
    assert run.exit_code == 0, output
    assert {outcome for outcome, _ in run.cases.values()} == {"passed"}
    folders = [path.parent for path in folder.glob("evidence/*/virtual-esp32c3/*/timeline.jsonl")]
    assert len(folders) == 3
    for scenario in folders:
        with (scenario / "timeline.jsonl").open(encoding="ascii", newline="\n") as lines:
            entries = read_jsonl(lines)
        times = [entry.at for entry in entries]
        assert times == sorted(times)
        assert 0 <= times[0] <= times[-1] < 300
        assert 0 <= json.loads((scenario / "outcome.json").read_text())["seconds"] < 300
    (report,) = folder.glob("evidence/*/report.html")
    assert report.stat().st_size
