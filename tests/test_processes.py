"""A child that is to end with its parent does, also where the parent was gone before it began."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs prctl, which only Linux has")

_CHILD = """
import os, sys, time
from bench.processes import end_with_parent
end_with_parent(int(sys.argv[1]) or os.getppid())
print(os.getpid(), flush=True)
time.sleep(600)
"""

_PARENT = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {_CHILD!r}, "0"]).wait()
"""


def test_a_child_ends_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        watch = os.pidfd_open(child)
        parent.kill()
        ended, _, _ = select.select([watch], [], [], 30)
        os.close(watch)
    assert ended == [watch]


def test_a_child_whose_parent_is_gone_already_ends_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", _CHILD, "1"], capture_output=True, timeout=30, check=False)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == b""
