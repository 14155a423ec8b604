"""Copies of builds: whole, in their own place alone, also where a build flashes files from outside its directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.builds import Build, write_build
from bench.builds.copies import copy_build
from bench.errors import BuildError
from tests.builds.making import spec

DATA = b"what the project puts into its file system"
AT = "0x310000"


@pytest.fixture
def build(tmp_path: Path) -> Path:
    write_build(spec(), tmp_path / "work" / "build")
    return tmp_path / "work" / "build"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}


def flash_also(build: Path, file: str) -> None:
    """Have a build flash one more file, as esptool_py_flash_to_partition does."""
    (build / file).parent.mkdir(parents=True, exist_ok=True)
    (build / file).write_bytes(DATA)
    args = flasher_args(build)
    args["flash_files"][AT] = file
    args["storage"] = {"offset": AT, "file": file, "encrypted": "false"}
    (build / "flasher_args.json").write_text(json.dumps(args))
    text = (build / "flash_args").read_text()
    (build / "flash_args").write_text(f"{text}{AT} {file}\n")


def flasher_args(build: Path) -> dict[str, Any]:
    args = json.loads((build / "flasher_args.json").read_text())
    assert isinstance(args, dict)
    return args


def test_a_copy_has_the_same_files_and_descriptions(build: Path, tmp_path: Path) -> None:
    app = copy_build(Build.load(build), tmp_path / "copy")
    assert app == tmp_path / "copy" / "advanced_https_ota.bin"
    copy = contents(tmp_path / "copy")
    del copy["project_description.json"]
    assert copy.items() <= contents(build).items()
    assert {"flasher_args.json", "flash_args", "config/sdkconfig.json"} <= copy.keys()


@pytest.mark.parametrize(
    "file", ["../project/storage.bin", "../../storage.bin", "{}/elsewhere/a b.bin", "a/../../c.bin"]
)
def test_a_file_from_outside_the_build_is_in_the_copy(file: str, build: Path, tmp_path: Path) -> None:
    file = file.format(tmp_path)
    (build / "a").mkdir()
    flash_also(build, file)
    before, out = contents(tmp_path), build.parent / "made"
    given = Build.load(build)
    copy_build(given, out)
    copy = Build.load(out)
    assert {name: data for name, data in contents(tmp_path).items() if not name.startswith("work/made/")} == before
    (stored,) = (one for one in copy.flash_files if one.part == "storage")
    assert stored.path == out / "outside" / f"{AT}-{Path(file).name}"
    assert stored.path.read_bytes() == DATA
    assert [(one.offset, one.part, one.path.read_bytes()) for one in copy.flash_files] == [
        (one.offset, one.part, one.path.read_bytes()) for one in given.flash_files
    ]
    lines = (out / "flash_args").read_text().splitlines()
    assert dict(line.split(" ", 1) for line in lines[1:]) == flasher_args(out)["flash_files"]
    assert lines[0] == (build / "flash_args").read_text().splitlines()[0]


def test_a_file_within_the_build_by_its_full_path_is_that_of_the_copy(build: Path, tmp_path: Path) -> None:
    flash_also(build, str(build / "data" / "storage.bin"))
    copy_build(Build.load(build), tmp_path / "copy")
    assert flasher_args(tmp_path / "copy")["storage"]["file"] == "data/storage.bin"
    stored = Build.load(tmp_path / "copy").part("storage")
    assert stored is not None
    assert stored.path == tmp_path / "copy" / "data" / "storage.bin"


def test_a_copy_can_be_copied(build: Path, tmp_path: Path) -> None:
    flash_also(build, "../project/storage.bin")
    copy_build(Build.load(build), tmp_path / "one")
    copy_build(Build.load(tmp_path / "one"), tmp_path / "two")
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


def test_what_cannot_be_written_is_told(build: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BuildError, match=r"file.*: Not a directory; make room there"):
        copy_build(Build.load(build), tmp_path / "file" / "copy")
