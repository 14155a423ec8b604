"""The evidence bundle: one file that proves a verdict to whoever was not there."""

from __future__ import annotations

from bench.report.bundle.checking import BundleRefused, Checked, verify_bundle
from bench.report.bundle.signing import load_private_key, load_public_key
from bench.report.bundle.writing import write_bundle

__all__ = ["BundleRefused", "Checked", "load_private_key", "load_public_key", "verify_bundle", "write_bundle"]
