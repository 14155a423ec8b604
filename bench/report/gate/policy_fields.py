"""The fields of release.yaml: one description, from which the file is read and its JSON Schema made."""

from __future__ import annotations

from types import MappingProxyType

from bench.boards.board import CHIPS
from bench.settings import Fields, ListOf, Some, Text, Whole

__all__ = ["KINDS", "POLICY"]

KINDS = MappingProxyType(
    {
        "hardware": frozenset({"hardware"}),
        "emulator": frozenset({"hardware", "emulator"}),
        "virtual": frozenset({"hardware", "emulator", "model"}),
    }
)
"""What counts where a rule asks for it: hardware alone; firmware that was executed; models as well."""

_PATTERN = r"[\w.*?\-]{1,200}"
_TOLD = "a name, or a pattern with * and ?"

_CHIPS = Some(Text("A chip.", choices=CHIPS), "On each of these chips.")

_RULE = Fields(
    "Scenarios that must have passed, and where.",
    {
        "family": Some(
            Text("`rollback` is scenarios/test_rollback.py; `*` is all of them.", form=_PATTERN, told=_TOLD),
            "Every scenario of these modules.",
        ),
        "scenario": Some(
            Text("With or without the family: rollback.test_x, test_x_404, or a pattern.", form=_PATTERN, told=_TOLD),
            "Every scenario of these names.",
        ),
        "mark": Some(
            Text("`firmware`, or with an argument: needs(power_cut).", form=r"[^\x00-\x1f]{1,200}", told="a mark"),
            "Every scenario with one of these marks.",
        ),
        "chip": _CHIPS,
        "tag": Some(Text("A tag of boards.yaml."), "On some board with each of these tags."),
        "board": Some(Text("A board of boards.yaml."), "On each of these boards."),
        "counts": Text(
            "What counts: hardware alone (default), emulators as well, or virtual boards as well.",
            choices=tuple(KINDS),
        ),
        "least": Whole("How many scenarios the rule must be about, at least (1).", 1, 100_000),
    },
    either=(("family", "scenario", "mark"), ("chip", "tag", "board")),
)

_WAIVER = Fields(
    "What need not pass, why, who says so, and until when.",
    {
        "scenario": Some(Text("A name or a pattern.", form=_PATTERN, told=_TOLD), "Which scenarios."),
        "chip": Some(Text("A chip.", choices=CHIPS), "On these chips only."),
        "board": Some(Text("A board of boards.yaml."), "On these boards only."),
        "reason": Text("Why the release may do without."),
        "by": Text("Who answers for it."),
        "until": Text(
            "The last day on which it holds.", form=r"[0-9]{4}-[0-9]{2}-[0-9]{2}", told="a day, like 2027-01-31"
        ),
    },
    required=("scenario", "reason", "by", "until"),
    at_most_one=(("chip", "board"),),
)

POLICY = Fields(
    "What a release must have shown.",
    {
        "name": Text("What the policy is called, as the verdict names it."),
        "least": Whole("How many scenarios must have run to an end, at least (1).", 1, 1_000_000),
        "require": ListOf(_RULE, "What must have passed, and where.", least=1),
        "waive": ListOf(_WAIVER, "What may be missing."),
        "others": Text(
            "Scenarios of the run that no rule is about: `judge` them too (default), or only `tell` of them.",
            choices=("judge", "tell"),
        ),
    },
    required=("require",),
)
"""The whole file."""
