"""Kendall's tau of two metrics in paired resamples of many ratings, beside scipy's tau of the same resamples in a loop.

Both draw the same captions. Ours has each metric sorted once and a resample as whole-number weights; scipy is given the
rows, repeated as often as they were drawn. Every value must be equal, to the last bit. Beside it, scores that are all
different against ratings of four levels (as people's are) and against ratings that are all different as well.
"""

import argparse
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from scipy.stats import kendalltau

from outputs.statistics.kendall import resampled_taus
from outputs.statistics.resampling import Floats, Resampled, bootstrap
from program import UsageError, parser, tell, whole_number
from report import Report, Verdict
from targets import exit_by_targets

_TARGET = 6.0
_VARIANTS = ("b", "c")


@dataclass(frozen=True, slots=True)
class Case:
    """`scores` (rows, metrics)."""

    name: str
    scores: Floats
    ratings: Floats


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds; ours for tau-b and tau-c of both metrics with the drawing, scipy's for tau-b alone, without."""

    ours: float
    scipy: float

    @property
    def ratio(self) -> float:
        return self.scipy / self.ours


def measure(given: argparse.Namespace) -> Report:
    """All cases, one after the other."""
    rng = np.random.default_rng(given.seed)
    quality = rng.normal(size=given.rows)
    scores = quality[:, None] + rng.normal(size=(given.rows, 2)) * np.array([0.8, 1.1])
    rated = quality + 0.7 * rng.normal(size=given.rows)
    levels = 1.0 + np.digitize(rated, [-0.5, 0.3, 1.1])
    cases = (
        Case("ratings 1..4", scores, levels),
        Case("ratings 1..4, tied scores", np.round(scores, 2), levels),
        Case("ratings all different", scores, rated),
    )
    found = {}
    for case in cases:
        tell(case.name)
        found[case.name] = _times(case, given)
    return _report(found, given)


def _times(case: Case, given: argparse.Namespace) -> Times:
    rows = len(case.ratings)
    ours = []
    for _ in range(given.rounds):
        begin = perf_counter()
        drawn = bootstrap(
            resampled_taus(case.scores, case.ratings), range(rows), resamples=given.resamples, seed=given.seed
        )
        ours.append(perf_counter() - begin)
    picked = _picked(rows, given)
    begin = perf_counter()
    values = [
        [kendalltau(metric[rows_of], case.ratings[rows_of]).statistic for metric in case.scores.T] for rows_of in picked
    ]
    seconds = perf_counter() - begin
    _must_be_equal(case, drawn, np.array(values), picked)
    return Times(min(ours), seconds)


def _picked(rows: int, given: argparse.Namespace) -> list[np.ndarray]:
    """The rows of each resample, as `bootstrap` draws them."""
    seen: list[np.ndarray] = []

    def keep(weights: Floats) -> Floats:
        seen.extend(np.repeat(np.arange(rows), one.astype(np.int64)) for one in weights)
        return np.zeros((len(weights), 1))

    bootstrap(keep, range(rows), resamples=given.resamples, seed=given.seed)
    return seen[1 : 1 + given.resamples]  # the first is the data themselves, what follows leaves clusters out


def _must_be_equal(case: Case, drawn: Resampled, values: Floats, picked: list[np.ndarray]) -> None:
    """All tau-b, and tau-c of every tenth resample. Raises UsageError where one differs."""
    different = int((drawn.draws[:, 0::2] != values).sum())
    for number in range(0, len(picked), 10):
        rows = picked[number]
        for metric in range(case.scores.shape[1]):
            tau = kendalltau(case.scores[rows, metric], case.ratings[rows], variant="c").statistic
            different += int(drawn.draws[number, 2 * metric + 1] != tau)
    if different:
        raise UsageError(f"{case.name}: {different} values differ from scipy's")


def _report(found: dict[str, Times], given: argparse.Namespace) -> Report:
    size = f"{given.resamples:,} paired resamples of {given.rows:,} rows, two metrics"
    report = Report(f"Kendall's tau under resampling: {size}", ("ratings", "ours s", "scipy s", "ratio"))
    for name, times in found.items():
        report.rows.append((name, f"{times.ours:.2f}", f"{times.scipy:.2f}", f"{times.ratio:.1f}"))
        report.numbers[name] = {"ours_s": times.ours, "scipy_s": times.scipy, "ratio": times.ratio}
    report.notes.append("All values are equal to scipy's, to the last bit. Ours is tau-b and tau-c, scipy's is tau-b.")
    times = next(iter(found.values()))
    report.verdicts.append(
        Verdict(
            "ratings 1..4",
            f"{times.ratio:.1f} times as fast",
            "as a loop over scipy.stats.kendalltau in the same process",
            f"at least {_TARGET:g}",
            times.ratio >= _TARGET,
        )
    )
    return report


def _arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--rows", type=whole_number, default=10_000)
    made.add_argument("--resamples", type=whole_number, default=1000)
    made.add_argument("--rounds", type=whole_number, default=2, help="of ours, the fastest counts (default: 2)")
    made.add_argument("--seed", type=int, default=0)
    return made


if __name__ == "__main__":
    exit_by_targets(_arguments(), measure)
