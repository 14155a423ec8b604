"""Tests of bench/ota: the words of a scenario, without pytest-embedded."""
