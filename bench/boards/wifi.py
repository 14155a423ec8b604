"""Wi-Fi credentials of a lab: from the environment or a file outside the repository, and onto no log.

Firmware with CONFIG_EXAMPLE_WIFI_SSID_PWD_FROM_STDIN asks for them at every boot (wifi_connect.c of
examples/common_components/protocol_examples_common): one line, name and password with a blank between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.boards.board import Board, WifiSecrets
from bench.errors import BenchError, SettingsError
from bench.settings import Document, Fields, Text

__all__ = ["ASKED", "Answerer", "Credentials"]

ASKED = b"Please input ssid password:"
"""What the firmware prints when it wants them."""

_FILE = Fields(
    "Wi-Fi credentials.",
    {"ssid": Text("The name of the network."), "password": Text("Its password; an open network has none.")},
    required=("ssid",),
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A network's name and password; neither is ever shown."""

    ssid: str = field(repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, board: Board, environment: Mapping[str, str], repository: Path) -> Credentials | None:
        """The credentials that boards.yaml points at; None where it names none.

        Raises:
            BenchError: a variable is not set, the file is not there or lies in the repository, or they cannot be typed
        """
        if board.wifi is None:
            return None
        where = f"boards.{board.name}.network.wifi"
        if board.wifi.file:
            found = _from_file(Path(board.wifi.file).expanduser(), repository, where)
        else:
            found = _from_environment(board.wifi, environment, where)
        for name, value in (("ssid", found.ssid), ("password", found.password)):
            if any(character.isspace() for character in value):
                raise BenchError(f"{where}.{name}: holds a blank, which the firmware takes for the end of it")
        return found

    @property
    def secrets(self) -> dict[str, bytes]:
        """What must be hidden, by the name that stands there instead."""
        found = {"wifi ssid": self.ssid.encode(), "wifi password": self.password.encode()}
        return {name: value for name, value in found.items() if value}

    @property
    def answer(self) -> bytes:
        """The line that the firmware reads."""
        return f"{self.ssid} {self.password}".rstrip().encode() + b"\n"


def _from_environment(wanted: WifiSecrets, environment: Mapping[str, str], where: str) -> Credentials:
    values = []
    for name, variable in (("ssid", wanted.ssid_env), ("password", wanted.password_env)):
        if variable and not environment.get(variable):
            raise BenchError(f"{where}.{name}: the environment variable {variable} is not set: export {variable}=…")
        values.append(environment.get(variable, "") if variable else "")
    return Credentials(*values)


def _from_file(path: Path, repository: Path, where: str) -> Credentials:
    if path.resolve().is_relative_to(repository.resolve()):
        raise BenchError(f"{where}.file: {path} lies in the repository; secrets belong outside of it")
    try:
        record = Document("file with Wi-Fi credentials").load(path, _FILE)
    except SettingsError as error:
        raise BenchError(f"{where}.file: {error}") from None
    return Credentials(record.text("ssid"), record.text("password"))


class Answerer:
    """Types the credentials whenever a console asks for them. `feed` takes the bytes as they come, in any chunks."""

    def __init__(self, credentials: Credentials, write: Callable[[bytes], None]) -> None:
        self._credentials = credentials
        self._write = write
        self._line = b""

    def feed(self, data: bytes) -> None:
        """Bytes of the console."""
        asked = (self._line + data).count(ASKED)
        self._line = (self._line + data)[-(len(ASKED) - 1) :]
        for _ in range(asked):
            self._write(self._credentials.answer)
