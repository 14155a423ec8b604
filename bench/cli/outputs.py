"""What may be written over: a file of the same kind, and nothing that the command itself reads."""

from __future__ import annotations

from pathlib import Path

from bench.errors import BenchError

__all__ = ["check_page", "check_zip", "refuse_inputs"]

_HEAD = 1024


def check_page(path: Path, *inputs: Path) -> None:
    """Refuse to write an HTML page there, where anything but a page stands already.

    Raises:
        BenchError: it is one of the inputs, no file at all, or a file of another kind
    """
    _check(path, inputs, "HTML page", (b"<!doctype html", b"<html"))


def check_zip(path: Path, *inputs: Path) -> None:
    """The same for a zip file."""
    _check(path, inputs, "zip file", (b"pk\x03\x04", b"pk\x05\x06"))


def refuse_inputs(path: Path, *inputs: Path) -> None:
    """Refuse to write over what is read.

    Raises:
        BenchError: it is one of the inputs
    """
    for one in inputs:
        if path.exists() and one.exists() and path.samefile(one):
            raise BenchError(f"{path} is read by this command, and would be written over: name another file to write")


def _check(path: Path, inputs: tuple[Path, ...], kind: str, begins: tuple[bytes, ...]) -> None:
    refuse_inputs(path, *inputs)
    if not path.exists():
        return
    if not path.is_file():
        raise BenchError(f"{path} is no file: name one to write the {kind} to")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror}; name another file to write") from None
    if head and not head.lstrip().lower().startswith(begins):
        raise BenchError(f"{path} is there already, and is no {kind}: remove it, or name another file to write")
