"""The bench's fixtures and options, for the scenarios beside this file."""

pytest_plugins = ["bench.fixtures"]
