"""Files that users write in YAML: read by one description of their fields, every complaint with line, field and mend.

The same description gives the JSON Schema that editors complete and check by. Which fields there are is said in the
room that reads them (`bench/boards/boards_fields.py`); this room knows none of them.
"""

from __future__ import annotations

from bench.settings.document import MAX_BYTES, Document
from bench.settings.kinds import Fields, Flag, Kind, ListOf, Named, Number, Place, Some, Text, Whole
from bench.settings.record import Record
from bench.settings.schema import json_schema

__all__ = [
    "MAX_BYTES",
    "Document",
    "Fields",
    "Flag",
    "Kind",
    "ListOf",
    "Named",
    "Number",
    "Place",
    "Record",
    "Some",
    "Text",
    "Whole",
    "json_schema",
]
