"""A run's sweeps: all cuts, or those that decide and a sample of the rest; and moments to cut a real board's power."""

from __future__ import annotations

import random
from dataclasses import dataclass

from bench.builds import Build
from bench.errors import ExpectationFailed
from bench.server import Authority
from bench.sweep.cuts import Cut, cuts_of
from bench.sweep.stories import Story
from bench.sweep.sweep import Sweep, Tally
from bench.timeline import Timeline

__all__ = ["PowerSweep"]

_FEW = 3
_SAMPLE = 12
_TOLD = 10
"""Findings that a failure names; the timeline has them all."""

_LONG = ("ota:erase", "ota:write", "nvs")
"""What the many operations of a download are for; no single one of them decides anything."""


@dataclass(frozen=True)
class PowerSweep:
    """How thoroughly power cuts are tried.

    Args:
        build: what is under test; it takes its URL from the console and trusts `authority`
        points: None: the cuts that decide, a sample of 12 of the others, and three moments of a real board;
            else every cut, and so many moments (0: three)
        seed: of every random choice
    """

    build: Build
    authority: Authority
    timeline: Timeline
    points: int | None = None
    seed: int = 1

    def run(self, story: Story) -> Tally:
        """Sweep a story on the virtual board's model. Raises `ExpectationFailed`, naming what breaks and its replay.

        What breaks because eFuses are emulated in flash is noted as a finding: no device in the field has them there.
        """
        with Sweep(story, self.build, self.authority) as sweep:
            few = self.points is None
            second, jobs = (_SAMPLE // 2, 1) if few else (200, 2)
            tally = sweep.run(cuts=self._cuts(sweep), second=second, seed=self.seed, jobs=jobs)
        told = {"operations": tally.operations, "cuts": tally.cuts, "second_cuts": tally.second_cuts}
        findings = [f"{finding}; replay: bench sweep {story.name} --at {finding.at}" for finding in tally.broken]
        self.timeline.append("bench", "sweep", story=story.name, seed=self.seed, findings=findings, **told)
        for finding in tally.findings:
            if finding.of_emulation:
                text = f"a power cut while emulated eFuses are written: {finding.outcome.broken}"
                self.timeline.append("bench", "finding", text=text, at=finding.at)
        if findings:
            some = "\n".join(findings[:_TOLD])
            raise ExpectationFailed(
                f"{len(findings)} of {tally.cuts + tally.second_cuts} cuts break a promise:\n{some}"
            )
        if never := story.ends_with - set(tally.versions):
            raise ExpectationFailed(
                f"{', '.join(sorted(never))} never ran after a cut: what the sweep is for did not come"
            )
        if story.resumes and not tally.went_on:
            raise ExpectationFailed(
                "after no cut a download went on from where it was: what the sweep is for did not come"
            )
        return tally

    @property
    def moments(self) -> list[float]:
        """When to cut the power of a board in an update, each as a part of the update's length."""
        chance = random.Random(self.seed)
        return sorted(chance.uniform(0, 1.2) for _ in range(self.points or _FEW))

    def _cuts(self, sweep: Sweep) -> list[Cut]:
        every = list(cuts_of(sweep.recording))
        if self.points is not None:
            return every
        long = {one.number for one in sweep.recording.operations if one.purpose in _LONG}
        rest = [cut for cut in every if cut.operation in long]
        sample = set(random.Random(self.seed).sample(rest, min(_SAMPLE, len(rest))))
        return [cut for cut in every if cut in sample or cut.operation not in long]
