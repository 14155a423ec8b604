"""What holds for all tests of the bench."""

from __future__ import annotations

from hypothesis import settings

# A machine with other things to do takes its time: how long an example takes says nothing about the code.
settings.register_profile("bench", deadline=None, print_blob=True)
settings.load_profile("bench")
