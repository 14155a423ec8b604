"""What a run leaves behind."""

from __future__ import annotations

from bench.report.evidence import Evidence

__all__ = ["Evidence"]
