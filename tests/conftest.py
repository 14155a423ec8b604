"""What holds for all tests of the bench."""

from __future__ import annotations

import signal

from hypothesis import settings

# A machine with other things to do takes its time: how long an example takes says nothing about the code.
settings.register_profile("bench", deadline=None, print_blob=True)
settings.load_profile("bench")


def pytest_configure() -> None:
    """Hear Ctrl-C, here and in what the tests start, also where a shell has put the whole run into its background.

    What such a shell starts ignores SIGINT, and so does all that it starts in turn.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
