"""A YAML file as a tree of nodes.

The YAML is *composed*, never constructed: nodes carry their line numbers, and no Python object is ever built from a
tag. An alias is the node that it stands for, and that is read anew wherever it stands: a file whose aliases stand for
more than any file may hold (a "billion laughs") is refused before it is read.
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
            node = self._parsed(data.decode("utf-8"), path)
            self._bound(node, path)
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
        return node

    def _parsed(self, text: str, path: str) -> yaml.Node:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
        except (ValueError, OverflowError) as error:
            # PyYAML leaves it to chr() and int() to judge escapes (`"\UFFFFFFFF"`) and versions (`%YAML 1.1`).
            problem = f"is not YAML: an escape or a version that is none ({error}); write the character itself"
            raise self.error(path, loader.line + 1, "file", problem) from None
        finally:
            loader.dispose()
        if node is None:
            raise self.error(path, 1, "file", f"the file is empty; a {self.noun} is expected")
        return node

    def _bound(self, root: yaml.Node, path: str) -> None:
        """Refuse what is larger than a file may be once its aliases are written out, or has no end."""
        sizes: dict[int, int] = {}

        def size(node: yaml.Node) -> int:
            known = sizes.get(id(node))
            if known is not None:
                return known
            sizes[id(node)] = MAX_BYTES + 1  # until it is known; one that holds itself has no end
            if isinstance(node, yaml.MappingNode):
                result = 1 + sum(size(key) + size(value) for key, value in node.value)
            elif isinstance(node, yaml.SequenceNode):
                result = 1 + sum(size(item) for item in node.value)
            else:
                result = max(len(node.value), 1)
            if result > MAX_BYTES:
                problem = f"holds more than {MAX_BYTES} bytes once its aliases (`*name`) are written out; use fewer"
                raise self.error(path, node.start_mark.line + 1, "file", problem)
            sizes[id(node)] = result
            return result

        size(root)
