"""Data whose truth is known, in clusters: means, ratings, shares, correlations with people."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from outputs.statistics.kendall import resampled_taus
from outputs.statistics.resampling import Floats, Interval, bootstrap, weighted_means
from outputs.statistics.shares import share_interval

ROWS = 50  # of a cluster of shares, as questions of a template
_PER_PICTURE = 5
_BIG = 60_000  # clusters that stand for all there are

Intervals = Mapping[str, Interval]
Draw = Callable[[np.random.Generator, int], Intervals]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`draw` makes a data set of some clusters and says the intervals of it; `truths` by the same names."""

    draw: Draw
    truths: Mapping[str, float]


def means() -> Scenario:
    """Clusters of 1 to some 12 rows: a normal score, one as skewed as waiting times, one far more; a difference."""

    def draw(rng: np.random.Generator, clusters: int) -> Intervals:
        of = np.repeat(np.arange(clusters), 1 + rng.poisson(4, clusters))
        normal = rng.normal(size=(clusters, 1)) + 0.5 * rng.normal(size=(clusters, 2))
        skewed = np.stack([rng.exponential(size=clusters), rng.lognormal(size=clusters)], axis=1)
        values = np.concatenate([normal, skewed], axis=1)[of]
        values[:, :2] += rng.normal(size=(len(of), 2))
        drawn = bootstrap(weighted_means(values), of, seed=_seed(rng))
        found = {name: drawn.interval(n) for n, name in zip((0, 2, 3), _MEANS, strict=True)}
        return {**found, "difference of means": drawn.difference(0, 1)}

    return Scenario(draw, {**_MEANS, "difference of means": 0.0})


_MEANS = {"mean, normal": 0.0, "mean, exponential": 1.0, "mean, lognormal": math.exp(0.5)}


def ratings() -> Scenario:
    """Two models' ratings 1 to 5 by prompt, one in twenty of them missing."""

    def values(rng: np.random.Generator, prompts: int) -> Floats:
        likeness = 3.6 + 0.6 * rng.normal(size=(prompts, 1)) + 0.8 * rng.normal(size=(prompts, 2))
        rated: Floats = np.clip(np.round(likeness + np.array([0.0, 0.3])), 1, 5)
        rated[rng.random(rated.shape) < 0.05] = math.nan
        return rated

    def draw(rng: np.random.Generator, prompts: int) -> Intervals:
        drawn = bootstrap(weighted_means(values(rng, prompts)), range(prompts), seed=_seed(rng))
        return {"mean rating 1..5": drawn.interval(0), "difference of ratings": drawn.difference(1, 0)}

    truth = np.nanmean(values(np.random.default_rng(0), 2_000_000), axis=0)
    return Scenario(draw, {"mean rating 1..5": float(truth[0]), "difference of ratings": float(truth[1] - truth[0])})


def sets_of_prompts(part: float) -> Scenario:
    """The unweighted mean of two sets' mean ratings; `part` of the prompts are in the smaller set."""
    name = f"mean of set means, {part:.0%} of prompts in one"

    def draw(rng: np.random.Generator, prompts: int) -> Intervals:
        few = round(part * prompts)
        of = np.repeat([0, 1], [few, prompts - few])
        values = np.where(of[:, None] == np.arange(2), _rated(rng, prompts)[:, None], math.nan)
        drawn = bootstrap(weighted_means(values), range(prompts), strata=of, seed=_seed(rng))
        return {name: drawn.combination(np.array([0.5, 0.5]))}

    return Scenario(draw, {name: float(_rated(np.random.default_rng(0), 2_000_000).mean())})


def one_large(share: float) -> Scenario:
    """A mean rating over clusters of which one has `share` of all rows."""
    name = f"mean rating, {share:.0%} of rows in one cluster"

    def draw(rng: np.random.Generator, clusters: int) -> Intervals:
        rows = np.full(clusters, 20)
        rows[0] = round(share / (1 - share) * 20 * (clusters - 1))
        of = np.repeat(np.arange(clusters), rows)
        values = rng.normal(size=clusters)[of] + rng.normal(size=len(of))
        return {name: bootstrap(weighted_means(values[:, None]), of, seed=_seed(rng)).interval(0)}

    return Scenario(draw, {name: 0.0})


def _rated(rng: np.random.Generator, prompts: int) -> Floats:
    return np.asarray(np.clip(np.round(3.6 + rng.normal(size=prompts)), 1, 5))


def shares(share: float, alike: float) -> Scenario:
    """`alike`: the correlation of two rows of a cluster, whose share is a Beta draw; by both ways to an interval."""
    names = [f"share {share:g}, alike {alike:g}{way}" for way in ("", ", bootstrap")]

    def draw(rng: np.random.Generator, clusters: int) -> Intervals:
        hits = rng.binomial(ROWS, _rates(rng, share, alike, clusters))
        drawn = bootstrap(weighted_means(hits[:, None] / ROWS), range(clusters), seed=_seed(rng))
        counts = np.stack([np.full(clusters, ROWS), hits], axis=1)
        return dict(zip(names, (share_interval(counts), drawn.share(0)), strict=True))

    return Scenario(draw, dict.fromkeys(names, share))


def products(first: float, second: float, alike: float) -> Scenario:
    """Conflicts, of which nine in ten are judged again, and hits among those."""
    name = f"share {first:g} x {second:g}, alike {alike:g}"

    def draw(rng: np.random.Generator, clusters: int) -> Intervals:
        conflicts = rng.binomial(ROWS, _rates(rng, first, alike, clusters))
        again = rng.binomial(conflicts, 0.9)
        hits = rng.binomial(again, _rates(rng, second, alike, clusters))
        return {name: share_interval(np.stack([np.full(clusters, ROWS), conflicts, again, hits], axis=1))}

    return Scenario(draw, {name: first * second})


def correlations() -> Scenario:
    """Two metrics against ratings 1..4 of captions in clusters of five to a picture, which moves all three."""

    def taus(rng: np.random.Generator, pictures: int) -> tuple[Floats, Floats, np.ndarray]:
        of = np.repeat(np.arange(pictures), _PER_PICTURE)
        picture, quality = rng.normal(size=(pictures, 3))[of], rng.normal(size=len(of))
        noise = rng.normal(size=(len(of), 3)) * np.array([0.8, 1.2, 0.5])
        shown = quality[:, None] + noise + picture * np.array([0.7, 0.7, 0.6])
        return np.round(shown[:, :2], 1), 1.0 + np.digitize(shown[:, 2], [0.3, 0.9, 1.6]), of

    def draw(rng: np.random.Generator, pictures: int) -> Intervals:
        scores, rated, of = taus(rng, pictures)
        drawn = bootstrap(resampled_taus(scores, rated), of, seed=_seed(rng))
        found = {name: drawn.interval(n) for n, name in enumerate(("tau-b", "tau-c"))}
        return found | {f"difference of {name}": drawn.difference(n, n + 2) for n, name in enumerate(found)}

    scores, rated, of = taus(np.random.default_rng(0), _BIG)
    b, c, other_b, other_c = (float(one) for one in resampled_taus(scores, rated)(np.ones((1, len(of))))[0])
    truths = {"tau-b": b, "tau-c": c, "difference of tau-b": b - other_b, "difference of tau-c": c - other_c}
    return Scenario(draw, truths)


def _rates(rng: np.random.Generator, share: float, alike: float, clusters: int) -> Floats:
    scale = (1 - alike) / alike
    return np.asarray(rng.beta(share * scale, (1 - share) * scale, clusters))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))
