"""Which models answer alike: average-linkage hierarchical clustering on 1 - similarity."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from scipy.cluster.hierarchy import cophenet, leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform

from outputs.similarity.matrices import matrix
from outputs.statistics.resampling import Floats

CLUSTERS_SCHEMA: dict[str, type[pl.DataType]] = {
    "granularity": pl.String,
    "dataset": pl.String,
    "merge": pl.Int64,  # 1 for the closest two
    "left": pl.String,  # a model, or "#k" for what merge k made
    "right": pl.String,
    "similarity": pl.Float64,  # mean similarity between the models of the two sides
    "models": pl.Int64,  # on both sides together
}
ORDER_SCHEMA: dict[str, type[pl.DataType]] = {
    "granularity": pl.String,
    "dataset": pl.String,
    "place": pl.Int64,  # from 1; neighbours are alike
    "model": pl.String,
    "joined": pl.Float64,  # the similarity at which it and the model before it are in one cluster; null for the first
}


@dataclass(frozen=True, slots=True)
class Clustered:
    """`merges`: (left, right, similarity, models); `order`: the leaves; `left_out`: those not comparable with all.

    `joined`, by leaf: the similarity at which it and the leaf before it come together; None for the first. The order
    and these are the whole tree.
    """

    merges: tuple[tuple[str, str, float, int], ...]
    order: tuple[str, ...]
    joined: tuple[float | None, ...]
    left_out: tuple[str, ...]


def cluster(similarity: Floats, models: Sequence[str]) -> Clustered:
    """Of `similarity` (models, models), symmetric. A model without a value to another is left out, the worst first."""
    kept = list(range(len(models)))
    while len(kept) > 1 and (missing := np.isnan(similarity[np.ix_(kept, kept)]).sum(axis=1)).any():
        kept.pop(int(missing.argmax()))
    names = [models[place] for place in kept]
    left_out = tuple(model for model in models if model not in names)
    if len(names) < 2:
        return Clustered((), tuple(names), (None,) * len(names), left_out)
    distance = squareform(np.clip(1 - similarity[np.ix_(kept, kept)], 0, None), checks=False)
    tree = optimal_leaf_ordering(linkage(distance, "average"), distance)
    called = [*names, *(f"#{merge}" for merge in range(1, len(tree) + 1))]
    merges = tuple((called[int(a)], called[int(b)], 1 - float(height), int(size)) for a, b, height, size in tree)
    leaves = leaves_list(tree).tolist()
    heights = squareform(cophenet(tree))
    joined = (None, *(1 - float(heights[before, leaf]) for before, leaf in pairwise(leaves)))
    return Clustered(merges, tuple(names[leaf] for leaf in leaves), joined, left_out)


def cluster_tables(similarities: pl.DataFrame, models: tuple[str, ...]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The merges and the leaf order for each granularity and dataset; columns as in the two schemas."""
    merges, order = [], []
    for granularity, dataset in similarities.select("granularity", "dataset").unique(maintain_order=True).iter_rows():
        found = cluster(matrix(similarities, granularity, dataset, models), models)
        merges += [(granularity, dataset, step, *merge) for step, merge in enumerate(found.merges, 1)]
        leaves = zip(found.order, found.joined, strict=True)
        order += [(granularity, dataset, place, *leaf) for place, leaf in enumerate(leaves, 1)]
    return (
        pl.DataFrame(merges, schema=CLUSTERS_SCHEMA, orient="row"),
        pl.DataFrame(order, schema=ORDER_SCHEMA, orient="row"),
    )
