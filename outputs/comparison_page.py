"""The page of `overnight compare`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from outputs.report import measure, number, page, percent, short_names, table

_LINES_SHOWN = 40
_NAMES_SHOWN = 4
Rows = Sequence[Mapping[str, Any]]


def comparison_page(document: Mapping[str, Any]) -> RenderableType:
    """What changed from run A to run B, for the terminal."""
    named = [f"{side.upper()}: {document[side]['run']}" for side in "ab"]
    title = " | ".join(["Compared", *named, *(["SIMULATED"] if document["simulated"] else [])])
    return page(title, _shown(document["answers_changed"], document["scores_moved"]), notes(document))


def _shown(answers: Rows, scores: Rows) -> Iterator[Table]:
    if answers:
        headings = ("stage", "model", "both", "only A", "only B", "changed", "share", "low", "high", "tokens A", "B")
        caption = "answers that both runs have, and how many of them are another text; low, high: 95 % interval"
        yield table(caption, headings, _answer_lines(answers), 2)
    if scores:
        of_scores = ("model", "dimension", "both", "A", "B", "B - A", "low", "high", "changed", "p (Holm)")
        stages = len({row["stage"] for row in scores}) > 1
        lines = ((row["stage"] or "-", *line) if stages else line for row, line in _score_lines(scores))
        yield table(_scores_caption(scores), ("stage", *of_scores) if stages else of_scores, lines, 2 + stages)


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


def _score_lines(scores: Rows) -> Iterator[tuple[Mapping[str, Any], Sequence[object]]]:
    """The rows that moved most, each with its cells but for the stage."""
    short = _short(scores)
    most = sorted(scores, key=lambda row: -abs(row["difference"] or 0))[:_LINES_SHOWN]
    for row in (row for row in scores if row in most):
        means = [measure(row[name]) for name in ("mean_a", "mean_b", "difference", "low", "high")]
        who = f"{_either(row, short)}{_by_judge(row, scores)}"
        about = (who, row["dimension"].replace("_", " "), row["both"])
        yield row, (*about, *means, percent(row["share_changed"]), number(row["p_holm"]))


def _short(rows: Rows) -> dict[str, str]:
    return short_names(sorted({row[f"model_{side}"] for row in rows for side in "ab" if row[f"model_{side}"]}))


def _either(row: Mapping[str, Any], short: Mapping[str, str]) -> str:
    one, other = (short.get(row[f"model_{side}"], "-") for side in "ab")
    return one if one == other else f"{one} -> {other}"


def notes(document: Mapping[str, Any]) -> Iterator[str]:
    """What is to be known of the numbers, in sentences."""
    yield f"{document['matched']['rows']} rows are in both runs, matched {document['matched']['how']}."
    for side in "ab":
        if document[f"only_{side}"]:
            yield f"{document[f'only_{side}']} rows are in {side.upper()} alone and left out."
    yield from _left_out(document["scores_moved"])
    yield from _warnings(document)


def _left_out(scores: Rows) -> Iterator[str]:
    """Rows with a score on one side alone; dimensions of a model that are alike share a line."""
    short = _short(scores)
    alike: dict[tuple[str, int, int], list[str]] = {}
    for row in scores:
        if row["only_a"] or row["only_b"]:
            who = (f"{_either(row, short)}{_by_judge(row, scores)}", row["only_a"], row["only_b"])
            alike.setdefault(who, []).append(row["dimension"])
    for (model, only_a, only_b), dimensions in alike.items():
        names = ", ".join(dict.fromkeys(dimensions))
        yield f"{model} ({names}): {only_a} rows have a score in A alone, {only_b} in B alone: left out of both means."


def _by_judge(row: Mapping[str, Any], scores: Rows) -> str:
    """The judge, where there are several."""
    several = len({(one["judge_a"], one["judge_b"]) for one in scores}) > 1
    return f" by {row['judge_a']}" if several and row["judge_a"] else ""


def _warnings(document: Mapping[str, Any]) -> Iterator[str]:
    """What is doubtful, and where."""
    where: dict[str, list[str]] = {}
    for rows in (document["answers_changed"], document["scores_moved"]):
        short = _short(rows)
        for row in rows:
            if row["warning"]:
                dimension = f" {row['dimension']}" if "dimension" in row else ""
                where.setdefault(row["warning"], []).append(f"{_either(row, short)}{dimension}")
    for warning, names in where.items():
        shown = ", ".join(dict.fromkeys(names[:_NAMES_SHOWN])) + (", ..." if len(names) > _NAMES_SHOWN else "")
        yield f"{shown}: {warning}."
