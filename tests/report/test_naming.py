"""No two scenarios of a run share a folder."""

from __future__ import annotations

import pytest

from bench.report.naming import folder_name


@pytest.mark.parametrize(
    ("module", "test", "of", "on", "name"),
    [
        ("test_tls", "test_x[virtual-esp32-404]", "virtual-esp32", "virtual-esp32", "tls.test_x_404"),
        ("test_http", "test_x[virtual-esp32]", "virtual-esp32", "virtual-esp32", "http.test_x"),
        ("test_tls", "test_x[esp32s3-404]", "esp32s3", "desk", "tls.test_x_esp32s3_404"),
        ("test_tls", "test_x[../../etc]", "desk", "desk", "tls.test_x_.._.._etc"),
    ],
)
def test_the_name_holds_module_function_and_case(module: str, test: str, of: str, on: str, name: str) -> None:
    assert folder_name(module, test, of, on) == name
