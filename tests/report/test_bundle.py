"""The evidence bundle: whole, the same every time, and signed."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519

from bench.errors import BenchError
from bench.report.bundle import BundleRefused, load_private_key, load_public_key, verify_bundle, write_bundle
from bench.report.bundle.signing import PrivateKey, fingerprint, public_pem
from bench.report.gate import read_run
from tests.report.gate_making import Did, made, verdict

POLICY = "require:\n  - {family: update, chip: esp32s3}\n"

KEYS: dict[str, Callable[[], PrivateKey]] = {
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
}


def pem(key: PrivateKey | x25519.X25519PrivateKey, password: bytes | None = None) -> bytes:
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = made(tmp_path / "run", [Did("test_one"), Did("test_two", attempts=["failed"])])
    (run / "images").mkdir()
    (run / "images" / "ab.bin").write_bytes(bytes(100_000))
    (run / "report.html").write_text("<html>")
    return run


def bundle(run: Path, name: str = "b.zip", key: PrivateKey | None = None, *, images: bool = True) -> Path:
    policy, path = run.parent / "release.yaml", run.parent / name
    policy.write_text(POLICY)
    write_bundle(path, run, policy, verdict(run, POLICY), key=key, images=images)
    return path


def test_a_bundle_holds_run_policy_and_verdict_with_their_digests(run: Path) -> None:
    (run / "pytest-embedded").mkdir()
    (run / "pytest-embedded" / "dut.log").write_text("x")
    (run / ".run.json.new").write_text("x")
    with zipfile.ZipFile(bundle(run)) as file:
        names = set(file.namelist())
        manifest = json.loads(file.read("manifest.json"))
        assert set(manifest["files"]) == names - {"manifest.json"}
        for name, told in manifest["files"].items():
            data = file.read(name)
            assert told == {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        assert json.loads(file.read("verdict.json"))["verdict"] == "not met"
        of_run = [name.split("/") for name in file.namelist() if name.startswith("run/")]
        assert of_run == sorted(of_run)  # the order of a folder is the file system's, and not the same everywhere
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert names >= {"policy.yaml", "verdict.txt", "run/plan.json", "run/images/ab.bin", "run/report.html"}
    assert names >= {f"run/desk/update.test_one/{name}" for name in ("console.raw", "timeline.jsonl", "outcome.json")}
    assert not [name for name in names if "embedded" in name or ".new" in name]


def test_what_is_unpacked_can_be_judged_again(run: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle(run)) as file:
        file.extractall(tmp_path / "out")
    again = verdict(tmp_path / "out" / "run", (tmp_path / "out" / "policy.yaml").read_text())
    assert again.as_data() == json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert read_run(tmp_path / "out" / "run").trials == read_run(run).trials


@pytest.mark.parametrize("kind", KEYS)
def test_a_signed_bundle_is_the_same_every_time_and_verified_by_its_key_only(kind: str, run: Path) -> None:
    key = KEYS[kind]()
    first, second = bundle(run, "1.zip", key), bundle(run, "2.zip", key)
    assert first.read_bytes() == second.read_bytes()
    public = key.public_key()
    checked = verify_bundle(first, public)
    assert (checked.trusted, checked.signer) == (True, fingerprint(public))
    assert checked.verdict.startswith("gate release.yaml: NOT MET, 1 unmet (1 failed, 1 passed")
    assert verify_bundle(first).trusted is False
    for other in (KEYS[kind]().public_key(), KEYS["RSA" if kind != "RSA" else "Ed25519"]().public_key()):
        with pytest.raises(BundleRefused, match="not signed by that key"):
            verify_bundle(first, other)


def test_a_bundle_without_a_signature_is_whole_but_nobody_s(run: Path) -> None:
    checked = verify_bundle(bundle(run))
    assert (checked.signer, checked.trusted) == ("", False)
    assert "not signed: it may have been made by anybody" in checked.lines()
    with pytest.raises(BundleRefused, match="it is not signed"):
        verify_bundle(bundle(run), ed25519.Ed25519PrivateKey.generate().public_key())


def test_images_can_be_left_out(run: Path) -> None:
    with zipfile.ZipFile(bundle(run, images=False)) as file:
        assert not [name for name in file.namelist() if "images/" in name]
        assert "run/desk/update.test_one/images.json" in file.namelist()


def test_a_link_in_a_run_is_refused_and_nothing_is_left(run: Path, tmp_path: Path) -> None:
    (run / "desk" / "link").symlink_to("/etc/passwd")
    with pytest.raises(BenchError, match="link is no plain file"):
        bundle(run)
    assert not [path for path in tmp_path.iterdir() if "zip" in path.name]


def test_a_place_that_cannot_be_written_is_told(run: Path) -> None:
    with pytest.raises(BenchError, match="cannot write the bundle"):
        bundle(run, "no/such/folder.zip")


def test_keys_are_read_from_pem(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    for make in KEYS.values():
        key = make()
        path.write_bytes(pem(key))
        assert public_pem(load_private_key(path)) == public_pem(key)
        path.write_bytes(public_pem(key))
        assert public_pem(load_public_key(path)) == public_pem(key)


BAD_KEYS = {
    "a key of another kind": (pem(x25519.X25519PrivateKey.generate()), "a bundle is signed by"),
    "a small RSA key": (pem(rsa.generate_private_key(65537, 1024)), "2048 bits"),
    "an encrypted key": (pem(KEYS["P-256"](), b"secret"), "the key is encrypted"),
    "no key": (b"hello", "no private key in PEM"),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_key_that_cannot_sign_is_refused_and_not_shown(name: str, tmp_path: Path) -> None:
    data, told = BAD_KEYS[name]
    (tmp_path / "key.pem").write_bytes(data)
    with pytest.raises(BenchError, match=told) as error:
        load_private_key(tmp_path / "key.pem")
    assert data.decode().splitlines()[0] not in str(error.value).replace(str(tmp_path), "")
    with pytest.raises(BenchError, match="no public key"):
        load_public_key(tmp_path / "key.pem")
    with pytest.raises(BenchError, match="No such file"):
        load_private_key(tmp_path / "gone.pem")
