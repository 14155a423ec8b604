"""`bench build`: its command line, what it prints and where, and its exit codes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.builds import Build
from bench.builds.building import RECIPES, catalogue
from bench.builds.variants import VARIANTS
from bench.cli import main
from tests.builds.idf_tree import plant, plant_project
from tests.builds.making import ca_pem, private_key_pem


@pytest.fixture
def idf(tmp_path: Path) -> Path:
    return plant(tmp_path / "idf", "v5.5")


@pytest.fixture(autouse=True)
def _a_home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTA_BENCH_HOME", str(tmp_path / "home"))
    for name in ("IDF_PATH", "IDF_PYTHON_ENV_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(ca_pem())
    return path


@pytest.fixture
def builder() -> None:
    pytest.importorskip("idf_build_apps", reason="idf-build-apps is not installed: pip install 'ota-bench[build]'")


def bench(*words: object) -> int:
    return main(["build", *map(str, words)])


@pytest.mark.usefixtures("builder")
def test_a_build_is_made_once_and_then_taken(idf: Path, ca: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--idf", idf, "--app", "native_ota", "--chip", "esp32c3", "--ca", ca]
    assert bench(*words) == 0
    first = capsys.readouterr()
    path, _, told = first.out.partition(": ")
    assert told.startswith("native_ota for esp32c3, ESP-IDF v5.5, variant bench: built in ")
    assert Build.load(Path(path)).project_name == "native_ota"
    assert "native_ota-esp32c3-v5.5-bench: 4 of 4 (100 %)" in first.err
    assert bench(*words) == 0
    again = capsys.readouterr()
    assert again.out == f"{path}: native_ota for esp32c3, ESP-IDF v5.5, variant bench: taken from the cache\n"
    assert again.err == ""


@pytest.mark.usefixtures("builder")
def test_several_variants_are_several_builds(idf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("--idf", idf, "--chip", "esp32s3", "--variant", "anti_rollback", "--variant", "default") == 0
    lines = capsys.readouterr().out.splitlines()
    builds = [Build.load(Path(line.partition(": ")[0])) for line in lines]
    assert [build.enabled("BOOTLOADER_APP_ANTI_ROLLBACK") for build in builds] == [True, False]


@pytest.mark.usefixtures("builder")
def test_without_a_ca_the_build_trusts_the_bench_s_own(idf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from bench.images.rekey import embedded
    from bench.server import Authority

    assert bench("--idf", idf, "--chip", "esp32s3") == 0
    build = Build.load(Path(capsys.readouterr().out.partition(": ")[0]))
    (certificate,) = embedded(build.image, "certificate")
    assert certificate.text.startswith(Authority.load_or_create().ca_pem)


@pytest.mark.usefixtures("builder")
def test_a_copy_is_put_where_it_is_wanted(
    idf: Path, ca: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["--idf", idf, "--chip", "esp32s3", "--ca", ca, "--out", out]
    assert bench(*words) == 0
    assert capsys.readouterr().out.startswith(f"{out}: ")
    assert Build.load(out).target == "esp32s3"
    assert bench(*words, "--variant", "partial_download") == 0
    assert Build.load(out).enabled("EXAMPLE_ENABLE_PARTIAL_HTTP_DOWNLOAD"), "its own copy is replaced"
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work", "ascii")
    assert bench("--idf", idf, "--chip", "esp32s3", "--ca", ca, "--out", other) == 2
    assert "thesis.txt" in os.listdir(other)
    assert "holds something that bench build did not put there" in capsys.readouterr().err


@pytest.mark.usefixtures("builder")
def test_idf_path_of_the_environment_is_taken(
    idf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IDF_PATH", str(idf))
    assert bench("--chip", "esp32s3") == 0
    assert "ESP-IDF v5.5" in capsys.readouterr().out


@pytest.mark.usefixtures("builder")
def test_verbose_shows_what_idf_py_prints(idf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("--idf", idf, "--chip", "esp32s3", "--verbose") == 0
    assert "Project build complete." in capsys.readouterr().err


@pytest.mark.usefixtures("builder")
def test_all_builds_the_catalogue_whatever_fails_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    idf = plant(tmp_path / "older", "v4.4.8")
    broken = idf / "examples/system/ota/native_ota_example/main/main.c"
    broken.write_text("#error no kettle\n", "ascii")
    assert bench("--idf", idf, "--chip", "esp32c3", "--all") == 1
    told = capsys.readouterr()
    wanted = [app for app, recipe in catalogue("esp32c3", (4, 4)) if not recipe.signed]
    built = [Build.load(Path(line.partition(": ")[0])).project_name for line in told.out.splitlines()]
    assert built == [app for app in wanted if app != "native_ota"]
    assert len(set(built)) == 2
    assert told.err.count("main.c:1:2: error: #error no kettle") == wanted.count("native_ota") == 1


def test_all_says_which_application_is_missing_and_can_be_told_where_it_is(
    idf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rsa, curve = tmp_path / "rsa.pem", tmp_path / "curve.pem"
    rsa.write_bytes(private_key_pem())
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    curve.write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(*form))
    words = ["--idf", idf, "--chip", "esp32", "--all", "--print-config", "--signing-key", rsa, "--signing-key", curve]
    assert bench(*words) == 1
    told = capsys.readouterr()
    wanted = list(catalogue("esp32", (5, 5)))
    missing = [app for app, _ in wanted if app == "pre_encrypted_ota"]
    assert told.out.count("## ") == len(wanted) - len(missing) > 10
    assert told.err.count("idf-extra-components") == len(missing) == 2
    component = plant_project(tmp_path / "pre", "pre_encrypted_ota", _pre_encrypted_symbols())
    assert bench(*words, "--app", component) == 0
    assert capsys.readouterr().out.count("## ") == len(wanted)


def _pre_encrypted_symbols() -> list[str]:
    """As esp_encrypted_img's example defines them."""
    names = ["URL", "URL_FROM_STDIN"]
    others = ["SKIP_COMMON_NAME_CHECK", "SKIP_VERSION_CHECK", "OTA_RECV_TIMEOUT", "ENABLE_PARTIAL_HTTP_DOWNLOAD"]
    others += ["HTTP_REQUEST_SIZE", "USE_CERT_BUNDLE"]
    return [*(f"EXAMPLE_FIRMWARE_UPGRADE_{name}" for name in names), *(f"EXAMPLE_{name}" for name in others)]


@pytest.mark.usefixtures("builder")
def test_all_leaves_signed_builds_out_where_there_is_no_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    idf = plant(tmp_path / "older", "v5.3.1")
    assert bench("--idf", idf, "--chip", "esp32c3", "--all", "--print-config") == 0
    told = capsys.readouterr()
    assert "simple_ota bench_signed_rsa: left out, as it needs --signing-key FILE (rsa)" in told.err
    assert "## pre_encrypted_ota-esp32c3-v5.3.1-bench\n" in told.out


def test_the_list_has_every_variant(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line[2:].split()[0] for line in lines[1::2]} == RECIPES.keys()
    assert {line[2:].split()[0] for line in lines[1::2] if line.startswith(" ")} == VARIANTS.keys()
    assert any("since v5.5" in line for line in lines)


def test_the_fragments_can_be_shown(idf: Path, ca: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("--idf", idf, "--chip", "esp32s3", "--ca", ca, "--variant", "anti_rollback", "--print-config") == 0
    text = capsys.readouterr().out
    assert "CONFIG_BOOTLOADER_EFUSE_SECURE_VERSION_EMULATE=y\n" in text
    assert 'CONFIG_EXAMPLE_FIRMWARE_UPGRADE_URL="FROM_STDIN"\n' in text
    assert "PRIVATE" not in text


@pytest.mark.parametrize(("words", "says"), [
    (["--chip", "esp32s3"], "no ESP-IDF: give --idf PATH or set IDF_PATH"),
    (["--idf", "{idf}"], "--chip: missing"),
    (["--idf", "{idf}", "--chip", "esp32s3", "--all", "--variant", "bench"], "leave --variant and --out out"),
    (["--idf", "{idf}", "--chip", "esp32", "--variant", "a", "--variant", "b", "--out", "x"], "--out takes one build"),
    (["--idf", "{idf}", "--chip", "esp32s3", "--ca", "/nowhere.pem"], "--ca /nowhere.pem: No such file"),
    (["--idf", "{idf}", "--chip", "esp32s3", "--variant", "bluetooth"], "variant 'bluetooth': expected one of"),
])  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(
    words: list[str], says: str, idf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(*(word.format(idf=idf) for word in words)) == 2
    told = capsys.readouterr()
    assert says in told.err
    assert told.err.count("\n") == 1
    assert not told.out
