"""A number that is not known exactly: the least, a middle guess and the most that it will be."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_STANDARD_ERRORS = 2  # either side: about 95 % of a normal distribution
_FEW = 0.25  # the relative error where a sample has one row


@dataclass(frozen=True, slots=True)
class Interval:
    """`low` <= `middle` <= `high`, in whatever unit."""

    low: float
    middle: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> "Interval":
        return cls(value, value, value)

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.low + other.low, self.middle + other.middle, self.high + other.high)

    def times(self, factor: "float | Interval") -> "Interval":
        """The product with a number or an interval, neither below 0."""
        by = factor if isinstance(factor, Interval) else Interval.exactly(factor)
        return Interval(self.low * by.low, self.middle * by.middle, self.high * by.high)

    def give_or_take(self, error: float) -> "Interval":
        """Wider by an absolute error on both sides, and never below 0."""
        return Interval(max(0.0, self.low - error), self.middle, self.high + error)

    def rounded(self, digits: int | None = None) -> "Interval":
        """To so many digits behind the point; to whole numbers by default."""
        return Interval(round(self.low, digits), round(self.middle, digits), round(self.high, digits))


NOTHING = Interval.exactly(0.0)


def total(intervals: Iterable[Interval]) -> Interval:
    """The sum. Errors add up, as they may all lie on the same side."""
    return sum(intervals, NOTHING)


def spanning(one: Interval, other: Interval) -> Interval:
    """What is either of the two, more likely the lesser one."""
    return Interval(min(one.low, other.low), min(one.middle, other.middle), max(one.high, other.high))


def longest(intervals: Sequence[Interval]) -> Interval:
    """What lasts until the last of them is over."""
    if not intervals:
        return NOTHING
    return Interval(*(max(getattr(one, end) for one in intervals) for end in ("low", "middle", "high")))


def whole_from_sample(values: Sequence[float], sizes: Sequence[float], whole_size: float, rows: int) -> Interval:
    """The sum of a value over `rows` rows, from an even sample of them, by the ratio estimator.

    `sizes` are the sampled rows' sizes, `whole_size` is that of all rows; where sizes say nothing they are all 1. The
    interval is 2 standard errors either side (Cochran, Sampling Techniques, 6.4), and a point where all rows are there.
    """
    count, sampled_size = len(values), sum(sizes)
    if not count or not sampled_size:
        return NOTHING
    ratio = sum(values) / sampled_size
    middle = ratio * whole_size
    if count >= rows:
        return Interval.exactly(middle)
    if count == 1:
        return Interval.exactly(middle).give_or_take(_FEW * middle)
    spread = sum((value - ratio * size) ** 2 for value, size in zip(values, sizes, strict=True)) / (count - 1)
    error = _STANDARD_ERRORS * rows * math.sqrt(spread / count * (1 - count / rows))
    return Interval.exactly(middle).give_or_take(error)


def mean_of(values: Sequence[float], others: int) -> Interval:
    """What the mean of `others` further values will be, from some that were measured: 2 standard errors either side."""
    count = len(values)
    mean = sum(values) / count
    if count == 1:
        return Interval.exactly(mean).give_or_take(mean)
    spread = sum((value - mean) ** 2 for value in values) / (count - 1)
    error = _STANDARD_ERRORS * math.sqrt(spread * (1 / count + 1 / max(others, 1)))
    return Interval.exactly(mean).give_or_take(error)


def ratio_of(values: Sequence[float], bases: Sequence[float], least_error: float) -> tuple[float, float]:
    """(sum of values over sum of bases, its relative error at 2 standard errors, at least `least_error`)."""
    count, base = len(values), sum(bases)
    ratio = sum(values) / base
    if count < 2 or not ratio:
        return ratio, 1.0
    spread = sum((value - ratio * one) ** 2 for value, one in zip(values, bases, strict=True)) / (count - 1)
    return ratio, max(least_error, _STANDARD_ERRORS * math.sqrt(spread * count) / base / ratio)
