"""The release gate: does a run of scenarios meet the policy that a release is held to?"""

from __future__ import annotations

from bench.report.gate.judge import judge
from bench.report.gate.policy import Policy, load_policy, parse_policy
from bench.report.gate.record import RunRecord, Trial, read_run
from bench.report.gate.verdict import Line, Verdict

__all__ = ["Line", "Policy", "RunRecord", "Trial", "Verdict", "judge", "load_policy", "parse_policy", "read_run"]
