"""The judgement: of a run by a policy on a day. Pure, and the same whatever the order of what it is given."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from difflib import get_close_matches
from fnmatch import fnmatchcase

from bench.report.gate.policy import Policy, Rule, Waiver, fits, is_one_of
from bench.report.gate.record import NOT_SELECTED, RunRecord, Trial
from bench.report.gate.verdict import Line, Verdict

__all__ = ["judge"]

_OR_WAIVE = "or waive it"
_NOTHING_FAILS = "no rule is about it, but in a gate nothing may fail or be skipped"
_PLACES = {"hardware": "hardware", "emulator": "an emulator", "model": "a virtual board"}
_WANTED = {"hardware": "hardware", "emulator": "hardware or an emulator", "virtual": "any board"}


@dataclass(frozen=True, slots=True)
class _Missing:
    """A line that a waiver may cover, with what waivers go by."""

    line: Line
    scenario: str
    board: str
    chip: str
    whole: tuple[int, str, int] | None = None
    """Where it is about a scenario that never ran: the rule, the place, and how many scenarios the rule wants there."""


def judge(policy: Policy, run: RunRecord, day: date) -> Verdict:
    """Does the run show what the policy wants of a release on that day?"""
    missing = [lack for rule in policy.rules for lack in _of_rule(rule, run)]
    others = [
        trial
        for trial in run.trials
        if trial.outcome not in ("passed", NOT_SELECTED) and not any(_counts(rule, trial) for rule in policy.rules)
    ]
    if policy.strict:
        missing += [_lack(1, trial, _NOTHING_FAILS) for trial in others]
    waived, unmet, used = [], [_plain(*lack) for lack in _of_run(policy, run)], set[Waiver]()
    left = list[_Missing]()
    for lack in sorted(set(missing), key=lambda lack: lack.line):
        covering = [one for one in policy.waivers if _covers(one, lack)]
        used.update(covering)
        waiver = next((one for one in covering if one.holds(day)), None)
        if waiver is None:
            left.append(lack)
        else:
            mend = f"{waiver.reason} ({waiver.by}, until {waiver.until.isoformat()}, line {waiver.line})"
            waived.append(replace(lack.line, mend=mend))
    unmet += _gathered(left)
    for one in policy.waivers:
        if not one.holds(day):
            told = f"the waiver of {', '.join(one.patterns)} by {one.by} expired on {one.until.isoformat()}"
            unmet.append(_plain(one.line, told, "remove it and mend what it waived, or have it renewed"))
    notes = [
        f"{policy.path}:{one.line}: this waiver waives nothing; remove it" for one in policy.waivers if one not in used
    ]
    models = sorted({trial.board for trial in run.trials if trial.kind == "model" and trial.outcome != NOT_SELECTED})
    if models:
        notes.append(f"models, not hardware: {', '.join(models)}")
    if not policy.strict:
        notes += [f"no rule is about {trial.full_name} on {trial.board}: {trial.outcome}" for trial in others]
    counts = Counter(trial.outcome for trial in run.trials)
    return Verdict(
        policy.path,
        policy.name,
        day,
        tuple(sorted(unmet)),
        tuple(sorted(waived)),
        tuple(sorted(notes)),
        _sorted(counts),
    )


def _gathered(lacks: Sequence[_Missing]) -> Iterator[Line]:
    """Their lines; a place at which nothing of what a rule wants ever ran is one line, and not hundreds."""
    never = Counter(lack.whole for lack in lacks if lack.whole is not None)
    told = set[tuple[int, str, int]]()
    for lack in lacks:
        if lack.whole is None or never[lack.whole] < max(2, lack.whole[2]):
            yield lack.line
        elif lack.whole not in told:
            told.add(lack.whole)
            _, where, count = lack.whole
            problem = f"none of the {count} scenarios of this rule: {lack.line.problem}"
            yield Line(lack.line.line, "", where, problem, f"run them with --board {where}, or waive them")


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return {outcome: counts[outcome] for outcome in sorted(counts)}


def _plain(line: int, problem: str, mend: str) -> Line:
    return Line(line, "", "", problem, mend)


def _covers(waiver: Waiver, lack: _Missing) -> bool:
    return bool(lack.scenario) and waiver.covers(lack.scenario, lack.board, lack.chip)


def _of_run(policy: Policy, run: RunRecord) -> Iterator[tuple[int, str, str]]:
    """What is missing of the run as a whole. No waiver covers it."""
    if run.broken_off:
        yield 1, f"the run did not come to its end: {run.broken_off}", "run it again, to its end"
    for board, cause in run.lost.items():
        yield 1, f"the board {board} was lost: {cause}", "mend the board and run again"
    for what, cause in run.uncollected.items():
        yield 1, f"{what} could not be collected: {cause}", "mend it and run again"
    ran = len({(trial.family, trial.name, trial.board) for trial in run.trials if trial.ran})
    if ran < policy.least:
        told = f"{ran} scenarios ran to an end, and at least {policy.least} must"
        yield policy.least_line, told, "run more of them, and see that fewer are skipped"


def _subject(rule: Rule, trial: Trial) -> bool:
    """Is the rule about this scenario, wherever it ran?"""
    if rule.by == "mark":
        return any(fits(mark, rule.patterns) for mark in trial.marks)
    if rule.by == "scenario":
        return is_one_of(trial.full_name, rule.patterns)
    return fits(trial.family, rule.patterns)


def _at(where: str, target: str, trial: Trial) -> bool:
    if where == "tag":
        return target in trial.tags
    return target == trial.chip if where == "chip" else target in trial.boards


def _counts(rule: Rule, trial: Trial) -> bool:
    """Is it one of those by which the rule is met or not?"""
    there = any(_at(rule.where, target, trial) for target in rule.targets)
    return there and trial.kind in rule.kinds and _subject(rule, trial)


def _of_rule(rule: Rule, run: RunRecord) -> Iterator[_Missing]:
    trials = [trial for trial in run.trials if _subject(rule, trial)]
    names = sorted({(trial.family, trial.name) for trial in trials})
    yield from map(_unwaivable, _unknown(rule, run))
    if names and len(names) < rule.least:
        told = f"the rule is about {len(names)} scenarios, and must be about at least {rule.least}"
        yield _unwaivable(_plain(rule.line, told, "collect them all: name the folder of scenarios, and no part of it"))
    for target in rule.targets:
        there = defaultdict[tuple[str, str], list[Trial]](list)
        for trial in trials:
            if _at(rule.where, target, trial):
                there[trial.family, trial.name].append(trial)
        for family, name in names:
            counting = [trial for trial in there[family, name] if trial.kind in rule.kinds]
            if not counting:
                yield _never(rule, target, family, name, there[family, name], len(names))
            yield from (_lack(rule.line, trial) for trial in counting if trial.outcome != "passed")


def _unwaivable(line: Line) -> _Missing:
    return _Missing(line, "", "", "")


def _unknown(rule: Rule, run: RunRecord) -> Iterator[Line]:
    """Patterns that fit nothing, and families of which not all is known."""
    if rule.by == "mark":
        known = sorted({mark for trial in run.trials for mark in trial.marks})
    else:
        known = sorted({trial.full_name for trial in run.trials} if rule.by == "scenario" else run.families)
    for pattern in rule.patterns:
        if not any(fits(name, (pattern,)) or (rule.by == "scenario" and is_one_of(name, (pattern,))) for name in known):
            told = f"no {rule.by} fits {pattern!r}{_meant(pattern, known)}"
            yield _plain(rule.line, told, "mend the rule, or collect what it is about")
    collected = {trial.family for trial in run.trials}
    for family in sorted({*run.families, *collected}):
        if not _may_be_about(rule, family):
            continue
        if family not in collected:
            yield _plain(rule.line, f"nothing of the family {family} was collected", f"run test_{family}.py too")
        elif family in run.partial:
            told = f"only a part of the family {family} was collected"
            yield _plain(rule.line, told, f"run test_{family}.py as a whole")


def _may_be_about(rule: Rule, family: str) -> bool:
    """May the rule be about scenarios of this family that nobody has seen? Not where it names each in full."""
    if rule.by == "mark":
        return True
    if rule.by == "family":
        return fits(family, rule.patterns)
    open_ended = [pattern for pattern in rule.patterns if set(pattern) & set("*?")]
    return any(_can_begin(pattern, f"{family}.") or _can_begin(pattern, "test") for pattern in open_ended)


def _can_begin(pattern: str, text: str) -> bool:
    """Does the pattern fit something that begins with this text?"""
    return any(fnmatchcase(text, pattern[:end]) for end in range(1, len(pattern) + 1))


def _meant(pattern: str, known: Sequence[str]) -> str:
    near = get_close_matches(pattern, sorted(set(known)), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _never(rule: Rule, target: str, family: str, name: str, there: Sequence[Trial], of: int) -> _Missing:
    """A scenario that ran at no place that counts; `of` is how many the rule wants there."""
    full, shown = f"{family}.{name}", target if rule.where != "tag" else f"tag:{target}"
    instead = sorted({_PLACES[trial.kind] for trial in there if trial.outcome != NOT_SELECTED})
    wanted = _WANTED[rule.counts]
    problem = f"it ran on {' and '.join(instead)} only, where {wanted} is wanted" if instead else "it never ran there"
    line = Line(rule.line, full, shown, problem, f"run test_{family}.py with --board {shown} on {wanted}, {_OR_WAIVE}")
    chip, board = (target if rule.where == "chip" else ""), (target if rule.where == "board" else "")
    return _Missing(line, full, board, chip, (rule.line, shown, of))


def _lack(line: int, trial: Trial, preface: str = "") -> _Missing:
    problem, mend = _told(trial)
    problem = f"{preface}: {problem}" if preface else problem
    return _Missing(Line(line, trial.full_name, trial.board, problem, mend), trial.full_name, trial.board, trial.chip)


def _told(trial: Trial) -> tuple[str, str]:
    because = f": {trial.cause}" if trial.cause else ""
    match trial.outcome:
        case "failed":
            return f"failed{because}", f"mend the firmware, {_OR_WAIVE}"
        case "error":
            return (
                f"error, so the firmware was not judged{because}",
                f"mend the bench or the lab and run it again, {_OR_WAIVE}",
            )
        case "skipped":
            return f"skipped{because}", f"a skip is no pass: enable it, {_OR_WAIVE}"
        case "unstable":
            return f"unstable{because}", f"a pass on retry is no pass: find out why it failed, {_OR_WAIVE}"
        case "unproven":
            return "passed without evidence", "let the scenario use the fixture `evidence`"
        case "not selected":
            return "deselected, so it did not run", f"run without -k, -m or --deselect, {_OR_WAIVE}"
        case "not run":
            return "it was selected and never ran", f"run it again, without -x or --maxfail, {_OR_WAIVE}"
        case _:
            return f"it never came to its end{because}", f"run it again, {_OR_WAIVE}"
