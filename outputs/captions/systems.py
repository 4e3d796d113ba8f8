"""System level: each system's mean score against the mean of what people said of its captions.

A system's mean is over its rated captions that the metric scored; two metrics are compared over those that both did.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outputs.analysis_options import Options
from outputs.captions.agreement import human_agreement
from outputs.captions.compared import PERMUTATIONS, compared_pairs
from outputs.captions.correlated import SYSTEM, about_points, about_series, correlated, said_of
from outputs.captions.joining import CaptionSet
from outputs.captions.points import Points, points_of
from outputs.captions.protocols import Protocol
from outputs.captions.resampled import Common, over_common
from outputs.captions.series import Series
from outputs.statistics.kendall import undefined
from outputs.statistics.resampling import Floats, bootstrap
from outputs.statistics.systems import perm_both_systems, resampled_system_taus, system_means

FEW = 10  # systems: below, any order comes up by chance
_TEST = "PERM-BOTH by caption, standardised"


@dataclass(frozen=True, slots=True)
class Systems:
    """`name`, `rating`, `cluster` (items,); `rated` (items,): whether people rated it and it names its system."""

    points: Points
    name: NDArray[np.str_]
    rating: Floats
    cluster: NDArray[np.int64]
    rated: NDArray[np.bool_]


def systems_of(captions: CaptionSet, dimension: str) -> Systems | None:
    """The rated captions of each system; None where captions do not name two. A caption counts once in its system's
    mean, with the mean of its ratings, whatever the protocol.
    """
    items = list(captions.items.values())
    name = np.array([item.system for item in items], dtype=np.str_)
    if len(set(name) - {""}) < 2:
        return None
    points = points_of(items, dimension, Protocol.AVERAGED)
    rating, cluster = np.full(len(items), math.nan), np.zeros(len(items), dtype=np.int64)
    rating[points.item], cluster[points.item] = points.rating, points.cluster
    return Systems(points, name, rating, cluster, points.rated & (name != ""))


def resample_systems(systems: Systems, series: Sequence[Series], options: Options) -> dict[tuple[int, ...], Common]:
    """The taus of metrics over systems, by `over_common`, under resampling of pictures or clips: systems stay."""

    def taus(mask: NDArray[np.bool_], places: Sequence[int]) -> Common:
        kept = mask & systems.rated
        values = np.stack([series[at].values[kept] for at in places], axis=1)
        statistic = resampled_system_taus(values, systems.rating[kept], systems.name[kept])
        drawn = bootstrap(statistic, systems.cluster[kept], resamples=options.resamples, seed=options.seed)
        return Common(kept, {at: 2 * column for column, at in enumerate(places)}, drawn)

    return over_common(series, taus)


def system_rows(
    captions: CaptionSet,
    systems: Systems,
    series: Sequence[Series],
    commons: Mapping[tuple[int, ...], Common],
    *,
    include_sampled: bool,
) -> list[dict[str, Any]]:
    """Rows of `correlations`, one for each metric, over its own captions."""
    human = human_agreement(captions.items.values(), systems.points.dimension, by_system=True)
    about = {"level": SYSTEM, **about_points(captions, systems.points, human, include_sampled=include_sampled)}
    return [
        about | about_series(systems.rated, one) | _row(systems, one, commons[(at,)], at)
        for at, one in enumerate(series)
    ]


def system_comparison_rows(
    captions: CaptionSet,
    systems: Systems,
    series: Sequence[Series],
    commons: Mapping[tuple[int, ...], Common],
    options: Options,
) -> list[dict[str, Any]]:
    """Rows of `comparisons`, one for each pair of metrics, over the captions that both scored."""
    tau = captions.field.tau

    def test(one: Series, other: Series, common: Common) -> dict[str, Any]:
        kept = common.kept
        names, ratings = systems.name[kept], systems.rating[kept]
        means, rated = [system_means(each.values[kept], names) for each in (one, other)], system_means(ratings, names)
        reason = undefined(means[0], rated) or undefined(means[1], rated)
        p = math.nan
        if reason is None:
            p = perm_both_systems(
                one.values[kept], other.values[kept], ratings, names, variant=tau,
                permutations=PERMUTATIONS, seed=options.seed,
            )  # fmt: skip
        said = few_systems(len(rated))
        return {"items": int(kept.sum()), "n": len(rated), "p": p, "reason": reason, "warning": said}

    about = {"protocol": systems.points.protocol.value, "level": SYSTEM, "test": _TEST}
    about |= {"dataset": captions.name, "human_dimension": systems.points.dimension, "statistic": tau}
    return [about | row for row in compared_pairs(series, systems.rated, commons, tau, test)]


def few_systems(systems: int) -> str | None:
    """What is said where there are few."""
    return f"only {systems} systems" if systems < FEW else None


def _row(systems: Systems, series: Series, common: Common, at: int) -> dict[str, Any]:
    kept = common.kept
    names = systems.name[kept]
    scores, ratings = system_means(series.values[kept], names), system_means(systems.rating[kept], names)
    reason, few = undefined(scores, ratings), few_systems(len(scores))
    found: dict[str, Any] = {
        "n": len(scores),
        "items": int(kept.sum()),
        "clusters": len(np.unique(systems.cluster[kept])),
        "reason": series.reason if reason and series.reason else reason,
    }
    warnings = [*([few] if few and len(scores) else []), *([] if reason else said_of(common, at))]
    return found | correlated(scores, ratings, common, at, warnings)
