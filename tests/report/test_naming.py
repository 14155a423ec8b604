"""No two scenarios of a run share a folder, and a pool is no part of a scenario's name."""

from __future__ import annotations

import pytest

from bench.report.naming import folder_name, scenario_name


@pytest.mark.parametrize(
    ("module", "test", "of", "on", "name"),
    [
        ("test_tls", "test_x[virtual-esp32-404]", "virtual-esp32", "virtual-esp32", "tls.test_x_404"),
        ("test_http", "test_x[virtual-esp32]", "virtual-esp32", "virtual-esp32", "http.test_x"),
        ("test_http", "test_x", "desk", "desk", "http.test_x"),
        ("test_tls", "test_x[esp32s3-404]", "esp32s3", "desk", "tls.test_x_esp32s3-404"),
        ("test_tls", "test_x[../../etc]", "desk", "desk", "tls.test_x_.._.._etc-74ccf3"),
    ],
)
def test_the_name_holds_module_function_and_case(module: str, test: str, of: str, on: str, name: str) -> None:
    assert folder_name(module, test, of, on) == name


@pytest.mark.parametrize(
    ("test", "of", "name"),
    [
        ("test_a_release_is_new[release-v5.1]", "release", "test_a_release_is_new_v5.1"),
        ("test_of_test[test]", "test", "test_of_test"),
        ("test_x[404-release]", "release", "test_x_404"),
        ("test_x[esp32s3-404]", "esp32", "test_x_esp32s3_404"),
        ("test_x[desk-a-desk]", "desk", "test_x_a_desk"),
        ("test_x[desk-a b, c]", "desk", "test_x_a_b_c"),
        ("test_x[desk-]", "desk", "test_x"),
        ("test_x", "desk", "test_x"),
        ("test_x[404]", "", "test_x_404"),
    ],
)
def test_the_pool_is_cut_out_of_the_case_and_of_nothing_else(test: str, of: str, name: str) -> None:
    assert scenario_name(test, of) == name


def test_cases_that_look_alike_have_folders_of_their_own() -> None:
    cases = ["a-b", "a_b", "a b", "a/b", "a  b", "_a_b", "a_b_", "-a_b", "a.b", "a-_b", "a--b", " ", "/"]
    names = {folder_name("test_tls", f"test_x[desk-{case}]", "desk", "desk") for case in cases}
    assert len(names) == len(cases)
    assert all("/" not in name and " " not in name for name in names)
