"""Wi-Fi credentials: found where boards.yaml points, typed when asked for, and shown nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.boards.board import Board, WifiSecrets
from bench.boards.wifi import ASKED, Answerer, Credentials
from bench.errors import BenchError

FROM_ENV = WifiSecrets(ssid_env="LAB_SSID", password_env="LAB_PASSWORD")
ENV = {"LAB_SSID": "lab", "LAB_PASSWORD": "correct-horse"}


def of(wifi: WifiSecrets | None, env: dict[str, str] = ENV, repository: Path = Path("/nonesuch")) -> Credentials | None:
    return Credentials.of(Board("desk", "esp32", "serial", "/dev/x", wifi=wifi), env, repository)


def test_they_come_from_the_environment() -> None:
    assert of(FROM_ENV) == Credentials("lab", "correct-horse")
    assert of(WifiSecrets(ssid_env="LAB_SSID")) == Credentials("lab")
    assert of(None) is None


def test_they_come_from_a_file_outside_the_repository(tmp_path: Path) -> None:
    secrets = tmp_path / "wifi.yaml"
    secrets.write_text("ssid: lab\npassword: correct-horse\n")
    assert of(WifiSecrets(file=str(secrets))) == Credentials("lab", "correct-horse")
    with pytest.raises(BenchError, match="lies in the repository"):
        of(WifiSecrets(file=str(secrets)), repository=tmp_path)
    secrets.write_text("ssid: lab\npasword: correct-horse\n")
    with pytest.raises(BenchError, match=r"wifi\.file: .*wifi\.yaml:2: pasword: .*did you mean 'password'") as caught:
        of(WifiSecrets(file=str(secrets)))
    assert "correct-horse" not in str(caught.value)


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"LAB_SSID": "lab"}, "network.wifi.password: the environment variable LAB_PASSWORD is not set"),
        ({"LAB_SSID": "my lab", "LAB_PASSWORD": "x"}, "network.wifi.ssid: holds a blank"),
    ],
)
def test_what_is_missing_or_cannot_be_typed_is_named(env: dict[str, str], says: str) -> None:
    with pytest.raises(BenchError, match=says) as caught:
        of(FROM_ENV, env)
    assert "my lab" not in str(caught.value)


def test_they_are_not_shown() -> None:
    found = Credentials("lab", "correct-horse")
    assert "correct" not in repr(found)
    assert found.secrets == {"wifi ssid": b"lab", "wifi password": b"correct-horse"}
    assert Credentials("lab").answer == b"lab\n"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_they_are_typed_once_each_time_they_are_asked_for(size: int) -> None:
    typed: list[bytes] = []
    answerer = Answerer(Credentials("lab", "correct-horse"), typed.append)
    console = (b"I (400) example_connect: " + ASKED + b"\nI (500) wifi: up\n") * 2
    for at in range(0, len(console), size):
        answerer.feed(console[at : at + size])
    assert typed == [b"lab correct-horse\n"] * 2
