"""Mean judgements: a table with a line a model and a column a set of prompts, and the same as a forest plot."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from outputs.figures.boards import Board, names_of
from outputs.figures.forest import forest
from outputs.figures.judged_rows import JudgedRows
from outputs.figures.parts import Column, Filter, Kind, Part
from outputs.figures.scales import IN_TABLE, passed_ends, passing_note, too
from outputs.judged.letters import MOST
from outputs.judged.pages import alike_marks
from outputs.judged.panels import MACRO, POOLED

MOST_SETS = 12  # beside Avg in the wide table; the forest's table has all
_Row = Mapping[str, Any]
_AVG = "Avg: the unweighted mean of the sets' means; by items: the mean over all items."
_NUMBERS = ("mean", "low", "high")
_OF_SETS = f"of sets {IN_TABLE}"
_ABOUT = ("items", "ok", "asked", "coverage", "warning")


def means_parts(board: Board, dimension: str, rows: JudgedRows) -> Iterator[Part]:
    """Of one dimension."""
    lines = board.rows(dimension)
    called = names_of(lines)
    words = dimension.replace("_", " ")
    about = [{"name": called[row["model"], row["control"]], **_known(row)} for row in lines]
    filters = [line_filter(board, row, rows) for row in lines]
    cells = board.cells(dimension)
    of = [{name: cells.get((row["model"], row["control"], name), {}) for name in _sets(board)} for row in lines]
    yield _table(board, dimension, about, of, filters)
    long = [
        {**one, "set": _set_name(name), "dataset": name, **_numbers(cell)}
        for one, by_set in zip(about, of, strict=True)
        for name, cell in by_set.items()
        if cell
    ]
    by_set = [line_filter(board, row, rows, row["dataset"]) for row in long]
    yield _forest(board, f"{words}: means and 95 % intervals", "name", "Model", long, by_set)


def one_model_parts(board: Board, rows: JudgedRows) -> Iterator[Part]:
    """A line a dimension, where there is nobody to compare with."""
    found = [row for dimension in board.dimensions for row in board.rows(dimension)]
    long = []
    for row in found:
        by_set = board.cells(row["dimension"])
        its = [(name, by_set.get((row["model"], row["control"], name), {})) for name in _sets(board)]
        about = {"name": row["dimension"].replace("_", " "), **_known(row), "dimension": row["dimension"]}
        long += [{**about, "set": _set_name(name), "dataset": name, **_numbers(cell)} for name, cell in its if cell]
    filters = [line_filter(board, row, rows, row["dataset"]) for row in long]
    yield _forest(board, "Means and 95 % intervals by dimension", "name", "Dimension", long, filters)


def line_filter(board: Board, row: _Row, rows: JudgedRows, dataset: str = MACRO) -> Filter | None:
    """The judgements that a line of a board rests on, of one set or of all."""
    sets = board.datasets if dataset in (MACRO, POOLED) else [dataset]
    return rows.filter(board.prompt, board.reference, board.judges, sets, row["model"], control=row["control"])


def _known(row: _Row) -> dict[str, Any]:
    return {name: row[name] for name in ("model", "control", "self_preference")}


def _numbers(cell: _Row) -> dict[str, Any]:
    return {name: cell.get(name) for name in (*_NUMBERS, *_ABOUT)}


def _sets(board: Board) -> list[str]:
    """The mean first, then what it is of."""
    return [MACRO, POOLED, *board.datasets] if board.main == MACRO else board.datasets


def _set_name(name: str) -> str:
    return {MACRO: "Avg", POOLED: "by items"}.get(name, name)


def _table(
    board: Board,
    dimension: str,
    about: Sequence[_Row],
    of: Sequence[Mapping[str, _Row]],
    filters: Sequence[Filter | None],
) -> Part:
    shown = [name for name in _sets(board) if name != board.main][: MOST_SETS + 1]
    compared = board.differences.filter(pl.col("dimension") == dimension, pl.col("dataset") == board.main)
    marks = alike_marks([row["model"] for row in about if not row["control"]], compared)
    lines = [
        {
            **row,
            **_numbers(cells.get(board.main, {})),
            "alike": "ref." if row["control"] else marks.get(row["model"], ""),
            **{_key(name, number): cells[name].get(number) for name in shown for number in _NUMBERS},
        }
        for row, cells in zip(about, of, strict=True)
    ]
    several = board.main == MACRO
    columns = [
        Column("name", "Model"),
        Column("items", "Items", Kind.COUNT),
        Column("coverage", "Read", Kind.PERCENT),
        Column("mean", "Avg" if several else "Mean", Kind.NUMBER, low="low", high="high"),
        *([Column("alike", "Alike")] if compared["significant"].count() else []),
        *(_set_column(name) for name in shown),
    ]
    title = board.titled(f"{dimension.replace('_', ' ')} by {'set of prompts' if several else 'model'}")
    hidden = len(board.datasets) - len([name for name in shown if name != POOLED]) if several else 0
    cells = [its[name] for its in of for name in (board.main, *shown) if name in its]
    passing = passing_note([(cell.get("low"), cell.get("high")) for cell in cells], board.scale)
    note = " ".join(one for one in (_note(board, about, hidden), passing) if one)
    return Part("judged_means", _capital(title), _frame(lines), columns, filters, note)


def _set_column(name: str) -> Column:
    low, high = _key(name, "low"), _key(name, "high")
    return Column(_key(name, "mean"), _set_name(name) or "(no name)", Kind.NUMBER, low=low, high=high)


def _key(name: str, number: str) -> str:
    """A column of the frame, whatever a set is called."""
    return f"{_set_name(name)}: {number}"


def _note(board: Board, about: Sequence[_Row], hidden: int) -> str:
    tested = board.differences["significant"].count()
    letters = f"letters (or, where they would be more than {MOST}, as a number: so many others)"
    told = [
        "In brackets: 95 % intervals of a bootstrap over prompts. Read: judgements read of those there should be.",
        _AVG if board.main == MACRO else "",
        f"{hidden} more sets in the table of the plot." if hidden > 0 else "",
        f"Alike: models that share {letters} are not told apart by sign-flip tests after Holm." if tested else "",
        "* The judge judged answers of its own, or ones held against its own."
        if any(row["self_preference"] for row in about)
        else "",
        "Control: the reference against itself." if any(row["control"] for row in about) else "",
    ]
    return " ".join(sentence for sentence in told if sentence)


def _forest(
    board: Board, title: str, key: str, heading: str, long: Sequence[_Row], filters: Sequence[Filter | None]
) -> Part:
    points = [{"label": row[key], **row} for row in long if row["dataset"] == board.main]
    single = [{"label": row[key], **row} for row in long if row["dataset"] in board.datasets]
    dots = [{**row, "set": row["set"] or "(no name)"} for row in single] if board.main == MACRO else []
    wanted = ("label", *_NUMBERS)
    columns = [
        Column(key, heading),
        *([Column("set", "Set")] if board.main == MACRO else []),
        Column("mean", "Mean", Kind.NUMBER, low="low", high="high"),
        Column("items", "Items", Kind.COUNT),
        Column("coverage", "Read", Kind.PERCENT),
    ]
    chart = forest(
        [{name: row[name] for name in wanted} for row in points],
        "mean judgement, on the prompt's scale",
        [{name: row[name] for name in ("label", "mean", "set")} for row in dots],
        ends=passed_ends(map(_ends, points), board.scale),
    )
    note = "Diamonds: Avg with its 95 % interval; dots: the sets." if dots else "With 95 % intervals."
    passing = passing_note(map(_ends, points), board.scale)
    undrawn = [_ends(row) for row in long if row["dataset"] != board.main]
    if passing:
        note = f"{note} Dashed: the end of the scale. {passing} {too(undrawn, board.scale, _OF_SETS)}".rstrip()
    else:
        note = f"{note} {passing_note(undrawn, board.scale, _OF_SETS)}".rstrip()
    alt = f"Forest plot: {heading.lower()}s with their mean judgement and its 95 % interval, {len(points)} lines."
    return Part("judged_forest", _capital(board.titled(title)), _frame(long), columns, filters, note, chart, alt)


def _ends(row: _Row) -> tuple[float | None, float | None]:
    return row["low"], row["high"]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _frame(rows: Sequence[_Row]) -> pl.DataFrame:
    return pl.DataFrame([dict(row) for row in rows], infer_schema_length=None)
