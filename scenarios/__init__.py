"""Acceptance tests of over-the-air updates: each docstring is a promise, each function proves it on one board."""
