"""Building with ESP-IDF: what is built, kept and taken again, and what a build that fails says.

idf-build-apps is the real one; behind it stands idf_py_stand_in.py in place of ESP-IDF's own idf.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.builds import Build
from bench.builds.building import Cache, EspIdf, Made, Order, find, make
from bench.builds.building.sources import ROOM_FOR_CA
from bench.errors import BuildError
from bench.images.rekey import embedded, with_certificate
from tests.builds.idf_tree import plant, plant_project
from tests.builds.making import ca_pem, private_key_pem

pytest.importorskip("idf_build_apps", reason="idf-build-apps is not installed: pip install 'ota-bench[build]'")


@pytest.fixture
def idf(tmp_path: Path) -> EspIdf:
    return find(plant(tmp_path / "idf", "v5.5"), {})


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def order(idf: EspIdf, app: str = "advanced_https_ota", chip: str = "esp32s3", **options: Any) -> Order:
    return Order(**{"idf": idf, "app": app, "chip": chip, "ca_pem": ca_pem(), **options})


def built(wanted: Order, cache: Cache) -> tuple[Made, list[str]]:
    lines: list[str] = []
    return make(wanted, cache, lines.append, lines.append), lines


def fingerprint(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}


def entries(cache: Cache) -> list[str]:
    """What is in the cache beside locks and logs."""
    return sorted(one.name for one in cache.root.iterdir() if one.name not in ("locks", "failed"))


def test_a_build_is_what_was_asked_for(idf: EspIdf, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # that nothing is written there is the bench's doing
    before = fingerprint(idf.path)
    made, lines = built(order(idf), cache)
    assert not made.cached
    build = made.build
    assert build.path.parent == cache.root
    assert (build.target, build.project_name, build.version, build.idf_ver) == (
        "esp32s3", "advanced_https_ota", "1", "v5.5",
    )  # fmt: skip
    assert build.enabled("BOOTLOADER_APP_ROLLBACK_ENABLE")
    assert [slot.offset for slot in build.partition_table.ota_slots] == [0x10000, 0x200000]
    assert any(line.startswith("[4/4]") for line in lines)
    assert "Project build complete." in (build.path / "build.log").read_text("utf-8")
    assert (build.path / "advanced_https_ota.elf").is_file()
    assert not (build.path / "CMakeCache.txt").exists(), "what only the compiler needs is not kept"
    assert fingerprint(idf.path) == before, "ESP-IDF was written to"


def test_the_same_content_is_taken_from_the_cache(idf: EspIdf, cache: Cache) -> None:
    first, _ = built(order(idf), cache)
    again, lines = built(order(idf), cache)
    assert again.cached
    assert not lines, "it was built again"
    assert again.build.path == first.build.path


@pytest.mark.parametrize("changed", ["source", "ca", "chip", "variant", "network", "sdkconfig"])
def test_other_content_is_another_build(changed: str, idf: EspIdf, cache: Cache, tmp_path: Path) -> None:
    extra = tmp_path / "sdkconfig.extra"
    extra.write_text("CONFIG_LOG_DEFAULT_LEVEL_DEBUG=y\n", "ascii")
    first, _ = built(order(idf), cache)
    others: dict[str, dict[str, Any]] = {
        "source": {},
        "ca": {"ca_pem": ca_pem() + b"# another\n"},
        "chip": {"chip": "esp32c3"},
        "variant": {"variant": "partial_download"},
        "network": {"network": "openeth"},
        "sdkconfig": {"sdkconfig": (extra,)},
    }
    if changed == "source":
        (idf.app("advanced_https_ota") / "main" / "main.c").write_text("int changed;\n", "ascii")
    second, _ = built(order(idf, **others[changed]), cache)
    assert not second.cached
    assert second.build.path != first.build.path
    assert len(entries(cache)) == 2
    if changed == "sdkconfig":
        assert second.build.enabled("LOG_DEFAULT_LEVEL_DEBUG")


def test_a_commit_of_esp_idf_is_another_build(idf: EspIdf, cache: Cache) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", idf.path, *who, *words], check=True, capture_output=True)

    (idf.path / "README.md").write_text("one\n", "ascii")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    first, _ = built(order(idf), cache)
    assert built(order(idf), cache)[0].cached
    (idf.path / "README.md").write_text("two\n", "ascii")
    second, _ = built(order(idf), cache)
    git("commit", "-q", "-a", "-m", "two")
    third, _ = built(order(idf), cache)
    assert len({one.build.path for one in (first, second, third)}) == 3


def test_the_embedded_ca_leaves_room_for_another(idf: EspIdf, cache: Cache) -> None:
    image = built(order(idf), cache)[0].build.image
    (certificate,) = embedded(image, "certificate")
    assert certificate.text.startswith(ca_pem())
    assert len(certificate.text) == ROOM_FOR_CA
    longer = ca_pem() + b"#" * 700
    assert embedded(with_certificate(image, longer), "certificate")[0].text.startswith(longer)


@pytest.mark.parametrize(("app", "variant", "chip"), [
    ("advanced_https_ota", "anti_rollback", "esp32"),
    ("advanced_https_ota", "bench_anti_rollback", "esp32s3"),
    ("advanced_https_ota", "bench_factory", "esp32c3"),
    ("advanced_https_ota", "bench_ota_resumption_partial_download", "esp32s3"),
    ("native_ota", "bench", "esp32c3"),
    ("simple_ota", "bench", "esp32"),
    ("simple_ota", "default", "esp32"),
    ("simple_ota", "on_update_no_sb_rsa", "esp32"),
])  # fmt: skip
def test_variants_are_built(app: str, variant: str, chip: str, idf: EspIdf, cache: Cache) -> None:
    key = private_key_pem() if "rsa" in variant else None
    wanted = order(idf, app, chip, variant=variant, network="ethernet", signing_key=key)
    build = built(wanted, cache)[0].build
    assert build.project_name == app
    for symbol, value in wanted.asked().items():
        assert build.sdkconfig.get(symbol, False) == value
    if "anti_rollback" in variant:
        assert build.partition_table_offset == 0xD000
        assert build.enabled("EFUSE_VIRTUAL_KEEP_IN_FLASH")
    if key is not None:
        kept = fingerprint(build.path)
        assert not any(b"PRIVATE KEY" in data for data in kept.values()), "the signing key is in the cache"
        assert not any(key in data for data in kept.values())


def test_a_pre_encrypted_build_has_room_for_another_key(cache: Cache, tmp_path: Path) -> None:
    idf = find(plant(tmp_path / "idf", "v5.3.1"), {})
    build = built(order(idf, "pre_encrypted_ota"), cache)[0].build
    (key,) = embedded(build.image, "private key")
    assert len(key.text) == 2560
    assert (build.path / "pre_encrypted_ota_secure.bin").is_file()


def test_a_project_of_one_s_own_is_built_as_it_is_and_not_touched(idf: EspIdf, cache: Cache, tmp_path: Path) -> None:
    project = plant_project(tmp_path / "mine" / "apps" / "fork", "simple_ota", [])
    (tmp_path / "mine" / "common").mkdir()
    (project / "sdkconfig").write_text("CONFIG_LOG_DEFAULT_LEVEL_DEBUG=y\n", "ascii")
    (project / "main" / "Kconfig.projbuild").write_text("config EXAMPLE_FIRMWARE_UPGRADE_URL\n", "ascii")
    before = fingerprint(tmp_path / "mine")
    # The stock fragments ask for what this fork has thrown out of its Kconfig.
    with pytest.raises(BuildError, match="asked for CONFIG_EXAMPLE_USE_CERT_BUNDLE=y, and the build has n"):
        built(order(idf, str(project)), cache)
    (project / "CMakeLists.txt").write_text("project(kettle)\n", "ascii")
    wanted = order(idf, str(project))
    assert wanted.aim.app == "kettle"
    assert list(wanted.texts()) == ["version.defaults"]
    (project / "CMakeLists.txt").write_text("project(simple_ota)\n", "ascii")
    assert fingerprint(tmp_path / "mine") == {**before, "apps/fork/CMakeLists.txt": b"project(simple_ota)\n"}


def test_what_lies_beside_a_project_is_found_from_its_copy(tmp_path: Path) -> None:
    from bench.builds.building.sources import stage

    project = plant_project(tmp_path / "repo" / "apps" / "kettle", "kettle", [])
    (tmp_path / "repo" / "components" / "heat").mkdir(parents=True)
    (tmp_path / "repo" / "components" / "heat" / "heat.c").write_text("int heat;\n", "ascii")
    (project / "build").mkdir()
    (tmp_path / "work").mkdir()
    copy = stage(project, tmp_path / "work", {"main/new.c": b"int new;\n"})
    assert (copy / "../../components/heat/heat.c").read_text("ascii") == "int heat;\n"
    assert (copy / "main/new.c").is_file()
    assert not (project / "main/new.c").exists()
    assert not (copy / "build").exists()


def test_a_compiler_error_is_shown_with_the_place_of_the_log(idf: EspIdf, cache: Cache) -> None:
    (idf.app("advanced_https_ota") / "main" / "main.c").write_text("#error no kettle\n", "ascii")
    with pytest.raises(BuildError, match=r"main\.c:1:2: error: #error no kettle") as failed:
        built(order(idf), cache)
    assert not entries(cache), "a failed build is in the cache"
    log = Path(str(failed.value).rsplit("the whole log: ", 1)[1])
    assert "ninja failed with exit code 1" in log.read_text("utf-8")


def test_a_symbol_that_kconfig_drops_is_named(idf: EspIdf, cache: Cache) -> None:
    with pytest.raises(BuildError, match=r"asked for CONFIG_SPIRAM=y, and the build has n: .* esp32c3") as failed:
        built(order(idf, chip="esp32c3", variant="spiram"), cache)
    assert "\n" not in str(failed.value)
    assert not entries(cache)


@pytest.mark.parametrize("line", [
    'EXAMPLE_WIFI_PASSWORD="hunter2hunter2"',
    'EXAMPLE_WIFI_SSID="hunter2hunter2"',
    "EXAMPLE_WIFI_PASSWORD=2222222222",
    'MY_UPDATES="https://me:hunter2hunter2@192.0.2.1/"',
    'MY_FILE="-----BEGIN PRIVATE KEY-----hunter2hunter2"',
])  # fmt: skip
def test_a_secret_that_kconfig_drops_is_named_and_not_told(
    line: str, idf: EspIdf, cache: Cache, tmp_path: Path
) -> None:
    extra = tmp_path / "sdkconfig.wifi"
    extra.write_text(f"CONFIG_{line}\n", "ascii")
    symbol = line.partition("=")[0]
    with pytest.raises(BuildError) as failed:
        built(order(idf, sdkconfig=(extra,)), cache)
    assert f"asked for CONFIG_{symbol}=***, and the build has n: " in str(failed.value)
    assert "hunter2" not in str(failed.value)
    assert "2222222222" not in str(failed.value)


def test_what_is_no_secret_is_told_where_the_build_has_something_else(
    idf: EspIdf, cache: Cache, tmp_path: Path
) -> None:
    extra = tmp_path / "sdkconfig.more"
    extra.write_text('CONFIG_MY_COLOUR="red"\n', "ascii")
    with pytest.raises(BuildError, match="asked for CONFIG_MY_COLOUR=red, and the build has n: "):
        built(order(idf, sdkconfig=(extra,)), cache)


def test_tools_that_are_not_installed_are_explained(cache: Cache, tmp_path: Path) -> None:
    for release in ("v5.5", "v6.0"):
        path = plant(tmp_path / release, release)
        (path / "tools-missing").touch()
        with pytest.raises(BuildError, match=f"no installed versions.*: run {path}/install.sh esp32s3"):
            built(order(find(path, {})), cache)
        assert not entries(cache)


CHILD = """
import sys
from pathlib import Path
from bench.builds.building import Cache, Order, find, make
idf, cache, ca = map(Path, sys.argv[1:])
order = Order(idf=find(idf, {}), app="advanced_https_ota", chip="esp32s3", ca_pem=ca.read_bytes())
make(order, Cache(cache), print, print)
"""


@pytest.fixture
def hanging(idf: EspIdf, cache: Cache, tmp_path: Path) -> Callable[[], tuple[subprocess.Popen[bytes], int]]:
    """Starts a build that does not end in a process of its own; returns it and the compiler's process id."""
    (idf.app("advanced_https_ota") / "main" / "main.c").write_text("// HANG\n", "ascii")
    ca, script, pid = tmp_path / "ca.pem", tmp_path / "child.py", tmp_path / "pid"
    ca.write_bytes(ca_pem())
    script.write_text(textwrap.dedent(CHILD), "ascii")

    def start() -> tuple[subprocess.Popen[bytes], int]:
        root = Path(__file__).parents[2]
        process = subprocess.Popen(
            [sys.executable, script, idf.path, cache.root, ca],
            env={**os.environ, "STAND_IN_PID": str(pid), "PYTHONPATH": str(root)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: pid.is_file() and pid.read_text("ascii") != "")
        return process, int(pid.read_text("ascii"))

    return start


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited for in vain"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Is there such a process, and not only its entry waiting for a parent?"""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return False


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_build_that_is_broken_off_leaves_no_process_and_no_entry(
    how: signal.Signals,
    hanging: Callable[[], tuple[subprocess.Popen[bytes], int]],
    idf: EspIdf,
    cache: Cache,
) -> None:
    process, compiler = hanging()
    try:
        assert alive(compiler)
        process.send_signal(how)
        assert process.wait(60) != 0
    finally:
        process.kill()
        process.wait(60)
    wait_until(lambda: not alive(compiler))
    if how is signal.SIGINT:
        assert not entries(cache)
    (idf.app("advanced_https_ota") / "main" / "main.c").write_text("void app_main(void) {}\n", "ascii")
    made, _ = built(order(idf), cache)
    assert entries(cache) == [made.build.path.name], "what a killed build left is still there"


def test_two_who_want_the_same_build_it_once(idf: EspIdf, cache: Cache) -> None:
    made: list[Made] = []
    lines: list[str] = []

    def one() -> None:
        made.append(make(order(idf), cache, lines.append, lines.append))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(one.cached for one in made) == [False, True]
    assert sum(line.startswith("[4/4]") for line in lines) == 1


def test_what_it_was_built_from_is_written_down_without_secrets(idf: EspIdf, cache: Cache) -> None:
    wanted = order(idf, "simple_ota", variant="bench_signed_rsa", chip="esp32", signing_key=private_key_pem())
    build = built(wanted, cache)[0].build
    about = json.loads((build.path / "ota-bench.json").read_text("utf-8"))
    assert about["variant"] == "bench_signed_rsa"
    assert about["esp_idf"] == "v5.5"
    assert set(about["files"]) == {"server_certs/ca_cert.pem", "signing_key.pem"}
    assert all(len(digest) == 64 for digest in about["files"].values())
    assert Build.load(build.path).enabled("SECURE_SIGNED_ON_UPDATE_NO_SECURE_BOOT")


def lacking(path: Path) -> None:
    (path / "components/mbedtls/mbedtls").mkdir(parents=True)


@pytest.mark.parametrize(("spoil", "says"), [
    (lambda path: (path / "export.sh").unlink(), "export.sh"),
    (lambda path: (path / "tools/idf.py").unlink(), "no ESP-IDF"),
    (lambda path: (path / "tools/cmake/version.cmake").write_text("set(IDF_VERSION_MAJOR 4)\nset(IDF_VERSION_MINOR 3)\n"
                                                                  "set(IDF_VERSION_PATCH 1)\n"), "v4.3.1 is too old"),
    (lacking, "submodule update --init --recursive"),
])  # fmt: skip
def test_an_esp_idf_that_is_not_whole_is_explained(spoil: Callable[[Path], object], says: str, tmp_path: Path) -> None:
    path = plant(tmp_path / "idf", "v5.5")
    spoil(path)
    with pytest.raises(BuildError, match=says) as failed:
        find(path, {})
    assert "\n" not in str(failed.value)


def test_an_esp_idf_that_is_not_there_is_explained(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"--idf PATH or set IDF_PATH; .*git clone --recursive"):
        find(None, {})
    with pytest.raises(BuildError, match=r"nowhere \(from IDF_PATH\): no such directory"):
        find(None, {"IDF_PATH": str(tmp_path / "nowhere")})


@pytest.mark.parametrize(("app", "says"), [
    ("pre_encrypted_ota", "idf-extra-components"),
    ("kettle", "or the path of a project"),
    ("serial_ota", "expected one of advanced_https_ota"),
    ("./nowhere", "no CMakeLists.txt"),
])  # fmt: skip
def test_an_application_that_is_not_there_is_explained(app: str, says: str, idf: EspIdf) -> None:
    with pytest.raises(BuildError, match=says) as failed:
        idf.app(app)
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(("options", "says"), [
    ({"chip": "esp8266"}, "builds for esp32, esp32c3, esp32s3"),
    ({"network": "pigeon"}, "wifi, ethernet, openeth"),
    ({"variant": "bench_signed_rsa"}, "--signing-key FILE"),
    ({"signing_key": b"key"}, "not signed"),
    ({"ca_pem": b"nothing"}, "expected PEM"),
    ({"sdkconfig": (Path("/nowhere/extra"),)}, "/nowhere/extra"),
])  # fmt: skip
def test_an_order_that_cannot_be_is_refused_before_anything_is_built(
    options: dict[str, Any], says: str, idf: EspIdf
) -> None:
    with pytest.raises(BuildError, match=says):
        order(idf, **options)


def test_the_environment_that_is_there_is_taken_when_it_is_this_esp_idf_s(idf: EspIdf, tmp_path: Path) -> None:
    here = {"IDF_PATH": str(idf.path), "IDF_PYTHON_ENV_PATH": str(idf.path / "python_env"), "MARK": "1"}
    assert idf.environment("esp32", here) == here
    other = {**here, "IDF_PATH": str(tmp_path), "PATH": os.environ["PATH"]}
    exported = idf.environment("esp32", other)
    assert exported["PYTHONDONTWRITEBYTECODE"] == "1", "its Python must write nothing beside its sources"
    assert exported["IDF_PATH"] == str(idf.path)
    assert exported["STAND_IN_EXPORTED"] == "1"
    assert exported["MARK"] == "1"
