"""boards.yaml: every complaint names the line, the field and the mend."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.boards.boards_file import BoardsFile
from bench.errors import BoardsFileError
from bench.settings import MAX_BYTES

GOOD = b"""
default: model
boards:
  model:
    chip: esp32s3
    driver: virtual
  desk:
    chip: esp32
    driver: serial
    port: /dev/ttyUSB7
    server_host: 192.168.1.7
    tags: [desk, ethernet]
    can: [ethernet]
    expendable: true
"""


def test_a_valid_file_gives_its_boards_in_order() -> None:
    file = BoardsFile.parse(GOOD)
    assert list(file.boards) == ["model", "desk"]
    assert file.default == "model"
    desk = file.boards["desk"]
    assert (desk.chip, desk.port, desk.tags, desk.expendable) == ("esp32", "/dev/ttyUSB7", ("desk", "ethernet"), True)
    assert desk.line == 7
    assert "ethernet" in desk.capabilities
    assert not desk.virtual
    assert file.boards["model"].virtual


def test_the_shipped_file_is_valid_and_defaults_to_a_virtual_board() -> None:
    file = BoardsFile.load(Path(__file__).resolve().parents[2] / "boards.yaml")
    assert file.default == "virtual-esp32s3"
    assert {board.chip for board in file.boards.values()} == {"esp32", "esp32c3", "esp32s3"}


@pytest.mark.parametrize(
    ("text", "line", "field", "says"),
    [
        (b"", 1, "file", "empty"),
        (b"[1, 2]", 1, "file", "mapping"),
        (b"default: x\n", 1, "file", "no `boards:`"),
        (b"boards:\n", 1, "boards", "mapping"),
        (b"boards: {}\n", 1, "boards", "names no board"),
        (b"\nbords: {}\n", 2, "bords", "did you mean 'boards'"),
        (b"boards:\n  a:\n    chip: esp33\n    driver: virtual\n", 3, "boards.a.chip", "did you mean"),
        (b"boards:\n  a:\n    driver: virtual\n", 2, "boards.a", "no `chip:`"),
        (b"boards:\n  a:\n    chip: esp32\n    driver: serial\n", 2, "boards.a", "needs a `port:`"),
        (b"boards:\n  a:\n    chip: esp32\n    driver: virtual\n    port: x\n", 5, "boards.a.port", "means nothing"),
        (b"boards:\n  a:\n    chip: esp32\n    driver: rfc2217\n    port: x\n", 5, "boards.a.port", "rfc2217://"),
        *(
            (
                f"boards:\n  a:\n    chip: esp32\n    driver: rfc2217\n    port: '{port}'\n".encode(),
                5,
                "boards.a.port",
                says,
            )
            for port, says in (
                ("rfc2217://lab", "must be a URL: rfc2217://HOST:PORT"),
                ("rfc2217://:4000", "must be a URL"),
                ("rfc2217://lab:0", "must be a URL"),
                ("rfc2217://lab:99999", "0-65535"),
                ("rfc2217://lab:x", "'x'"),
                ("rfc2217://[lab:4000", "Invalid IPv6 URL"),
            )
        ),
        *(
            (
                f"boards:\n  a:\n    chip: esp32\n    driver: serial\n    port: {port}\n".encode(),
                5,
                "boards.a.port",
                "`driver: rfc2217`",
            )
            for port in ("rfc2217://lab:4000", "socket://lab:4000", "virtual://127.0.0.1:4000")
        ),
        (b"boards:\n  a:\n    chip: esp32\n    chip: esp32\n", 4, "boards.a.chip", "twice"),
        (b"boards:\n  a:\n    chip: [esp32]\n    driver: virtual\n", 3, "boards.a.chip", "not a list"),
        (
            b"boards:\n  a:\n    chip: esp32\n    driver: virtual\n    expendable: maybe\n",
            5,
            "boards.a.expendable",
            "'maybe'",
        ),
        (b"boards:\n  a:\n    chip: esp32\n    driver: virtual\n    tags: desk\n", 5, "boards.a.tags", "list"),
        (b"boards:\n  a:\n    chip: esp32\n    driver: virtual\n    colour: red\n", 5, "boards.a.colour", "known are"),
        (b"default: b\nboards:\n  a:\n    chip: esp32\n    driver: virtual\n", 1, "default", "'b'"),
        (b"boards:\n\ta: 1\n", 2, "file", "not YAML"),
        (b"boards: 1\n# \xff\n", 2, "file", "UTF-8"),
    ],
)
def test_a_mistake_is_named_with_its_line_field_and_mend(text: bytes, line: int, field: str, says: str) -> None:
    with pytest.raises(BoardsFileError) as caught:
        BoardsFile.parse(text, path="my.yaml")
    assert (caught.value.line, caught.value.field) == (line, field)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"my.yaml:{line}: ")


@pytest.mark.parametrize("port", ["rfc2217://lab:4000", "rfc2217://[::1]:4000", "rfc2217://lab:4000?ign_set_control"])
def test_a_url_with_host_and_port_is_taken(port: str) -> None:
    file = BoardsFile.parse(f"boards:\n  a:\n    chip: esp32\n    driver: rfc2217\n    port: '{port}'\n".encode())
    assert file.boards["a"].port == port


def test_bombs_are_refused_without_being_expanded() -> None:
    aliases = "a: &a [x]\n" + "".join(f"k{n}: &k{n} [{'*a, ' * 50}]\n" for n in range(200))
    for bomb in (
        aliases.encode(),
        b"[" * 100_000,
        b"a: &a [*a]\n",
        b"x" * (MAX_BYTES + 1),
        b"!!python/name:os.system x",
    ):
        with pytest.raises(BoardsFileError):
            BoardsFile.parse(bomb)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_no_input_gives_another_exception(data: bytes) -> None:
    try:
        file = BoardsFile.parse(data)
    except BoardsFileError:
        return
    assert file.boards


@given(st.integers(0, len(GOOD)))
def test_a_file_cut_short_never_gives_another_exception(length: int) -> None:
    try:
        file = BoardsFile.parse(GOOD[:length])
    except BoardsFileError:
        return
    assert file.boards


def test_a_missing_file_is_a_boards_file_error(tmp_path: Path) -> None:
    with pytest.raises(BoardsFileError, match="cannot be read"):
        BoardsFile.load(tmp_path / "none.yaml")
