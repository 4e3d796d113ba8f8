"""What of a provider's limits is used, and what is refused, in many situations; simulated, in virtual time.

The lanes and their limits are the shipped code; the provider's buckets are the simulator's; there is no network. Each
figure is the worst of all seeds. Exit code 1 where a target is missed.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import repeat

from limit_cases import Scenario, scenarios
from limit_findings import Finding, worst_of
from program import parser, tell, whole_number
from report import Report, Verdict
from targets import exit_by_targets
from tests.harness.rate_lab import measure


def measure_all(given: argparse.Namespace) -> Report:
    """All scenarios that were asked for, each with all seeds."""
    chosen = [one for one in scenarios() if not given.only or any(word in one.name for word in given.only)]
    report = Report(
        f"Use of the limit, and calls answered 429; SIMULATED in virtual time, the worst of {given.seeds} seeds",
        ("case", "used", "refused", "least share", "target", ""),
    )
    with ProcessPoolExecutor(given.jobs) as pool:
        for scenario, finding in zip(chosen, pool.map(_find, chosen, repeat(given.seeds)), strict=True):
            _add(report, scenario, finding)
            tell(" ".join(report.rows[-1]))
    return report


def _find(scenario: Scenario, seeds: int) -> Finding:
    case = scenario.case
    return worst_of(case, [measure(replace(case, seed=seed)) for seed in range(seeds)])


def _add(report: Report, scenario: Scenario, finding: Finding) -> None:
    target, missed = _target(scenario), finding.misses(scenario)
    used = f"{finding.use:.3f}" if finding.back_s is None else f"{_storm(finding)}"
    share = f"{finding.share:.2f}" if scenario.case.all_lanes > 1 else ""
    verdict = ("MISSED" if missed else "met") if target else ""
    report.rows.append((scenario.name, used, f"{finding.refused:.2%}", share, target, verdict))
    report.numbers[scenario.name] = {name: getattr(finding, name) for name in Finding.__slots__}
    if missed:
        report.verdicts.append(
            Verdict(scenario.name, used, f"of the limit, {finding.refused:.2%} refused", target, False)
        )


def _storm(finding: Finding) -> str:
    at_once = "" if finding.together is None else f", {finding.together:.0%} at once"
    return f"back after {finding.back_s:.0f} s, {finding.early} early{at_once}"


def _target(scenario: Scenario) -> str:
    parts = []
    if scenario.use is not None:
        parts.append(f"used >= {scenario.use:g}")
    if scenario.refused is not None:
        parts.append(f"refused <= {scenario.refused:.0%}")
    if scenario.share is not None:
        parts.append(f"share >= {scenario.share:g}")
    if scenario.largest is not None:
        parts.append("it is let in")
    if scenario.back_s is not None:
        parts.append(f"back <= {scenario.back_s:g} s, 0 early, <= 50% at once")
    return ", ".join(parts)


def _arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--seeds", type=whole_number, default=3)
    made.add_argument("--jobs", type=whole_number, default=2, help="scenarios at a time")
    made.add_argument("only", nargs="*", help="words: only scenarios that have one of them in their name")
    return made


if __name__ == "__main__":
    exit_by_targets(_arguments(), measure_all)
