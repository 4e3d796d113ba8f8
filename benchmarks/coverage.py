"""How often 95 % intervals hold the truth, in simulated data sets of 20 and of 200 clusters: 92 to 98 % is honest.

Where they hold it less often, most of the data sets must have been warned of: the interval says so itself.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np

from outputs.statistics.intervals import Interval
from program import parser, tell, whole_number
from report import Report, Verdict
from simulated_clusters import (
    Scenario,
    correlations,
    means,
    one_large,
    products,
    ratings,
    sets_of_prompts,
    shares,
)
from targets import exit_by_targets

_LEAST, _MOST, _WARNED = 0.92, 0.98, 0.5
_CLUSTERS = (20, 200)
_PROCESSES = 2
_PIECE = 25  # data sets


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of one quantity; `width`: the mean."""

    name: str
    clusters: int
    sets: int
    held: float
    width: float
    warned: float

    @property
    def honest(self) -> bool:
        return _LEAST <= self.held <= _MOST or self.warned > _WARNED

    @property
    def error(self) -> float:
        """Monte-Carlo standard error of the coverage."""
        return float(np.sqrt(self.held * (1 - self.held) / self.sets))


@cache
def scenarios() -> list[Scenario]:
    """Rows of a template are alike by .06 to .31: standard errors twice to four times the binomial ones."""
    rates = [shares(share, alike) for share in (0.34, 0.22, 0.07, 0.02) for alike in (0.06, 0.2, 0.31)]
    again = [products(first, second, 0.2) for first, second in ((0.34, 0.65), (0.22, 0.3), (0.1, 0.2))]
    unequal = [sets_of_prompts(0.25), sets_of_prompts(0.1), one_large(0.5)]
    return [means(), ratings(), *rates, *again, correlations(), *unequal]


def measure(given: argparse.Namespace) -> Report:
    """All scenarios with both numbers of clusters."""
    found = [one for clusters in _CLUSTERS for one in _covered(clusters, given.sets, given.seed)]
    return _report(found, given.sets)


def _covered(clusters: int, sets: int, seed: int) -> Iterator[Coverage]:
    tell(f"{clusters} clusters")
    with ProcessPoolExecutor(_PROCESSES) as pool:
        for place, scenario in enumerate(scenarios()):
            starts = range(0, sets, _PIECE)
            pieces = pool.map(
                _piece, *zip(*((place, clusters, seed, s, min(s + _PIECE, sets)) for s in starts), strict=True)
            )
            together: defaultdict[str, list[Interval]] = defaultdict(list)
            for piece in pieces:
                for name, intervals in piece.items():
                    together[name] += intervals
            for name, intervals in together.items():
                yield _coverage(name, clusters, intervals, scenario.truths[name])


def _piece(place: int, clusters: int, seed: int, first: int, last: int) -> dict[str, list[Interval]]:
    """Data sets `first` to `last`, each with a generator of its own."""
    found: defaultdict[str, list[Interval]] = defaultdict(list)
    for number in range(first, last):
        rng = np.random.default_rng([seed, place, clusters, number])
        for name, interval in scenarios()[place].draw(rng, clusters).items():
            found[name].append(interval)
    return dict(found)


def _coverage(name: str, clusters: int, intervals: list[Interval], truth: float) -> Coverage:
    ends = np.array([(one.low, one.high) for one in intervals])
    held = (ends[:, 0] <= truth) & (truth <= ends[:, 1])  # an interval of NaN holds nothing
    warned = [one.warning is not None for one in intervals]
    width = float(np.nanmean(ends[:, 1] - ends[:, 0]))
    return Coverage(name, clusters, len(intervals), float(held.mean()), width, float(np.mean(warned)))


def _report(found: list[Coverage], sets: int) -> Report:
    report = Report(
        f"Simulated: how often 95 % intervals hold the truth, {sets} data sets each",
        ("quantity", "clusters", "coverage", "+-", "mean width", "warned"),
    )
    for one in found:
        cells = (f"{one.held:.1%}", f"{one.error:.1%}", f"{one.width:.4g}", f"{one.warned:.0%}")
        report.rows.append((one.name, str(one.clusters), *cells))
        report.numbers[f"{one.name}, {one.clusters} clusters"] = {"coverage": one.held, "warned": one.warned}
    report.notes.append("+-: Monte-Carlo standard error. warned: share of data sets whose interval has a warning.")
    report.verdicts.extend(_verdict([one for one in found if one.clusters == clusters]) for clusters in _CLUSTERS)
    return report


def _verdict(found: list[Coverage]) -> Verdict:
    unwarned = [one.held for one in found if one.warned <= _WARNED]
    failed = [one.name for one in found if not one.honest]
    return Verdict(
        f"{found[0].clusters} clusters",
        f"{min(unwarned):.1%} to {max(unwarned):.1%}",
        f"of {len(unwarned)} quantities without, {len(found) - len(unwarned)} with a warning in most data sets"
        + (f"; not honest: {', '.join(failed)}" if failed else ""),
        f"{_LEAST:.0%} to {_MOST:.0%}, or a warning",
        not failed,
    )


def _arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--sets", type=whole_number, default=500, help="data sets of each kind (default: 500)")
    made.add_argument("--seed", type=int, default=0)
    return made


if __name__ == "__main__":
    exit_by_targets(_arguments(), measure)
