"""The code blocks of a Markdown page, and the commands in those that are for a shell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Block", "Command", "blocks_of", "commands_of"]

_FENCE = re.compile(r"^( *)```(.*)$")
_NOTE = re.compile(r"^ *<!-- *(.*?) *-->$")
_PROMPT = "$ "


@dataclass(frozen=True)
class Block:
    """A fenced block: the line of its fence (from 1), the words behind the fence, its text, the comment before it."""

    page: str
    line: int
    info: str
    text: str
    note: str

    @property
    def for_a_shell(self) -> bool:
        """Are there commands in it?"""
        return self.info in ("sh", "console")

    @property
    def not_run(self) -> str:
        """Why its commands are not run; empty where they are."""
        return self.note.removeprefix("not run:").strip() if self.note.startswith("not run:") else ""

    @property
    def exits(self) -> int:
        """The exit code of its last command, which the comment before it says where it is not 0."""
        found = re.fullmatch(r"exits (\d+)", self.note)
        return int(found[1]) if found else 0

    @property
    def file(self) -> str:
        """The file that its text is, where the fence names one: ```` ```yaml boards.yaml ````."""
        language, _, name = self.info.partition(" ")
        return name.strip() if language not in ("sh", "console") else ""


@dataclass(frozen=True)
class Command:
    """One line for the shell, and what the page shows of its output; ``…`` there stands for anything."""

    text: str
    shown: tuple[str, ...] = ()


def blocks_of(page: str, text: str) -> Iterator[Block]:
    """Every fenced block. ValueError where one is not closed."""
    lines = iter(enumerate(text.splitlines(), start=1))
    note = ""
    for number, line in lines:
        opened = _FENCE.match(line)
        if opened is None:
            found = _NOTE.match(line)
            note = found[1] if found else ""
            continue
        inside: list[str] = []
        for _, row in lines:
            if row.strip() == "```":
                break
            inside.append(row.removeprefix(opened[1]))
        else:
            raise ValueError(f"{page}:{number}: this block is not closed")
        yield Block(page, number, opened[2].strip(), "".join(f"{row}\n" for row in inside), note)
        note = ""


def commands_of(block: Block) -> tuple[Command, ...]:
    """The commands of a block for a shell: every line of ``sh``, lines behind a prompt in ``console``."""
    lines = re.sub(r"\\\n\s*", "", block.text).splitlines()
    if block.info == "sh":
        return tuple(Command(line.strip()) for line in lines if line.strip() and not line.lstrip().startswith("#"))
    commands: list[Command] = []
    for line in filter(str.strip, lines):
        if line.startswith(_PROMPT):
            commands.append(Command(line.removeprefix(_PROMPT).strip()))
        elif not commands:
            raise ValueError(f"{block.page}:{block.line}: a console begins with a prompt: $ command")
        else:
            commands[-1] = Command(commands[-1].text, (*commands[-1].shown, line.strip()))
    return tuple(commands)
