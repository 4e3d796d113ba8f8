"""What rows of a search (ICE) say of each other: what a template is called, and what was judged of an answer.

As in `outputs.identity`: a question's place in a search is its target, tree, iteration and question, and of several
judgements of a place the last counts.
"""

from dataclasses import dataclass

import polars as pl

from outputs.browsing.columns import BROWSE
from outputs.identity.rows import ASK, LOOSE

_TREE = (pl.col("target").fill_null(""), pl.col("tree").fill_null(0))
_PLACE = (
    pl.struct(*_TREE, pl.col("iteration").fill_null(0), "question").hash().alias("place")
)  # equal ones are the same
_TEXT = pl.coalesce("template_sha256", pl.col("iteration").cast(pl.String)).alias("text")
_TEXT_KEYS = ("target", "tree", "text")


@dataclass(frozen=True, slots=True)
class Searches:
    """`names`: what each template is called. `found`: what the last first judgement of each place says."""

    names: pl.DataFrame
    found: pl.DataFrame

    def complete(self, part: pl.DataFrame) -> pl.DataFrame:
        """The rows of a part as in `outputs.browsing.columns.BROWSE`, in their order."""
        called = part.select(*_TREE, _TEXT).join(
            self.names, on=_TEXT_KEYS, how="left", nulls_equal=True, maintain_order="left"
        )
        judged = part.select(_PLACE).join(self.found, on="place", how="left", maintain_order="left")
        conflict = (
            pl.when(pl.col("stage") == ASK)
            .then(pl.coalesce(judged["found"], "said_conflict"))
            .when(pl.col("stage") == LOOSE)
            .then("verdict")
        )
        template = pl.when(pl.col("target").is_not_null()).then(called["called"])
        return part.with_columns(conflict=conflict, template=template).select(*BROWSE.columns)


def searches_of(parts: pl.LazyFrame) -> Searches | None:
    """The searches of rows, of parts as `outputs.browsing.gathering` makes them; None where there are none."""
    asked = pl.col("stage") == ASK
    if not parts.select((asked | (pl.col("stage") == LOOSE)).any()).collect(engine="streaming").item():
        return None
    return Searches(_names(parts.filter(asked)), _found(parts.filter(pl.col("stage") == LOOSE)))


def _names(asked: pl.LazyFrame) -> pl.DataFrame:
    """Where each template was first asked through, and its name in the tree."""
    templates = asked.select(*_TREE, _TEXT, "iteration", "node", at="request").group_by(_TEXT_KEYS)
    first = templates.agg(pl.col("iteration", "node").sort_by("at").first())
    called = pl.format("t{}-i{}", "tree", "iteration")
    named = first.select(*_TEXT_KEYS, called=pl.concat_str(called, "node", separator=" ", ignore_nulls=True))
    return named.collect(engine="streaming")


def _found(judged: pl.LazyFrame) -> pl.DataFrame:
    read = judged.filter(pl.col("outcome").is_not_null()).select(_PLACE, "verdict", at="request")
    return read.group_by("place").agg(found=pl.col("verdict").sort_by("at").last()).collect(engine="streaming")
