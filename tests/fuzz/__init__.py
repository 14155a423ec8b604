"""Seeded fuzzing of every parser and every listener: a short run with the unit tests, a long one by `tox -e fuzz`.

``python -m tests.fuzz --help`` tells how. A finding is printed with the command that replays exactly it.
"""
