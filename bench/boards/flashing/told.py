"""What esptool says while it works: kept for the message when it fails, and its progress passed on."""

# ruff: noqa: ARG002  the arguments are those of esptool's interface

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from esptool.logger import EsptoolLogger, TemplateLogger  # type: ignore[import-untyped]  # esptool ships no types
from rich.text import Text

__all__ = ["Told", "listening"]

_KEPT = 40
_LONGEST = 2000


class Told:
    """The last lines that esptool wrote, and who wants to know how far it is."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_KEPT)
        self.progress: Callable[[int, int], None] | None = None
        """Called with how much of how many bytes went over the wire."""

    def add(self, text: str) -> None:
        """Something that it wrote."""
        self._lines.append(text)

    def __str__(self) -> str:
        return "".join(self._lines)[-_LONGEST:].strip()


@contextmanager
def listening(echo: Callable[[str], object] | None = None) -> Iterator[Told]:
    """Take esptool's place at the terminal, by the hook that it has for it; `echo` gets all it would have written.

    The logger is one for the whole process; within this, esptool writes nothing itself.
    """
    told = Told()

    class Listener(TemplateLogger):  # type: ignore[misc]  # as above; closes over what it tells: esptool may copy it
        def print(self, *args: object, end: str = "\n", **_options: object) -> None:
            text = Text.from_markup(" ".join(map(str, args))).plain + end
            told.add(text)
            if echo is not None:
                echo(text)

        def note(self, message: str) -> None:
            self.print(f"Note: {message}")

        def warning(self, message: str) -> None:
            self.print(f"Warning: {message}")

        def error(self, message: str) -> None:
            self.print(message)

        def stage(self, finish: bool = False) -> None:
            """Stages collapse on a terminal only."""

        def progress_bar(
            self, cur_iter: int, total_iters: int, prefix: str = "", suffix: str = "", bar_length: int = 30
        ) -> None:
            if told.progress is not None:
                told.progress(cur_iter, total_iters)

        def set_verbosity(self, verbosity: str) -> None:
            """Everything is kept."""

    esptools_own = EsptoolLogger()
    esptools_own.set_logger(Listener())
    try:
        yield told
    finally:
        esptools_own.set_logger(esptools_own)
