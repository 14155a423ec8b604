"""What became of every scenario in every run, kept in one SQLite file, and the questions that it answers."""

from __future__ import annotations

from bench.report.history.page import write_page
from bench.report.history.questions import BoardHealth, News, Rate, news, rates, sick_boards
from bench.report.history.store import History, Result

__all__ = ["BoardHealth", "History", "News", "Rate", "Result", "news", "rates", "sick_boards", "write_page"]
