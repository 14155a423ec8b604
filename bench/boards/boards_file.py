"""boards.yaml: read and checked; every complaint names the line, the field and the mend.

The YAML is *composed*, never constructed: nodes carry their line numbers, aliases are not expanded (so a
"billion laughs" file stays as small as it is), and no Python object is ever built from a tag.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

import yaml

from bench.boards.board import CHIPS, DRIVERS, Board
from bench.errors import BoardsFileError

__all__ = ["MAX_BYTES", "BoardsFile"]

MAX_BYTES = 1 << 20
"""A boards.yaml larger than this (1 MiB) is a mistake; it is refused before it is parsed."""

_T = TypeVar("_T")

_NONE: tuple[str, ...] = ()

_TOP_FIELDS = ("default", "boards")
_BOARD_FIELDS = ("chip", "driver", "port", "server_host", "tags", "expendable", "firmware", "can")


@dataclass(frozen=True, slots=True)
class BoardsFile:
    """The boards of one bench, by name, and which of them is the default."""

    path: str
    boards: Mapping[str, Board]
    default: str | None

    @classmethod
    def load(cls, path: Path) -> BoardsFile:
        """Read a file. Raises `BoardsFileError` for anything that is not a valid boards.yaml."""
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise BoardsFileError(str(path), 1, "file", f"cannot be read: {error.strerror}") from None
        return cls.parse(data, path=str(path))

    @classmethod
    def parse(cls, data: bytes, *, path: str = "boards.yaml") -> BoardsFile:
        """Parse the bytes of a boards.yaml; `path` is used in messages only."""
        return _Reader(path).file(_compose(data, path))


def _compose(data: bytes, path: str) -> yaml.Node:
    if len(data) > MAX_BYTES:
        raise BoardsFileError(path, 1, "file", f"is larger than {MAX_BYTES} bytes; is it a boards.yaml?")
    try:
        node = yaml.compose(data.decode("utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BoardsFileError(path, line, "file", "is not UTF-8; save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BoardsFileError(
            path, mark.line + 1 if mark else 1, "file", f"is not YAML: {error.problem or error.context}"
        ) from None
    except yaml.YAMLError as error:
        raise BoardsFileError(path, 1, "file", f"is not YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise BoardsFileError(path, 1, "file", "is nested too deeply to be a boards.yaml") from None
    if node is None:
        raise BoardsFileError(path, 1, "boards", "the file is empty; name at least one board under `boards:`")
    return node


class _Reader:
    """Turns YAML nodes into values, with the place of every complaint."""

    def __init__(self, path: str) -> None:
        self._path = path

    def file(self, node: yaml.Node) -> BoardsFile:
        top = self._mapping(node, "file", _TOP_FIELDS)
        if "boards" not in top:
            raise self._error(node, "boards", "is missing; name at least one board under it")
        boards: dict[str, Board] = {}
        for name, (key, value) in self._pairs(top["boards"], "boards").items():
            boards[name] = self._board(name, key, value)
        if not boards:
            raise self._error(top["boards"], "boards", "names no board")
        default = None
        if "default" in top:
            default = self._text(top["default"], "default")
            if default not in boards:
                raise self._error(
                    top["default"], "default", f"names no board of this file: {default!r}{_meant(default, boards)}"
                )
        return BoardsFile(self._path, boards, default)

    def _board(self, name: str, key: yaml.Node, node: yaml.Node) -> Board:
        where = f"boards.{name}"
        fields = self._mapping(node, where, _BOARD_FIELDS)
        for needed in ("chip", "driver"):
            if needed not in fields:
                raise self._error(key, where, f"has no `{needed}:`")
        driver = self._choice(fields["driver"], f"{where}.driver", tuple(DRIVERS))
        board = Board(
            name=name,
            chip=self._choice(fields["chip"], f"{where}.chip", CHIPS),
            driver=driver,
            port=self._optional(fields, "port", where, self._text, ""),
            server_host=self._optional(fields, "server_host", where, self._text, "127.0.0.1"),
            tags=self._optional(fields, "tags", where, self._texts, _NONE),
            expendable=self._optional(fields, "expendable", where, self._bool, False),
            firmware=self._optional(fields, "firmware", where, self._text, ""),
            can=frozenset(self._optional(fields, "can", where, self._texts, _NONE)),
            line=key.start_mark.line + 1,
        )
        self._check_port(board, key, fields)
        return board

    def _check_port(self, board: Board, key: yaml.Node, fields: Mapping[str, yaml.Node]) -> None:
        where = f"boards.{board.name}"
        if board.virtual and board.port:
            raise self._error(fields["port"], f"{where}.port", "a virtual board has none; remove the line")
        if not board.virtual and not board.port:
            raise self._error(key, where, f"driver {board.driver!r} needs a `port:`")
        if board.driver == "rfc2217" and not board.port.startswith("rfc2217://"):
            raise self._error(fields["port"], f"{where}.port", "must be a URL: rfc2217://HOST:PORT")

    def _optional(
        self,
        fields: Mapping[str, yaml.Node],
        name: str,
        where: str,
        read: Callable[[yaml.Node, str], _T],
        default: _T,
    ) -> _T:
        return read(fields[name], f"{where}.{name}") if name in fields else default

    def _mapping(self, node: yaml.Node, where: str, known: tuple[str, ...]) -> dict[str, yaml.Node]:
        fields = {}
        for name, (key, value) in self._pairs(node, where).items():
            if name not in known:
                raise self._error(
                    key,
                    name if where == "file" else f"{where}.{name}",
                    f"is no field of this place{_meant(name, known)}; known are {', '.join(known)}",
                )
            fields[name] = value
        return fields

    def _pairs(self, node: yaml.Node, where: str) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node, where, f"must be a mapping (`name: …`), not {_kind(node)}")
        pairs: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            name = self._text(key, where)
            if name in pairs:
                raise self._error(key, f"{where}.{name}", "is given twice; keep one")
            pairs[name] = (key, value)
        return pairs

    def _text(self, node: yaml.Node, where: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.tag.endswith((":str", ":int", ":float")):
            raise self._error(node, where, f"must be text, not {_kind(node)}")
        if not node.value.strip():
            raise self._error(node, where, "must not be empty")
        return str(node.value)

    def _texts(self, node: yaml.Node, where: str) -> tuple[str, ...]:
        if not isinstance(node, yaml.SequenceNode):
            raise self._error(node, where, f"must be a list (`[a, b]`), not {_kind(node)}")
        return tuple(self._text(item, where) for item in node.value)

    def _bool(self, node: yaml.Node, where: str) -> bool:
        if not isinstance(node, yaml.ScalarNode) or node.tag != "tag:yaml.org,2002:bool":
            raise self._error(node, where, f"must be true or false, not {_kind(node)}")
        return node.value.lower() in ("true", "yes", "on")

    def _choice(self, node: yaml.Node, where: str, known: tuple[str, ...]) -> str:
        value = self._text(node, where)
        if value not in known:
            raise self._error(node, where, f"is {value!r}{_meant(value, known)}; known are {', '.join(known)}")
        return value

    def _error(self, node: yaml.Node, field: str, problem: str) -> BoardsFileError:
        return BoardsFileError(self._path, node.start_mark.line + 1, field, problem)


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    value = str(node.value)
    return "nothing" if not value else repr(value if len(value) <= 40 else value[:40] + "…")


def _meant(value: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    near = get_close_matches(value, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
