"""``bench otadata``: shown and set, in a dump of the partition, in a dump of the flash, and on a board."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.boards.at_hand import looks_like_a_port
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


def whole(build: VirtualBuild) -> bytes:
    """A whole flash of 4 MiB."""
    files = build.files()
    flash = bytearray(b"\xff" * (4 << 20))
    for offset, name in json.loads(files["flasher_args.json"])["flash_files"].items():
        flash[int(offset, 16) : int(offset, 16) + len(files[name])] = files[name]
    return bytes(flash)


@pytest.fixture(scope="module")
def flash(build: VirtualBuild) -> bytes:
    """With factory and two slots."""
    return whole(build)


@pytest.fixture(scope="module")
def two_slots(build: VirtualBuild) -> bytes:
    """Without factory."""
    return whole(replace(build, layout="two_ota"))


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
        (["show", "nonesuch"], "nonesuch: no such file or port, and no board of "),
        (["show", "community"], "community: no such file or port, and no board of "),
        (["show", "missing.bin", "--boards-file", "none.yaml"], "missing.bin: no such file or port, and no none.yaml"),
        (["set", "DUMP", "--slot", "factory", "--state", "valid"], "factory has none: leave it out"),
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
    assert main(["otadata", words[0], "--boards-file", str(tmp_path / "boards.yaml"), *words[1:]]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("slots", ["0", "-1", "two"])
def test_a_number_of_slots_that_cannot_be_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], slots: str
) -> None:
    (tmp_path / "od.bin").write_bytes(OtaData.erased().switched_to(0, 2).to_bytes())
    with pytest.raises(SystemExit) as ended:
        main(["otadata", "show", str(tmp_path / "od.bin"), f"--slots={slots}"])
    assert ended.value.code == 2
    assert f"argument --slots: '{slots}': expected " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "words", "told"),
    [
        (0, ["ota_1"], "the entry of ota_1 is UNDEFINED; ota_1 boots next"),
        (0, ["ota_1", "--state", "invalid"], "the entry of ota_1 is INVALID; ota_0 boots next"),
        (1, ["ota_1", "--state", "aborted"], "the entry of ota_1 is ABORTED; ota_0 (no entry is valid) boots next"),
    ],
)
def test_what_boots_next_is_told_from_what_was_written(
    tmp_path: Path, two_slots: bytes, capsys: pytest.CaptureFixture[str], before: int, words: list[str], told: str
) -> None:
    dump = tmp_path / "flash.bin"
    entries = OtaData.erased().switched_to(before, 2, OtaImgState.VALID).to_bytes()
    dump.write_bytes(two_slots[:0xD000] + entries + two_slots[0xF000:])
    assert main(["otadata", "set", str(dump), "--slot", *words]) == 0
    assert capsys.readouterr().out == f"{dump}: {told}, if its image is sound\n"
    assert f"; {shown(capsys, str(dump))['boots']} boots next" in f"; {told.partition('; ')[2]}"


def test_factory_is_refused_where_the_table_has_none(
    tmp_path: Path, two_slots: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    dump = tmp_path / "flash.bin"
    dump.write_bytes(two_slots)
    assert main(["otadata", "set", str(dump), "--slot", "factory"]) == 2
    assert "there is no factory partition: there are ota_0, ota_1\n" in capsys.readouterr().err
    assert dump.read_bytes() == two_slots
    assert main(["otadata", "set", str(dump), "--slot", "ota_7"]) == 2
    assert "there are ota_0, ota_1\n" in capsys.readouterr().err
    dump.write_bytes(OtaData.erased().to_bytes())
    assert shown(capsys, str(dump))["boots"] == "factory, or ota_0 where there is none", "no table tells"


def test_a_board_whose_name_begins_like_a_port_is_a_board(
    tmp_path: Path, flash: bytes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTA_BENCH_LEASES", str(tmp_path / "leases"))
    with VirtualBoard(Board("model", "esp32c3", "virtual")) as board:
        board.write_flash(0, flash)
        boards = tmp_path / "boards.yaml"
        boards.write_text(f"boards:\n  community-c3: {{chip: esp32c3, driver: rfc2217, port: '{board.url}'}}\n")
        assert shown(capsys, "community-c3", "--boards-file", str(boards))["boots"] == "factory"
    assert looks_like_a_port("COM3")
    assert looks_like_a_port("com12")
