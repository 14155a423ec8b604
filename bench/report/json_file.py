"""Small JSON files: replaced whole, or written over in one piece, whenever the process that does so is killed."""

from __future__ import annotations

import json
import os
from pathlib import Path

__all__ = ["replace_json", "rewrite_json"]

_AT_ONCE = 4096
"""Bytes that are written in one piece, whenever the process is killed: Linux asks for that between two pages only
(`generic_perform_write`)."""


def replace_json(path: Path, value: object) -> None:
    """Write a JSON file, or replace it whole; where that cannot be, nothing is left of the attempt."""
    _replace(path, _readable(value).encode("ascii"))


def rewrite_json(path: Path, value: object) -> None:
    """Write a JSON file, for the first time or again, now that more is known: as `replace_json` does, for less.

    To make a file and give it another's name costs twice as much as to make it, and thirty times as much as to write
    over it. So that is done where the new text is no shorter than the old one and can be written in one piece. Who is
    killed when the file was just made leaves it empty: that tells nothing, and is said to be damaged.
    """
    data = _readable(value).encode("ascii")
    if len(data) > _AT_ONCE or not _written_over(path, data):
        _replace(path, data)


def _written_over(path: Path, data: bytes) -> bool:
    """Whether it could be written in place; where it could not, what was there is there."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        return False
    before = None
    try:
        before = os.fstat(file).st_size
        return before <= len(data) and os.write(file, data) == len(data)
    except OSError:
        if before == 0:
            path.unlink(missing_ok=True)
        return False
    finally:
        os.close(file)


def _replace(path: Path, data: bytes) -> None:
    whole = path.with_name(f".{path.name}.new")
    try:
        whole.write_bytes(data)
        whole.replace(path)
    except OSError:
        whole.unlink(missing_ok=True)
        raise


def _readable(value: object) -> str:
    """JSON with a line for each member. With its `indent`, `json` takes ten times as long: it leaves its C encoder."""
    if isinstance(value, dict) and value:
        return "{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in value.items()) + "\n}\n"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"  {json.dumps(one)}" for one in value) + "\n]\n"
    return json.dumps(value) + "\n"
