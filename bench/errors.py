"""The bench's exceptions. The type says whose fault it was, and so how pytest reports it.

    BenchError                    the bench, its set-up or the lab is at fault   -> *error*
    ├── SettingsError             a YAML file of the user's: line, field, what was expected
    │   ├── BoardsFileError       boards.yaml
    │   └── DialectError          a dialect file
    ├── Inexpressible             a dialect has no words for what a scenario wants      -> *skipped*
    ├── FormatError               image, partition table, otadata ...: offset, what was found
    ├── BuildError                a build directory that is incomplete or contradicts itself
    ├── BoardLost                 the port is gone, or the board says nothing
    ├── BoardBusy                 somebody else holds the board: who, since when
    ├── UnsafeOperation           it would burn an eFuse or brick a real board
    ├── FlashingFailed            command and output
    └── ServerError               the OTA server cannot do what it was asked (port, file, address)
    ExpectationFailed             the firmware is at fault (an AssertionError)   -> *failed*

Bytes *read back* from a board that do not parse are the firmware's fault: whoever reads them turns the
`FormatError` into an `ExpectationFailed`.
"""

from __future__ import annotations

__all__ = [
    "BenchError",
    "BoardBusy",
    "BoardLost",
    "BoardsFileError",
    "BuildError",
    "DialectError",
    "ExpectationFailed",
    "FlashingFailed",
    "FormatError",
    "Inexpressible",
    "ServerError",
    "SettingsError",
    "UnsafeOperation",
]


class BenchError(Exception):
    """The bench, its set-up or the lab is at fault; the firmware was not judged."""


class FormatError(BenchError):
    """Bytes that are not what they should be.

    Args:
        subject: what was being read, e.g. ``"ESP-IDF image"``
        offset: byte offset of the offending field from the start of the subject
        found: what stands there
        expected: what should stand there, or how to mend it
    """

    def __init__(self, subject: str, offset: int, found: str, expected: str) -> None:
        super().__init__(f"{subject}: at offset 0x{offset:x}: found {found}; expected {expected}")
        self.subject = subject
        self.offset = offset
        self.found = found
        self.expected = expected


class SettingsError(BenchError):
    """A YAML file that a user wrote is not valid: file, line (from 1), field and the mend."""

    def __init__(self, path: str, line: int, field: str, problem: str) -> None:
        super().__init__(f"{path}:{line}: {field}: {problem}")
        self.path = path
        self.line = line
        self.field = field
        self.problem = problem


class BoardsFileError(SettingsError):
    """boards.yaml is not valid."""


class DialectError(SettingsError):
    """A dialect file is not valid."""


class Inexpressible(BenchError):
    """The firmware's dialect has no words for what a scenario wants: it is skipped, with this as the reason."""


class BuildError(BenchError):
    """A build directory is incomplete or contradicts itself; the message names the file."""


class BoardLost(BenchError):
    """The board's port is gone, or it says nothing at all."""


class BoardBusy(BenchError):
    """Somebody else holds the board."""


class UnsafeOperation(BenchError):
    """Refused: it would do something irreversible to a real board."""


class FlashingFailed(BenchError):
    """A flashing command failed; the message holds the command and its output."""


class ServerError(BenchError):
    """The OTA server cannot do what it was asked."""


class ExpectationFailed(AssertionError):
    """The firmware did not keep a promise."""
