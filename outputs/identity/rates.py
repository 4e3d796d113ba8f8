"""Loose, strict and hard: of each target, by what its rows are about, and as a search goes on."""

from collections.abc import Iterator, Sequence

import polars as pl

from outputs.identity.columns import COVERAGE, GROWTH, RATES, RATES_BY, fitted
from outputs.identity.shares import cluster_counts, clustered_shares

KINDS = ("field", "language", "operator", "level", "family", "seed", "template", "slot")
MOST_STEPS = 50
TREE = ("run", "tree")
CLUSTER = "cluster"


def rates_table(rows: pl.DataFrame) -> pl.DataFrame:
    """The rates of each target; columns as in `RATES`."""
    return _finished(rows, _shares(clustered(rows), ["target"])).pipe(fitted, RATES)


def rates_by(rows: pl.DataFrame) -> pl.DataFrame:
    """The rates of each target by each of `KINDS`; columns as in `RATES_BY`. What no row says at all is left out."""
    known = clustered(rows).with_columns(_template(rows).alias("template"))
    found = [pl.DataFrame(schema=RATES_BY)]
    for kind in KINDS:
        if known[kind].null_count() == known.height:
            continue
        shares = _shares(
            known.with_columns(value=pl.col(kind).cast(pl.String), order=pl.col(kind)), ["target", "value"]
        )
        found.append(_finished(rows, shares.with_columns(by=pl.lit(kind))).pipe(fitted, RATES_BY))
    return pl.concat(found)


def growth_table(rows: pl.DataFrame) -> pl.DataFrame:
    """The rates of each target over the rows up to an iteration; columns as in `GROWTH`, at most `MOST_STEPS` steps."""
    known = clustered(rows)
    found = [pl.DataFrame(schema=GROWTH)]
    for (target,), mine in known.group_by("target", maintain_order=True):
        trees, reached = mine.n_unique(TREE), mine.group_by(TREE).agg(pl.col("iteration").max())["iteration"]
        counts = cluster_counts(mine, [CLUSTER, "iteration"])
        for step in _steps(mine["iteration"].unique().sort().to_list()):
            upto = counts.filter(pl.col("iteration") <= step).group_by(CLUSTER, "measure", maintain_order=True)
            shares = clustered_shares(upto.agg(pl.col("rows", "n", "x", "m", "y", "unknown").sum()), [])
            about = {"target": pl.lit(target), "iteration": pl.lit(step), "trees": pl.lit((reached >= step).sum())}
            found.append(
                shares.with_columns(**about, queries=pl.col("rows") / trees)
                .pipe(lambda one: _finished(rows, one))
                .pipe(fitted, GROWTH)
            )
    return pl.concat(found)


def coverage_table(rows: pl.DataFrame) -> pl.DataFrame:
    """What was asked of each target, answered and judged; columns as in `COVERAGE`."""
    counted = clustered(rows).group_by("target", maintain_order=True).agg(
        pl.col("run").n_unique().alias("runs"), pl.struct(TREE).n_unique().alias("trees"),
        pl.col(CLUSTER).n_unique().alias("templates"), pl.len().alias("rows"), pl.col("answered").sum(),
        pl.col("conflict").is_not_null().sum().alias("judged"), pl.col("conflict").sum().alias("conflicts"),
        pl.col("claim").is_not_null().sum().alias("judged_again"), pl.col("simulated").any(),
    )  # fmt: skip
    return fitted(counted, COVERAGE)


def clustered(rows: pl.DataFrame) -> pl.DataFrame:
    """With a column `cluster`: a template of a tree of a run. Without a digest of its text, an iteration's.

    An iteration that went on with the template of an earlier one is of the same cluster.
    """
    return rows.with_columns(pl.struct("target", *TREE, _text()).rank("dense").alias(CLUSTER))


def _text() -> pl.Expr:
    return pl.coalesce("template_sha256", pl.col("iteration").cast(pl.String)).alias("text")


def _template(rows: pl.DataFrame) -> pl.Expr:
    """What a template is called on a page: where it was first asked through, and its name in the tree."""
    first = [pl.col(name).first().over("target", *TREE, _text()).cast(pl.String) for name in ("iteration", "node")]
    place = pl.format("t{}-i{}", pl.col("tree"), first[0])
    named = pl.concat_str(place, first[1], separator=" ", ignore_nulls=True)
    return pl.format("{} {}", "run", named) if rows["run"].n_unique() > 1 else named


def _shares(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """In the order of the targets, and of the values within."""
    counts = cluster_counts(rows, [*by, CLUSTER])
    shares = clustered_shares(counts, by)
    places = {"target": rows["target"].unique(maintain_order=True).to_list()}
    measures = {"measure": ["loose", "strict", "hard"]}
    ranks = [pl.col(name).replace_strict(known, range(len(known)), return_dtype=pl.Int64, default=None)
             for name, known in {**places, **measures}.items()]  # fmt: skip
    if "value" not in by:
        return shares.sort(ranks, maintain_order=True)
    orders = rows.group_by("value").agg(pl.col("order").min())
    shares = shares.join(orders, on="value", how="left", nulls_equal=True, maintain_order="left")
    return shares.sort([ranks[0], "order", ranks[1]], nulls_last=True, maintain_order=True)


def _finished(rows: pl.DataFrame, shares: pl.DataFrame) -> pl.DataFrame:
    rules = pl.col("rule").drop_nulls().unique(maintain_order=True).str.join("; ")
    about = rows.group_by("target").agg(pl.col("simulated").any(), rules)
    of_hard = pl.when(pl.col("measure") == "hard").then(pl.col("rule")).alias("rule")
    return shares.join(about, on="target", how="left", maintain_order="left").with_columns(of_hard)


def _steps(iterations: list[int]) -> Iterator[int]:
    """All of them, or evenly spread ones with the last among them."""
    some = min(len(iterations), MOST_STEPS)
    yield from (iterations[len(iterations) * (place + 1) // some - 1] for place in range(some))
