"""The page of a run: one self-contained HTML file that shows how every scenario went, and why."""

from __future__ import annotations

from bench.report.html.page import REPORT, write_report

__all__ = ["REPORT", "write_report"]
