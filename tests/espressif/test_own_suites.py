"""ESP-IDF's own pytest files, unmodified, against a virtual board; where IDF_PATH has them, and skipped elsewhere.

They serve on fixed ports of all interfaces and ask which of the host's addresses faces the board: a route to 10.0.2.15
is needed. The board runs in real time, as they start their servers while it boots.
"""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.builds import VirtualBuild, write_build
from bench.builds.releases import RELEASES
from bench.builds.variants import variant

CONFTEST = """
import os, sys
import pytest, serial
from pytest_embedded_idf.utils import preview_targets, supported_targets

serial.protocol_handler_packages.append("bench.boards.serialurl")
tools = os.path.join(os.environ["IDF_PATH"], "tools", "ci")
sys.path += [tools, os.path.join(tools, "python_packages")]

def pytest_configure(config):
    supported_targets.set(["esp32"])
    preview_targets.set([])

@pytest.fixture
def config(request):
    return getattr(request, "param", None) or "default"

@pytest.fixture
def target(request):
    if getattr(request, "param", "esp32") != "esp32":
        pytest.skip("the board is an ESP32")
    return "esp32"

@pytest.fixture
def build_dir(app_path, config):
    if not os.path.isdir(os.path.join(app_path, f"build_{config}")):
        pytest.skip(f"no build {config}")
    return f"build_{config}"
"""

SUITES = {
    "native_ota_example/pytest_native_ota.py": ("native_ota", ["default"], ""),
    "simple_ota_example/pytest_simple_ota.py": ("simple_ota", ["default", "spiram", "tls1_3"], ""),
    "advanced_https_ota/pytest_advanced_ota.py": (
        "advanced_https_ota",
        ["default", "partial_download", "anti_rollback"],
        "not chip_revision and not resumption",  # QEMU with an ESP32-C3; and those that wait for up to 15 s
    ),
}


@pytest.fixture
def idf() -> Path:
    """IDF_PATH with all that is needed, or a skip with the reason."""
    if "IDF_PATH" not in os.environ:
        pytest.skip("IDF_PATH is not set: ESP-IDF's own tests are not here")
    path = Path(os.environ["IDF_PATH"])
    if not (path / "tools/ci/python_packages/common_test_methods.py").is_file():
        pytest.skip(f"{path} has no tools/ci/python_packages/common_test_methods.py: take a whole ESP-IDF")
    if importlib.util.find_spec("RangeHTTPServer") is None:
        pytest.skip("RangeHTTPServer is not installed: pip install rangehttpserver")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.0.2.15", 80))
        except OSError:
            pytest.skip("no route to 10.0.2.15, the virtual board's address: their servers would have none")
    return path


@pytest.fixture
def release(idf: Path) -> str:
    text = (idf / "tools/cmake/version.cmake").read_text("utf-8")
    major, minor, patch = re.findall(r"IDF_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", text)
    name = f"v{major}.{minor}" + (f".{patch}" if patch != "0" else "")
    if name not in RELEASES:
        pytest.skip(f"IDF_PATH is ESP-IDF {name}: the bench speaks as {', '.join(RELEASES)}")
    return name


@pytest.fixture
def port() -> Iterator[str]:
    words = [sys.executable, "-m", "bench.virtual", "--chip", "esp32", "--realtime", "--until-stdin-closes"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as board:
        assert board.stdout is not None
        yield board.stdout.readline().strip().replace("rfc2217://", "virtual://")
        assert board.stdin is not None
        board.stdin.close()


@pytest.mark.parametrize("suite", SUITES)
def test_esp_idf_s_own_tests_pass(suite: str, idf: Path, release: str, port: str, tmp_path: Path) -> None:
    app, variants, selected = SUITES[suite]
    source = idf / "examples/system/ota" / suite
    for name in variants:
        spec = VirtualBuild(
            chip="esp32",
            app=app,
            version="1",
            ca_pem=(source.parent / "server_certs/ca_cert.pem").read_bytes(),
            idf_ver=release,
            **variant(name, app, release),  # type: ignore[arg-type]  # a variant names fields of BuildSpec
        )
        write_build(spec, tmp_path / f"build_{name}")
    (tmp_path / source.name).symlink_to(source)
    for extra in source.parent.glob("test_certs"):
        (tmp_path / extra.name).symlink_to(extra)
    (tmp_path / "conftest.py").write_text(CONFTEST, "ascii")
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", tmp_path, "-k", selected]
    words += ["--embedded-services", "esp,idf", "--port", port, "--target", "esp32", "--app-path", tmp_path]
    words += ["--root-logdir", tmp_path / "logs", tmp_path / source.name]
    ran = subprocess.run([sys.executable, *map(str, words)], cwd=tmp_path, capture_output=True, text=True, timeout=900)
    assert ran.returncode == 0, ran.stdout[-6000:]
    assert re.search(r"\d+ passed", ran.stdout)
