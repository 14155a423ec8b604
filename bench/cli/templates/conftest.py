"""The bench's fixtures and options, for the scenarios beside this file; `bench doctor` says if they cannot be found."""

pytest_plugins = ["bench.fixtures"]
