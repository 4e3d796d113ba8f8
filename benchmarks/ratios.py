"""Ratios of two things measured in the same run, round by round, so that a slow minute of the machine hits both."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Ratio:
    """`middle` is the ratio of the medians; `low` and `high` are the least and the greatest ratio of one round."""

    middle: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} times ({self.low:.2f} to {self.high:.2f} by round)"


def ratio_of(measured: Sequence[float], baseline: Sequence[float]) -> Ratio:
    """How many times `baseline` was `measured`; the two go by rounds, in the same order."""
    by_round = [ours / theirs for ours, theirs in zip(measured, baseline, strict=True)]
    return Ratio(median(measured) / median(baseline), min(by_round), max(by_round))
