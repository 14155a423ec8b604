"""Tests of the bench itself, a tree like bench/."""
