"""`bench gate`: verdicts with their exit codes, bundles, and what is said where there is no ground for either."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from bench.cli import main
from tests.report.gate_making import Did, made

POLICY = "require:\n  - {family: update, chip: esp32s3}\n"
WAIVER = "waive:\n  - {scenario: test_bad, reason: known, by: me, until: 2026-06-15}\n"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "release.yaml"
    path.write_text(POLICY)
    return path


def gate(policy: Path, *words: str | Path) -> int:
    return main(["gate", *map(str, words), "--policy", str(policy)])


def test_a_run_that_meets_the_policy_is_0(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = made(tmp_path / "20260101-000000", [Did("test_one")])
    assert gate(policy, run, "--as-of", "2026-06-15") == 0
    assert capsys.readouterr().out == "gate release.yaml: MET (1 passed; judged as of 2026-06-15)\n"
    assert gate(policy, tmp_path) == 0


def test_one_that_does_not_is_1_with_what_is_missing(
    policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(tmp_path / "run", [Did("test_one"), Did("test_bad", attempts=["failed"], cause="no boot")])
    assert gate(policy, run) == 1
    headline, line = capsys.readouterr().out.splitlines()
    assert headline.startswith("gate release.yaml: NOT MET, 1 unmet (1 failed, 1 passed; ")
    assert line == f"{policy}:2: update.test_bad on desk: failed: no boot; mend the firmware, or waive it"


def test_the_newest_run_of_a_folder_is_judged(policy: Path, tmp_path: Path) -> None:
    made(tmp_path / "20260101-000000-2", [Did("test_one")])
    made(tmp_path / "20260101-000000-10", [Did("test_one", attempts=["failed"])])
    assert gate(policy, tmp_path) == 1


def test_a_day_can_be_named_and_a_waiver_ends(policy: Path, tmp_path: Path) -> None:
    run = made(tmp_path / "run", [Did("test_one"), Did("test_bad", attempts=["failed"])])
    policy.write_text(POLICY + WAIVER)
    assert gate(policy, run, "--as-of", "2026-06-15") == 0
    assert gate(policy, run, "--as-of", "2026-06-16") == 1


def test_the_verdict_as_json(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = made(tmp_path / "run", [Did("test_bad", attempts=["failed"], cause="no boot")])
    assert gate(policy, run, "--json", "--as-of", "2026-06-15") == 1
    assert json.loads(capsys.readouterr().out) == {
        "verdict": "not met",
        "policy": str(policy),
        "name": "release.yaml",
        "as_of": "2026-06-15",
        "counts": {"failed": 1},
        "unmet": [
            {
                "line": 2,
                "scenario": "update.test_bad",
                "board": "desk",
                "problem": "failed: no boot",
                "mend": "mend the firmware, or waive it",
            }
        ],
        "waived": [],
        "notes": [],
    }


def test_without_ground_for_a_verdict_it_is_2(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(policy, tmp_path / "nowhere") == 2
    assert "name the folder of a run" in capsys.readouterr().err
    run = made(tmp_path / "run", [Did("test_one")])
    (run / "desk/update.test_one/timeline.jsonl").write_text("{")
    assert gate(policy, run) == 2
    assert "the evidence desk/update.test_one is damaged" in capsys.readouterr().err
    policy.write_text("require: 1\n")
    assert gate(policy, run) == 2
    assert "release.yaml:1: require: must be a list" in capsys.readouterr().err
    assert gate(tmp_path / "gone.yaml", run) == 2
    assert "gone.yaml:1: file: cannot be read" in capsys.readouterr().err


def test_a_bundle_is_written_and_verified(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    private, public, bundle = tmp_path / "key.pem", tmp_path / "key.pub", tmp_path / "b.zip"
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    run = made(tmp_path / "run", [Did("test_one")])
    assert gate(policy, run, "--bundle", bundle, "--key", private) == 0
    assert f"bundle: {bundle}" in capsys.readouterr().out
    assert main(["gate", "verify", str(bundle), "--public-key", str(public)]) == 0
    assert "signed by the key that was given" in capsys.readouterr().out
    assert main(["gate", "verify", str(bundle), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["whole"], told["trusted"]) == (True, False)

    with zipfile.ZipFile(bundle, "a") as file:
        file.writestr("run/more", b"")
    assert main(["gate", "verify", str(bundle)]) == 1
    assert capsys.readouterr().err == f"{bundle}: 'run/more' is extra: the manifest does not know it\n"
    assert main(["gate", "verify", str(bundle), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["whole"] is False
    assert main(["gate", "verify", str(tmp_path / "gone.zip")]) == 2
    assert main(["gate", "verify", str(bundle), "--public-key", str(private)]) == 2


@pytest.mark.parametrize(
    "words",
    [["verify"], ["run", "bundle"], ["run", "--key", "k"], ["run", "--public-key", "k"], ["run", "--as-of", "soon"]],
)
def test_what_makes_no_sense_is_bad_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["gate", *words])
    assert ended.value.code == 2


def test_a_bundle_takes_the_place_of_a_bundle_and_of_nothing_else(
    policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(tmp_path / "run", [Did("test_one")])
    key, other, pipe, bundle = (tmp_path / name for name in ("ed.pem", "other.txt", "pipe", "release.zip"))
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = ed25519.Ed25519PrivateKey.generate()
    key.write_bytes(private.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    other.write_text("mine")
    os.mkfifo(pipe)
    before = {path: path.read_bytes() for path in (key, policy, other)}
    for place, reason in (
        (key, "ed.pem is read by this command, and would be written over"),
        (policy, "release.yaml is read by this command, and would be written over"),
        (other, "other.txt is there already, and is no zip file"),
        (pipe, "pipe is no file"),
    ):
        assert gate(policy, run, "--key", key, "--bundle", place) == 2
        assert reason in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (key, policy, other)} == before
    assert pipe.is_fifo()
    for _ in "ab":
        assert gate(policy, run, "--key", key, "--bundle", bundle) == 0


def test_a_day_that_is_none_is_told_what_it_should_be(
    policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        gate(policy, tmp_path, "--as-of", "tomorrow")
    assert ended.value.code == 2
    assert "'tomorrow': expected a day as YYYY-MM-DD" in capsys.readouterr().err
