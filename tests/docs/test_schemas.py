"""The schemas in docs/schemas are the ones that the readers go by."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from bench.cli import main
from bench.ota import parse_dialect
from bench.report.gate import parse_policy

ROOT = Path(__file__).resolve().parents[2]


def test_the_published_schema_of_boards_yaml_is_the_reader_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards", "schema"]) == 0
    told = "run `bench boards schema > docs/schemas/boards.schema.json`"
    assert capsys.readouterr().out == (ROOT / "docs/schemas/boards.schema.json").read_text(), told


def test_the_published_schema_of_dialects_is_the_reader_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dialect", "schema"]) == 0
    told = "run `bench dialect schema > docs/schemas/dialect.schema.json`"
    assert capsys.readouterr().out == (ROOT / "docs/schemas/dialect.schema.json").read_text(), told


def test_the_published_schema_of_release_policies_is_the_reader_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", "schema"]) == 0
    told = "run `bench gate schema > docs/schemas/gate.schema.json`"
    assert capsys.readouterr().out == (ROOT / "docs/schemas/gate.schema.json").read_text(), told


def test_the_policies_in_the_page_on_the_gate_are_valid() -> None:
    schema = json.loads((ROOT / "docs/schemas/gate.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    examples = re.findall(r"```yaml[^\n]*\n(.*?)```", (ROOT / "docs/gate.md").read_text("utf-8"), re.DOTALL)
    assert examples
    for example in examples:
        days_as_text = json.loads(json.dumps(yaml.safe_load(example), default=str))
        jsonschema.validate(days_as_text, schema)
        parse_policy(example.encode())


def test_the_example_in_the_page_on_dialects_is_valid() -> None:
    schema = json.loads((ROOT / "docs/schemas/dialect.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    page = (ROOT / "docs/dialects.md").read_text("utf-8")
    examples = re.findall(r"```yaml[^\n]*\n(.*?)```", page, re.DOTALL)
    assert examples
    for example in examples:
        jsonschema.validate(yaml.safe_load(example), schema)
        parse_dialect(example.encode())


def test_the_shipped_boards_yaml_is_valid_by_its_schema() -> None:
    schema = json.loads((ROOT / "docs/schemas/boards.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load((ROOT / "boards.yaml").read_text()), schema)
