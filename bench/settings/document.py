"""A YAML file as a tree of nodes.

The YAML is *composed*, never constructed: nodes carry their line numbers, aliases are not expanded (so a "billion
laughs" file stays as small as it is), and no Python object is ever built from a tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.errors import SettingsError
from bench.settings.kinds import Kind, Place
from bench.settings.record import Record

__all__ = ["MAX_BYTES", "Document"]

MAX_BYTES = 1 << 20
"""A file larger than this (1 MiB) is a mistake; it is refused before it is parsed."""


@dataclass(frozen=True, slots=True)
class Document:
    """What kind of file is read: its name in messages, and the exception that its mistakes are raised as."""

    noun: str
    error: type[SettingsError] = SettingsError

    def load(self, path: Path, kind: Kind) -> Record:
        """Read a file. Raises `error` for anything that is not a valid one."""
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise self.error(str(path), 1, "file", f"cannot be read: {error.strerror}") from None
        return self.parse(data, str(path), kind)

    def parse(self, data: bytes, path: str, kind: Kind) -> Record:
        """Parse the bytes of a file; `path` is used in messages only."""
        value = kind.read(self._compose(data, path), Place(path, "", self.error))
        assert isinstance(value, Record)
        return value

    def _compose(self, data: bytes, path: str) -> yaml.Node:
        if len(data) > MAX_BYTES:
            raise self.error(path, 1, "file", f"is larger than {MAX_BYTES} bytes; is it a {self.noun}?")
        try:
            node = yaml.compose(data.decode("utf-8"), Loader=yaml.SafeLoader)
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise self.error(path, line, "file", "is not UTF-8; save it as UTF-8") from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            raise self.error(path, line, "file", f"is not YAML: {error.problem or error.context}") from None
        except yaml.YAMLError as error:
            raise self.error(path, 1, "file", f"is not YAML: {str(error).splitlines()[0]}") from None
        except RecursionError:
            raise self.error(path, 1, "file", f"is nested too deeply to be a {self.noun}") from None
        if node is None:
            raise self.error(path, 1, "file", f"the file is empty; a {self.noun} is expected")
        return node
