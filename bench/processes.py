"""Child processes that do not outlive their parent, whatever it dies of."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

__all__ = ["end_with_parent"]

_PR_SET_PDEATHSIG = 1
"""linux/prctl.h"""


def end_with_parent(parent: int) -> None:
    """From now on the kernel kills this process when the one that started it dies; SIGKILL included.

    To be called by the child, in its main thread. Linux only; elsewhere it does nothing.

    Args:
        parent: process id of the parent; where that is gone already, the process ends here and now
    """
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
