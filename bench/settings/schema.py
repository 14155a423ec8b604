"""The JSON Schema (draft 2020-12) of a settings file, for editors."""

from __future__ import annotations

from typing import Any

from bench.settings.kinds import Fields, Flag, Kind, ListOf, Named, Number, Some, Text, Whole

__all__ = ["json_schema"]


def json_schema(kind: Kind, *, title: str) -> dict[str, Any]:
    """The schema of a file whose top level is `kind`.

    It is as strict as the reader wherever JSON Schema can say it; a name that must exist elsewhere it cannot.
    """
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **_schema(kind)}


def _schema(kind: Kind) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": kind.about} if kind.about else {}
    match kind:
        case Text(choices=choices, form=form):
            schema["type"] = ["string", "number"] if not choices else "string"
            if choices:
                schema["enum"] = list(choices)
            if form:
                schema["pattern"] = f"^(?:{form})$"
        case Flag():
            schema["type"] = "boolean"
        case Whole(least=low, most=high):
            schema |= {"type": "integer", "minimum": low, "maximum": high}
        case Number(least=below, most=above):
            schema |= {"type": "number", "minimum": below, "maximum": above}
        case ListOf(kind=item, least=fewest):
            schema |= {"type": "array", "items": _schema(item), "minItems": fewest}
        case Some(kind=one):
            schema["anyOf"] = [_schema(one), {"type": "array", "items": _schema(one), "minItems": 1}]
        case Named(kind=value, form=name, least=count):
            schema |= {"type": "object", "additionalProperties": _schema(value), "minProperties": count}
            schema["propertyNames"] = {"pattern": f"^{name}$"}
        case Fields():
            schema |= _of_fields(kind)
    return schema


def _of_fields(kind: Fields) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: _schema(value) for name, value in kind.fields.items()},
        "additionalProperties": False,
    }
    if kind.required:
        schema["required"] = list(kind.required)
    rules: list[dict[str, Any]] = [{"oneOf": [{"required": [name]} for name in group]} for group in kind.either]
    for group in kind.at_most_one:
        rules += [
            {"not": {"required": [first, second]}} for index, first in enumerate(group) for second in group[index + 1 :]
        ]
    return {**schema, "allOf": rules} if rules else schema
