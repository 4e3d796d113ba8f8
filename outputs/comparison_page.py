"""The page of `overnight compare`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from outputs.report import number, page, percent, short_names, table

_LINES_SHOWN = 40
Rows = Sequence[Mapping[str, Any]]


def comparison_page(document: Mapping[str, Any]) -> RenderableType:
    """What changed from run A to run B, for the terminal."""
    named = [f"{side.upper()}: {document[side]['run']}" for side in "ab"]
    title = " | ".join(["Compared", *named, *(["SIMULATED"] if document["simulated"] else [])])
    return page(title, _shown(document["answers_changed"], document["scores_moved"]), _notes(document))


def _shown(answers: Rows, scores: Rows) -> Iterator[Table]:
    if answers:
        headings = ("stage", "model", "both", "only A", "only B", "changed", "share", "low", "high", "tokens A", "B")
        caption = "answers that both runs have, and how many of them are another text; low, high: 95 % interval"
        yield table(caption, headings, _answer_lines(answers), 2)
    if scores:
        headings = ("stage", "model", "dimension", "both", "A", "B", "B - A", "low", "high", "changed", "p (Holm)")
        yield table(_scores_caption(scores), headings, _score_lines(scores), 3)


def _scores_caption(scores: Rows) -> str:
    caption = "means over the rows with a score in both runs; low, high: 95 % interval of B - A, by item"
    left = len(scores) - _LINES_SHOWN
    return caption if left <= 0 else f"{caption}; the {_LINES_SHOWN} that moved most, {left} more in the table"


def _answer_lines(answers: Rows) -> Iterator[Sequence[object]]:
    short = _short(answers)
    for row in answers:
        counts = (row["both"], row["only_a"], row["only_b"], row["changed"])
        tokens = (number(row["output_tokens_a"], 0), number(row["output_tokens_b"], 0))
        share = (percent(row["share_changed"]), percent(row["low"]), percent(row["high"]))
        yield (row["stage"] or "-", _either(row, short), *counts, *share, *tokens)


def _score_lines(scores: Rows) -> Iterator[Sequence[object]]:
    short = _short(scores)
    most = sorted(scores, key=lambda row: -abs(row["difference"] or 0))[:_LINES_SHOWN]
    for row in (row for row in scores if row in most):
        means = [number(row[name]) for name in ("mean_a", "mean_b", "difference", "low", "high")]
        about = (row["stage"] or "-", _either(row, short), row["dimension"].replace("_", " "), row["both"])
        yield (*about, *means, percent(row["share_changed"]), number(row["p_holm"]))


def _short(rows: Rows) -> dict[str, str]:
    return short_names(sorted({row[f"model_{side}"] for row in rows for side in "ab" if row[f"model_{side}"]}))


def _either(row: Mapping[str, Any], short: Mapping[str, str]) -> str:
    one, other = (short.get(row[f"model_{side}"], "-") for side in "ab")
    return one if one == other else f"{one} -> {other}"


def _notes(document: Mapping[str, Any]) -> Iterator[str]:
    yield f"{document['matched']['rows']} rows are in both runs, matched {document['matched']['how']}."
    for side in "ab":
        if document[f"only_{side}"]:
            yield f"{document[f'only_{side}']} rows are in {side.upper()} alone and left out."
    short = _short(document["scores_moved"])
    for row in document["scores_moved"]:
        if row["only_a"] or row["only_b"]:
            yield (
                f"{_either(row, short)} {row['dimension']}: {row['only_a']} rows have a score in A alone, "
                f"{row['only_b']} in B alone: left out of both means."
            )
    yield from sorted(
        {row["warning"] for name in ("answers_changed", "scores_moved") for row in document[name]} - {None}
    )
