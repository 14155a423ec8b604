"""Tests of bench/boards."""
