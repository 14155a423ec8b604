"""``bench otadata``: shown and set, in a dump of the partition, in a dump of the flash, and on a board."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.boards.board import Board
from bench.boards.drivers import VirtualBoard
from bench.builds import VirtualBuild
from bench.cli import main
from bench.flash import OtaData, OtaImgState
from bench.server import Authority


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert main(["otadata", "show", "--json", *arguments]) == 0
    told = json.loads(capsys.readouterr().out)
    assert isinstance(told, dict)
    return told


@pytest.fixture(scope="module")
def build() -> VirtualBuild:
    ca = Authority.throwaway().ca_pem
    return VirtualBuild(
        chip="esp32c3", app="simple_ota", version="1", ca_pem=ca, rollback=True, layout="factory_two_ota"
    )


@pytest.fixture(scope="module")
def flash(build: VirtualBuild) -> bytes:
    """A whole flash of 4 MiB."""
    files = build.files()
    flash = bytearray(b"\xff" * (4 << 20))
    for offset, name in json.loads(files["flasher_args.json"])["flash_files"].items():
        flash[int(offset, 16) : int(offset, 16) + len(files[name])] = files[name]
    return bytes(flash)


def test_a_partition_is_shown_and_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump = tmp_path / "otadata.bin"
    dump.write_bytes(OtaData.erased().switched_to(0, 2, OtaImgState.VALID).to_bytes())
    assert shown(capsys, str(dump))["boots"] == "ota_0"
    assert main(["otadata", "show", str(dump)]) == 0
    assert "entry 0: ota_0, ota_seq 1, VALID  <- counts\nentry 1: erased\n" in capsys.readouterr().out
    assert main(["otadata", "set", str(dump), "--slot", "ota_1", "--state", "new"]) == 0
    capsys.readouterr()
    assert shown(capsys, str(dump))["boots"] == "ota_1"
    data = OtaData.parse(dump.read_bytes())
    assert data.active is not None
    assert (data.active.slot(2), data.active.state) == (1, OtaImgState.NEW)
    assert data.entries[0].state == OtaImgState.VALID, "the other entry stays, as in an update"
    assert main(["otadata", "set", str(dump), "--slot", "ota_1", "--state", "valid"]) == 0
    again = OtaData.parse(dump.read_bytes())
    assert again.active is not None
    assert (again.active.ota_seq, again.active.state) == (data.active.ota_seq, OtaImgState.VALID)
    assert main(["otadata", "set", str(dump), "--slot", "factory"]) == 0
    assert dump.read_bytes() == b"\xff" * 8192


def test_a_flash_is_read_by_its_own_table(tmp_path: Path, flash: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    dump = tmp_path / "flash.bin"
    dump.write_bytes(flash)
    assert shown(capsys, str(dump))["boots"] == "factory"
    assert main(["otadata", "set", str(dump), "--slot", "ota_1"]) == 0
    capsys.readouterr()
    assert shown(capsys, str(dump))["boots"] == "ota_1"
    changed = [at for at in range(0, len(flash), 4096) if dump.read_bytes()[at : at + 4096] != flash[at : at + 4096]]
    assert changed == [0xD000], "nothing but one sector of otadata"


def test_a_board_is_read_and_set_by_its_port(
    flash: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTA_BENCH_LEASES", str(tmp_path / "leases"))
    with VirtualBoard(Board("model", "esp32c3", "virtual")) as board:
        board.write_flash(0, flash)
        assert shown(capsys, board.url)["boots"] == "factory"
        assert main(["otadata", "set", board.url, "--slot", "ota_0"]) == 0
        capsys.readouterr()
        boards = tmp_path / "boards.yaml"
        boards.write_text(f"boards:\n  desk: {{chip: esp32c3, driver: rfc2217, port: '{board.url}'}}\n")
        assert shown(capsys, "desk", "--boards-file", str(boards))["boots"] == "ota_0"
        assert OtaData.parse(board.read_flash(0xD000, 8192)).active is not None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "nonesuch"], "no board 'nonesuch', and it is no port"),
        (["set", "DUMP", "--slot", "ota_7"], "there are ota_0, ota_1, and factory"),
        (["show", "SHORT"], "partition table"),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    (tmp_path / "boards.yaml").write_text("boards:\n  model: {chip: esp32, driver: virtual}\n")
    (tmp_path / "DUMP").write_bytes(b"\xff" * 8192)
    (tmp_path / "SHORT").write_bytes(bytes(100))
    words = [str(tmp_path / word) if word.isupper() else word for word in arguments]
    assert main(["otadata", *words, "--boards-file", str(tmp_path / "boards.yaml")]) == 2
    assert says in capsys.readouterr().err
