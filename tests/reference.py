"""Where the reference data lies: real images and consoles kept beside the project, never inside it."""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["reference"]


def reference(name: str) -> Path:
    """The path of one reference file or folder; skips the calling test, with the reason, where it is absent."""
    path = Path(__file__).resolve().parents[2] / "shared" / "reference" / name
    if not path.exists():
        pytest.skip(f"reference data {name!r} is not here: it belongs in ../shared/reference beside the project")
    return path
