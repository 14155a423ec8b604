"""Run an emulator that ends when the bench does, however that ended: ``python emulator_guard.py FD COMMAND...``.

FD is the reading end of a pipe whose other end only the bench has. When it closes, the emulator is killed. Signals of
the process group are the emulator's own affair, and its exit code is this process's. Imports nothing of the bench.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def main(watched: int, command: list[str]) -> int:
    """Run the command until it or the bench ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # A handler, and not SIG_IGN, which the emulator would inherit.
        signal.signal(number, lambda *_: None)
    try:
        process = subprocess.Popen(command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127

    def watch() -> None:
        while os.read(watched, 1):
            pass
        process.kill()

    threading.Thread(target=watch, daemon=True).start()
    return process.wait()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
