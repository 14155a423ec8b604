"""What a bootloader boots and writes, as tables: written from ESP-IDF's documentation, not from bench.virtual.

Sources: docs/en/api-reference/system/ota.rst ("OTA Data Partition", "Restrictions", "Anti-rollback": its table of
states is `_WITH_ROLLBACK`), and, where it is silent (a wrong CRC, both entries given up, an image that is chosen and
does not verify), components/bootloader_support/src/bootloader_utility.c.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

__all__ = ["ENTRIES", "HEALTHS", "Case", "Entry", "Outcome", "cases", "expected"]

ERASED = 0xFFFF_FFFF

_WITH_ROLLBACK: Mapping[str, tuple[str, bool, str]] = MappingProxyType(
    {
        # state: (what every boot makes of it, may be selected, what being selected makes of it)
        "VALID": ("VALID", True, "VALID"),
        "UNDEFINED": ("UNDEFINED", True, "UNDEFINED"),
        "INVALID": ("INVALID", False, "INVALID"),
        "ABORTED": ("ABORTED", False, "ABORTED"),
        "NEW": ("NEW", True, "PENDING_VERIFY"),
        "PENDING_VERIFY": ("ABORTED", False, "ABORTED"),
    }
)
_WITHOUT_ROLLBACK = MappingProxyType(
    {
        **_WITH_ROLLBACK,
        "NEW": ("NEW", True, "NEW"),
        "PENDING_VERIFY": ("PENDING_VERIFY", True, "PENDING_VERIFY"),
    }
)

HEALTHS: Mapping[str, tuple[bool, int | None]] = MappingProxyType(
    {
        # image in a slot: (does it verify, the secure version in its description)
        "good": (True, 2),
        "just new enough": (True, 1),
        "too old": (True, 0),
        "bad hash": (False, 2),
        "bad magic": (False, 2),
        "wrong chip": (False, 2),
        "blank": (False, None),
    }
)
_BURNT = 1
"""The secure version in the eFuses before each boot with anti-rollback."""


@dataclass(frozen=True)
class Entry:
    """One sector of otadata."""

    seq: int = ERASED
    state: str = "UNDEFINED"
    crc_right: bool = True

    @property
    def slot(self) -> int:
        return (self.seq - 1) % 2

    @property
    def written(self) -> bool:
        return self.seq != ERASED and self.crc_right

    @property
    def given_up(self) -> bool:
        return self.seq == ERASED or self.state in ("INVALID", "ABORTED")


@dataclass(frozen=True)
class Case:
    """Everything that a boot depends on; `factory` is None where the table has no such partition."""

    entries: tuple[Entry, Entry]
    healths: tuple[str, str]
    rollback: bool
    anti_rollback: bool
    factory: str | None


@dataclass(frozen=True)
class Outcome:
    """`label` of what is booted, None for nothing; otadata, eFuses, and how often a sector of otadata is written."""

    label: str | None
    entries: tuple[Entry, Entry]
    burnt: int
    writes: int


ENTRIES = (
    *((state, True) for state in _WITH_ROLLBACK),
    ("VALID", False),
    ("PENDING_VERIFY", False),
    ("ERASED", True),
)
_SEQUENCES = ((1, 2), (3, 2), (2, 2), (1, 3))
"""The second newer, the first newer, both the same, both of one slot."""


def cases(options: str, factory: str | None) -> Iterator[Case]:
    """The whole product for one configuration of the bootloader."""
    pairs = {
        tuple(
            Entry() if state == "ERASED" else Entry(seq, state, crc)
            for (state, crc), seq in zip(two, seqs, strict=True)
        )
        for two in product(ENTRIES, repeat=2)
        for seqs in _SEQUENCES
    }
    healths = [one for one in HEALTHS if options == "anti-rollback" or one != "just new enough"]
    for one, other, (first, second) in product(healths, healths, sorted(pairs, key=repr)):
        yield Case((first, second), (one, other), options != "none", options == "anti-rollback", factory)


def expected(case: Case) -> Outcome:
    """Look the case up."""
    rules = _WITH_ROLLBACK if case.rollback else _WITHOUT_ROLLBACK
    entries = [Entry(one.seq, rules[one.state][0], one.crc_right) for one in case.entries]
    writes = sum(new != old for new, old in zip(entries, case.entries, strict=True))
    burnt = _BURNT if case.anti_rollback else 0
    unwritten = not any(one.written for one in entries)
    may = [n for n in (0, 1) if entries[n].written and rules[entries[n].state][1]]
    if case.anti_rollback:
        may = [n for n in may if _new_enough(case, entries[n].slot, burnt)]
    first_entry = False  # is otadata to be given its first entry?
    if case.anti_rollback and unwritten:
        start, may, first_entry = "factory", [], True
    elif not case.anti_rollback and all(one.given_up for one in entries):
        start, may = "factory", []
        if case.factory is None:
            start, first_entry = "ota_0", unwritten
    else:
        start = "factory"
    if may:
        chosen = max(may, key=lambda n: (entries[n].seq, -n))
        before = entries[chosen]
        after = Entry(before.seq, rules[before.state][2], True)
        writes += after != before
        entries[chosen] = after
        start = f"ota_{after.slot}"
        if case.anti_rollback and after.state == "VALID":
            burnt = max(burnt, HEALTHS[case.healths[after.slot]][1] or 0)
    for label in _ORDER[start]:
        if not _boots(case, label, burnt):
            continue
        if first_entry and label != "factory":
            entries[0] = Entry(int(label[-1]) + 1, "VALID")
            writes += 1
            if case.anti_rollback:
                burnt = max(burnt, HEALTHS[case.healths[int(label[-1])]][1] or 0)
        return Outcome(label, (entries[0], entries[1]), burnt, writes)
    return Outcome(None, (entries[0], entries[1]), burnt, writes)


_ORDER = {
    "factory": ("factory", "ota_0", "ota_1"),
    "ota_0": ("ota_0", "factory", "ota_1"),
    "ota_1": ("ota_1", "ota_0", "factory"),
}
"""From the slot that was chosen back to factory, then forward."""


def _new_enough(case: Case, slot: int, burnt: int) -> bool:
    version = HEALTHS[case.healths[slot]][1]
    return version is not None and version >= burnt


def _boots(case: Case, label: str, burnt: int) -> bool:
    if label == "factory":
        return case.factory == "good"
    slot = int(label[-1])
    return HEALTHS[case.healths[slot]][0] and (not case.anti_rollback or _new_enough(case, slot, burnt))
