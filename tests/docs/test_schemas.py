"""The schemas in docs/schemas are the ones that the readers go by."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from bench.cli import main

ROOT = Path(__file__).resolve().parents[2]


def test_the_published_schema_of_boards_yaml_is_the_reader_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards", "schema"]) == 0
    told = "run `bench boards schema > docs/schemas/boards.schema.json`"
    assert capsys.readouterr().out == (ROOT / "docs/schemas/boards.schema.json").read_text(), told


def test_the_shipped_boards_yaml_is_valid_by_its_schema() -> None:
    schema = json.loads((ROOT / "docs/schemas/boards.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load((ROOT / "boards.yaml").read_text()), schema)
