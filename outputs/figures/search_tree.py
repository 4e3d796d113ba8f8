"""The search trees of ICE: which templates came of which, how, and how often each brought out a contradiction."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from outputs.figures.labels import text_labels
from outputs.figures.model_names import shown_names
from outputs.figures.parts import Analysis, Column, Filter, Kind, Part
from outputs.figures.search_nodes import TREE, search_nodes
from outputs.figures.tree_drawing import MOST_LEAVES, tree_chart
from outputs.identity.rows import ASK
from outputs.report import numbered

MOST_TREES = 8  # that are drawn, the largest; the others are listed
_COLUMNS = (
    Column("node", "template"),
    Column("parent", "made of"),
    Column("seed", "seed"),
    Column("family", "family"),
    Column("operator", "by"),
    Column("level", "level", Kind.COUNT),
    Column("iteration", "iteration", Kind.COUNT),
    Column("visits", "visits", Kind.COUNT),
    Column("rows", "rows", Kind.COUNT),
    Column("judged", "judged", Kind.COUNT),
    Column("conflicts", "conflicts", Kind.COUNT),
    Column("loose", "loose", Kind.NUMBER),
    Column("claims", "claims", Kind.COUNT),
    Column("misleading", "misleading"),
)
_LISTED = (
    Column("target", "target"),
    Column("run", "run"),
    Column("tree", "tree", Kind.COUNT),
    Column("templates", "templates", Kind.COUNT),
    Column("deepest", "deepest level", Kind.COUNT),
    Column("rows", "rows", Kind.COUNT),
    Column("judged", "judged", Kind.COUNT),
    Column("conflicts", "conflicts", Kind.COUNT),
    Column("loose", "loose", Kind.NUMBER),
)
_NOTE = (
    "A template stands to the right of the one that it was made of. Loose: conflicts, of its rows with a first "
    "judgement that could be read. Visits: walks of the search that went through it; a template that brought out no "
    "contradiction is not kept, and none goes through it."
)


def tree_parts(found: Analysis) -> Iterator[Part]:
    """A part for each of the largest trees, then a table of all where there are more; none where rows tell of none."""
    nodes = search_nodes(found.table("identity"))
    if nodes.is_empty():
        return
    runs = found.table("identity")["run"].n_unique()
    labels = shown_names(nodes["target"])
    trees = _trees(nodes)
    for number, tree in enumerate(trees[:MOST_TREES], 1):
        yield _drawn(number, tree, labels[str(tree["target"][0])], runs)
    if len(trees) > MOST_TREES:
        yield _listed(trees)


def _trees(nodes: pl.DataFrame) -> list[pl.DataFrame]:
    """The largest first; of equal ones the first."""
    trees = [tree for _, tree in nodes.group_by(TREE, maintain_order=True)]
    return sorted(trees, key=lambda tree: -tree.height)


def _drawn(number: int, tree: pl.DataFrame, target: str, runs: int) -> Part:
    names = text_labels(tree["node"])
    chart, drawn = tree_chart(list(tree.iter_rows(named=True)), names)
    run = f", run {tree['run'][0]}" if runs > 1 else ""
    rest = f" Drawn: {drawn} of {numbered(tree.height, 'template')}, at most {MOST_LEAVES} ends of branches, those "
    rest += "with most conflicts; the table has all."
    return Part(
        name=f"ice_tree_{number}",
        title=f"Search of {target}, tree {tree['tree'][0]}{run}",
        frame=tree,
        columns=_COLUMNS,
        filters=[_filter(row) for row in tree.iter_rows(named=True)],
        note=_NOTE + (rest if drawn < tree.height else ""),
        chart=chart,
        alt="A tree of templates, each to the right of the one it was made of, the darker the larger its loose share.",
    )


def _filter(row: Mapping[str, Any]) -> Filter | None:
    """The questions put through a template."""
    if not row["rows"] or row["template"] is None:
        return None
    return {"run": row["run"], "model": row["target"], "stage": ASK, "template": row["template"]}


def _listed(trees: Sequence[pl.DataFrame]) -> Part:
    frame = pl.concat(trees).group_by(TREE, maintain_order=True).agg(
        (pl.col("rows") > 0).sum().alias("templates"), pl.col("level").max().alias("deepest"),
        pl.col("rows", "judged", "conflicts").sum(),
    )  # fmt: skip
    frame = frame.with_columns(loose=pl.when(pl.col("judged") > 0).then(pl.col("conflicts") / pl.col("judged")))
    return Part(
        name="ice_trees",
        title="All search trees",
        frame=frame,
        columns=_LISTED,
        filters=[
            {"run": run, "model": target, "stage": ASK} for target, run in frame.select("target", "run").iter_rows()
        ],
        note=f"The largest {MOST_TREES} are drawn above. The last column leads to all questions put to the target in "
        "the run, those of its other trees among them.",
    )
