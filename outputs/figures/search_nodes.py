"""The templates of ICE's search trees, with what came of each: from the table `identity`, which says a row's place.

A walk of the search ends at a template and goes through all that it descends from. Which one that was is told by what
an iteration asked through: a new template's parent, or, where no new one was made, the template itself.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import polars as pl

from outputs.figures.tree_layout import lineage, without_circles

TREE = ("target", "run", "tree")
_NODES: dict[str, Any] = {
    "target": pl.String,
    "run": pl.String,
    "tree": pl.Int64,
    "node": pl.String,
    "parent": pl.String,  # null of a seed
    "seed": pl.String,
    "family": pl.String,
    "operator": pl.String,  # null of a seed
    "level": pl.Int64,  # of the tree; seeds have 0
    "iteration": pl.Int64,  # the first that asked through it; null of a seed that none did
    "iterations": pl.Int64,  # that asked through it
    "visits": pl.Int64,  # walks of the search that went through it
    "rows": pl.Int64,
    "judged": pl.Int64,
    "conflicts": pl.Int64,
    "loose": pl.Float64,  # conflicts / judged; null where nothing was judged
    "judged_again": pl.Int64,
    "claims": pl.Int64,
    "misleading": pl.Boolean,
    "template": pl.String,  # what rows call it; null where they call another the same
}


def search_nodes(rows: pl.DataFrame) -> pl.DataFrame:
    """A row for each template and each seed of all trees, tree by tree, in the order in which they were met.

    Rows that say nothing of where their template comes from, as imported ones, are of no tree.
    """
    known = rows.filter(pl.col("node").is_not_null())
    grown = known.filter((pl.col("parent").is_not_null() | pl.col("seed").is_not_null()).any().over(TREE))
    found = [pl.DataFrame(schema=_NODES)]
    for key, mine in grown.group_by(TREE, maintain_order=True):
        found.append(_of_tree(dict(zip(TREE, key, strict=True)), mine))
    return pl.concat(found)


def _of_tree(about: Mapping[str, Any], rows: pl.DataFrame) -> pl.DataFrame:
    asked = rows.group_by("node", maintain_order=True).agg(
        pl.col("parent", "seed", "family", "operator", "level").first(),
        pl.col("iteration").min(), pl.col("iteration").n_unique().alias("iterations"), pl.len().alias("rows"),
        pl.col("conflict").is_not_null().sum().alias("judged"), pl.col("conflict").sum().alias("conflicts"),
        pl.col("claim").is_not_null().sum().alias("judged_again"), pl.col("claim").sum().alias("claims"),
        pl.col("misleading").first(), _text().first().alias("text"),
    )  # fmt: skip
    nodes = {str(row["node"]): row for row in asked.iter_rows(named=True)}
    for row in asked.iter_rows(named=True):
        parent = row["parent"]
        if parent is not None and parent not in nodes:
            nodes[parent] = _untried(parent, row)
    parents = without_circles({name: row["parent"] for name, row in nodes.items()})
    visits, called = _visits(rows, parents), _called(about["tree"], rows, nodes)
    table = [
        {**about, **row, "parent": parents[name], "operator": row["operator"] if parents[name] is not None else None,
         "visits": visits[name], "loose": row["conflicts"] / row["judged"] if row["judged"] else None,
         "template": called.get(name)}
        for name, row in nodes.items()
    ]  # fmt: skip
    return pl.DataFrame([{key: row[key] for key in _NODES} for row in table], schema=_NODES, orient="row")


def _untried(name: str, child: Mapping[str, Any]) -> dict[str, Any]:
    """A template that others were made of, and that nothing was asked through: a seed."""
    counts = dict.fromkeys(("iterations", "rows", "judged", "conflicts", "judged_again", "claims"), 0)
    nothing = dict.fromkeys(("parent", "operator", "iteration", "misleading", "text"))
    its_seed = child["seed"] == name
    return {**counts, **nothing, "node": name, "seed": child["seed"], "family": child["family"],
            "level": 0 if its_seed else None}  # fmt: skip


def _visits(rows: pl.DataFrame, parents: Mapping[str, str | None]) -> Counter[str]:
    """Of each node, the iterations whose walk ended at it or at one that descends from it."""
    counted: Counter[str] = Counter()
    made: set[str] = set()
    walks = rows.unique("iteration", keep="first", maintain_order=True).sort("iteration").select("node", "parent")
    for node, parent in walks.iter_rows():
        is_new = parent is not None and node not in made
        made.add(node)
        counted.update(lineage([parent if is_new else node], parents))
    return counted


def _text() -> pl.Expr:
    return pl.coalesce("template_sha256", pl.col("iteration").cast(pl.String))


def _called(tree: int, rows: pl.DataFrame, nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """What the rows of a run call a template: where its text was first asked through. Not of texts that two have."""
    texts = Counter(row["text"] for row in nodes.values() if row["text"] is not None)
    same = rows.group_by(_text().alias("text")).agg(pl.col("node").n_unique())
    shared = {text for text, many in same.iter_rows() if many > 1}
    first = dict(rows.group_by("node", maintain_order=True).agg(pl.col("iteration").first()).iter_rows())
    return {
        name: f"t{tree}-i{first[name]} {name}"
        for name, row in nodes.items()
        if row["text"] is not None and texts[row["text"]] == 1 and row["text"] not in shared
    }
