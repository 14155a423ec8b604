"""A bundle that somebody changed, or made to do harm, is refused with the reason."""

from __future__ import annotations

import hashlib
import json
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.report.bundle import BundleRefused, verify_bundle
from bench.report.bundle.layout import FORMAT
from bench.report.bundle.signing import public_pem, sign

KEY = ed25519.Ed25519PrivateKey.generate()

FILES = {"policy.yaml": b"policy", "verdict.txt": b"gate: MET\n", "run/console.raw": b"boot\n" * 1000}


def manifest(files: dict[str, bytes]) -> bytes:
    told = {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    return json.dumps({"format": FORMAT, "files": told}).encode()


def signed(told: bytes) -> dict[str, bytes]:
    return {"manifest.json": told, "manifest.sig": sign(KEY, told), "manifest.pem": public_pem(KEY)}


def write(path: Path, files: dict[str, bytes], *more: tuple[zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in files.items():
            bundle.writestr(name, data)
        for entry, data in more:
            bundle.writestr(entry, data)
    return path


def refused(path: Path) -> str:
    with pytest.raises(BundleRefused) as told:
        verify_bundle(path)
    return "\n".join(told.value.problems)


def test_what_is_well_made_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "b.zip", {**FILES, **signed(manifest(FILES))})
    assert verify_bundle(path, KEY.public_key()).lines()[0] == "whole: 3 files, 5016 bytes, each as the manifest says"


CHANGES: dict[str, tuple[Callable[[dict[str, bytes]], dict[str, bytes]], str]] = {
    "a file is changed": (lambda files: {**files, "run/console.raw": b"Boot\n" * 1000}, "another SHA-256"),
    "a file is longer": (lambda files: {**files, "policy.yaml": b"policy "}, "has 7 bytes, and the manifest says 6"),
    "a file is missing": (
        lambda files: {name: data for name, data in files.items() if name != "policy.yaml"},
        "'policy.yaml' is missing",
    ),
    "a file is extra": (lambda files: {**files, "run/more": b""}, "'run/more' is extra"),
    "the manifest is changed": (
        lambda files: {**files, "policy.yaml": b"other", "manifest.json": manifest({**FILES, "policy.yaml": b"other"})},
        "the manifest is not what was signed",
    ),
    "the signature is taken out": (
        lambda files: {name: data for name, data in files.items() if name != "manifest.sig"},
        "the signature was taken out",
    ),
    "the key is taken out": (
        lambda files: {name: data for name, data in files.items() if name != "manifest.pem"},
        "give the key by --public-key",
    ),
    "the key is none": (lambda files: {**files, "manifest.pem": b"x"}, "manifest.pem: no public key"),
    "there is no manifest": (
        lambda files: {name: data for name, data in files.items() if name != "manifest.json"},
        "it has no manifest.json",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_is_refused(name: str, tmp_path: Path) -> None:
    change, told = CHANGES[name]
    assert told in refused(write(tmp_path / "b.zip", change({**FILES, **signed(manifest(FILES))})))


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "run/../../x", "run\\x", "C:/x", "run//x", "run/", "./x", "a\nb", "run/./x"]
)
def test_a_path_that_leads_out_is_refused(name: str, tmp_path: Path) -> None:
    files = {**FILES, name: b""}
    assert repr(name) in refused(write(tmp_path / "b.zip", {**files, **signed(manifest(files))}))


def entry(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.create_system, made.external_attr = 3, mode << 16
    return made


def test_a_link_is_refused(tmp_path: Path) -> None:
    files = {**FILES, "run/link": b"/etc/passwd"}
    rest = {name: data for name, data in {**files, **signed(manifest(files))}.items() if name != "run/link"}
    told = refused(write(tmp_path / "b.zip", rest, (entry("run/link", 0o120777), b"/etc/passwd")))
    assert told == "'run/link' is no plain file, but a link or a device"


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = write(tmp_path / "b.zip", {**FILES, **signed(manifest(FILES))}, (entry("policy.yaml"), b"other"))
    assert refused(path) == "'policy.yaml' is in it 2 times"


def test_another_method_of_packing_and_a_comment_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_LZMA) as bundle:
        bundle.comment = b"hello"
        for name, data in {**FILES, **signed(manifest(FILES))}.items():
            bundle.writestr(name, data)
    told = refused(tmp_path / "b.zip")
    assert "'policy.yaml' is packed by another method than deflate" in told
    assert "has a comment" in told


def test_a_bomb_is_not_inflated(tmp_path: Path) -> None:
    """A file that inflates to more than the zip's directory says, and the manifest with it."""
    bomb = bytes(64 << 20)
    path = write(tmp_path / "b.zip", {**FILES, "run/bomb": bomb, **signed(manifest({**FILES, "run/bomb": b"x"}))})
    data = path.read_bytes()
    size = struct.pack("<I", len(bomb))
    assert data.count(size) == 2
    path.write_bytes(data.replace(size, struct.pack("<I", 1)))
    assert "'run/bomb'" in refused(path)


def test_of_a_long_verdict_only_the_beginning_is_read(tmp_path: Path) -> None:
    files = {**FILES, "verdict.txt": b"gate: MET\n" + bytes(64 << 20)}
    path = write(tmp_path / "b.zip", {**files, **signed(manifest(files))})
    tracemalloc.start()
    try:
        assert verify_bundle(path).verdict == "gate: MET"
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "b.zip", {**FILES, "run/\u00e4": b""}).read_bytes()
    assert data.count("\u00e4".encode()) == 2
    (tmp_path / "b.zip").write_bytes(data.replace("\u00e4".encode(), b"\xff\xff"))
    assert "a damaged one" in refused(tmp_path / "b.zip")


def test_files_that_lie_over_one_another_are_refused(tmp_path: Path) -> None:
    """Many entries of the directory that share the same bytes: a small file that is unpacked a thousand times."""
    data = write(tmp_path / "b.zip", {"run/0000": bytes(1 << 20)}).read_bytes()
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    directory = b"".join(data[start:end].replace(b"run/0000", b"run/%04d" % number) for number in range(1000))
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1000, 1000, len(directory), start, 0)
    (tmp_path / "b.zip").write_bytes(data[:start] + directory + tail)
    assert "they lie over one another" in refused(tmp_path / "b.zip")


def test_one_that_claims_to_be_huge_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "b.zip", {f"run/{number}": b"x" for number in range(4)})
    data = bytearray(path.read_bytes())
    place = data.find(b"PK\x01\x02")
    while place >= 0:
        data[place + 24 : place + 28] = struct.pack("<I", 0xFFFF_FFF0)
        place = data.find(b"PK\x01\x02", place + 4)
    path.write_bytes(data)
    assert "unpacked it would be larger than 8 GiB" in refused(path)


BAD_MANIFESTS = [
    b"",
    b"{",
    b"[]",
    b'{"format": "other", "files": {}}',
    json.dumps({"format": FORMAT, "files": []}).encode(),
    json.dumps({"format": FORMAT, "files": {"policy.yaml": {"size": -1, "sha256": "0" * 64}}}).encode(),
    json.dumps({"format": FORMAT, "files": {"policy.yaml": {"size": True, "sha256": "0" * 64}}}).encode(),
    json.dumps({"format": FORMAT, "files": {"policy.yaml": {"size": 6, "sha256": "0" * 63}}}).encode(),
    json.dumps({"format": FORMAT, "files": {"manifest.sig": {"size": 6, "sha256": "0" * 64}}}).encode(),
    b'{"format": ' + b"[" * 200_000,
]


@pytest.mark.parametrize("told", BAD_MANIFESTS, ids=range(len(BAD_MANIFESTS)))
def test_a_manifest_that_makes_no_sense_is_refused(told: bytes, tmp_path: Path) -> None:
    assert "manifest.json" in refused(write(tmp_path / "b.zip", {**FILES, "manifest.json": told}))


def test_what_is_no_zip_is_refused_and_what_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(b"hello")
    assert "it is no zip file" in refused(tmp_path / "b.zip")
    with pytest.raises(BenchError, match="No such file") as told:
        verify_bundle(tmp_path / "gone.zip")
    assert not isinstance(told.value, BundleRefused)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 2000), value=st.integers(0, 255), cut=st.booleans())
def test_a_changed_byte_is_refused_or_changes_no_content(tmp_path: Path, place: int, value: int, cut: bool) -> None:
    """Times and modes of entries are not covered by the manifest; everything that is read from them is."""
    whole = write(tmp_path / "whole.zip", {**FILES, **signed(manifest(FILES))}).read_bytes()
    place %= len(whole)
    changed = whole[:place] if cut else whole[:place] + bytes([value]) + whole[place + 1 :]
    (tmp_path / "b.zip").write_bytes(changed)
    try:
        checked = verify_bundle(tmp_path / "b.zip", KEY.public_key())
    except BundleRefused:
        return
    with zipfile.ZipFile(tmp_path / "b.zip") as bundle:
        assert {name: bundle.read(name) for name in FILES} == FILES
    assert checked.trusted
