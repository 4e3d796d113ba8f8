"""What an address asks of two runs, and the address of what is asked for: which of the rows that changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import polars as pl
from multidict import MultiMapping

from orchestrator.viewing.comparisons import Comparison
from orchestrator.viewing.folders import ViewedRun
from prompts.input_error import InputError

PAGE = 50  # rows that changed, on one page
SHOWN = {  # what of the rows that changed is shown
    "all": "all that changed",
    "scores": "with another score",
    "texts": "with another text",
    "ends": "that ended otherwise",
    "only_a": "in A alone",
    "only_b": "in B alone",
}
_ROWS = {"stage": "stage", "lane": "model_a", "lane_b": "model_b"}  # parameter -> column of the rows that changed
_SCORES = {  # of the scores that changed
    "stage": "stage",
    "of": "model_a",
    "of_b": "model_b",
    "judge": "judge_a",
    "judge_b": "judge_b",
    "dimension": "dimension",
}
_MOST = 10**9
_MOVED = ("dimension", "score_a", "score_b", "difference")


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for: two runs by their keys, and which of the rows that changed.

    `where` selects by what a row is of, by parameter; the empty text stands for none. With a dimension in it, the rows
    are those whose score of this dimension changed, by the judge and of the model that it names.
    """

    a: str
    b: str
    show: str = "all"
    where: Mapping[str, str] = field(default_factory=dict)
    offset: int = 0

    def link(self, **changed: Any) -> str:
        """The same page, from its first row, with some of it changed."""
        told = {"a": self.a, "b": self.b, "show": self.show, **self.where, **changed}
        return urlencode({name: value for name, value in told.items() if value is not None}, errors="replace")

    def answers_link(self, show: str, row: Mapping[str, Any]) -> str:
        """The address of the rows that a line of the answers counts."""
        return self._only(show, row, _ROWS)

    def scores_link(self, show: str, row: Mapping[str, Any]) -> str:
        """The address of the rows that a line of the scores counts."""
        return self._only(show, row, _SCORES)

    def _only(self, show: str, row: Mapping[str, Any], columns: Mapping[str, str]) -> str:
        where = {name: row[column] or "" for name, column in columns.items()}
        return Asked(self.a, self.b, show, where).link()


def read_asked(params: MultiMapping[str], a: ViewedRun, b: ViewedRun) -> Asked:
    """What is asked of two runs. Raises InputError, naming the parameter, for what is no number or is not known."""
    for name in dict.fromkeys(params):
        if len(params.getall(name)) > 1:
            raise InputError(f"is given {len(params.getall(name))} times: give it once", field=name)
    show = params.get("show") or "all"
    if show not in SHOWN:
        raise InputError(f"{show[:40]!r} is none of {', '.join(SHOWN)}", field="show")
    known = dict.fromkeys([*_ROWS, *_SCORES])
    where = {name: params[name] for name in known if name in params}
    return Asked(a.key, b.key, show, where, whole_number(params, "offset"))


def whole_number(params: Mapping[str, str], name: str) -> int:
    """A parameter that is a number from 0 on; 0 where it is not there. Raises InputError."""
    text = params.get(name) or "0"
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_MOST)):
        raise InputError(f"{text[:40]!r} is no number that can be here", field=name)
    return int(text)


def changed_of(known: Comparison, asked: Asked) -> pl.LazyFrame:
    """The rows that changed and are asked for, those that changed most first."""
    rows = pl.scan_parquet(known.rows, glob=False)
    scored = "dimension" in asked.where
    if scored:
        moved = _only(pl.scan_parquet(known.scores, glob=False), asked, _SCORES)
        rows = rows.drop(_MOVED).join(moved.select("custom_id_a", *_MOVED), on="custom_id_a", how="inner")
        order = pl.col("difference").abs(), pl.col("request_a")
        rows = rows.sort(order, descending=[True, False], nulls_last=True, maintain_order=True)
    else:
        rows = _only(rows, asked, _ROWS)
    shown = _shown(asked.show, scored=scored)
    return rows if shown is None else rows.filter(shown)


def _only(rows: pl.LazyFrame, asked: Asked, columns: Mapping[str, str]) -> pl.LazyFrame:
    wanted = [(column, asked.where[name]) for name, column in columns.items() if name in asked.where]
    return rows.filter(*(pl.col(column).fill_null("") == value for column, value in wanted)) if wanted else rows


def _shown(show: str, *, scored: bool) -> pl.Expr | None:
    """Which rows are shown; of a dimension, in one run alone are those that have a score of it there alone."""
    scores = [pl.col(f"score_{side}").is_not_null() for side in "ab"]
    answered = [(pl.col(f"state_{side}") == "answered").fill_null(value=False) for side in "ab"]
    there = scores if scored else answered
    match show:
        case "scores":
            return scores[0] & scores[1] if scored else pl.col("dimension").is_not_null()
        case "texts":
            return pl.col("text_changed")
        case "ends":
            return pl.any_horizontal(
                pl.col(f"{name}_a").ne_missing(pl.col(f"{name}_b")) for name in ("state", "outcome")
            )
        case "only_a" | "only_b":
            ours, theirs = there if show == "only_a" else there[::-1]
            return ours & ~theirs
    return None


def pair_link(asked: Asked, row: Mapping[str, Any], place: int) -> str | None:
    """The address of both rows side by side; None where there is no request to show."""
    if row["request_a"] is None or row["request_b"] is None:
        return None
    return asked.link(request_a=row["request_a"], request_b=row["request_b"], at=place)
