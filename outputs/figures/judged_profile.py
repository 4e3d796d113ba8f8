"""What judges said by dimension: the profile of each model, how dimensions go together, and how models differ."""

import polars as pl

from outputs.figures.boards import Board, names_of
from outputs.figures.heat import heat
from outputs.figures.judged_means import line_filter
from outputs.figures.judged_rows import JudgedRows
from outputs.figures.model_names import shown_names
from outputs.figures.parts import Analysis, Column, Filter, Kind, Part
from outputs.figures.scales import IN_TABLE, passing_note
from outputs.judged.panels import MACRO
from outputs.report import number

MOST_PAIRS = 200  # in the report's table; analyze writes all
_CELL = 96  # wide enough for a dimension's name
_NUMBERS = ("mean", "low", "high")


def profile_part(board: Board, rows: JudgedRows) -> Part:
    """Models by dimensions, the values in the cells; controls are in the table only."""
    lines = board.rows(board.headline[0])
    called = names_of(lines)
    cells = {dimension: board.cells(dimension) for dimension in board.dimensions}
    frame = []
    for row in lines:
        key = (row["model"], row["control"], board.main)
        about = {"name": called[row["model"], row["control"]], "model": row["model"], "control": row["control"]}
        its = {
            f"{name}: {value}": cells[name].get(key, {}).get(value) for name in board.dimensions for value in _NUMBERS
        }
        frame.append({**about, **its})
    shown = [
        {"x": _worded(name), "y": row["name"], "value": row[f"{name}: mean"], "text": number(row[f"{name}: mean"], 2)}
        for row in frame
        for name in board.dimensions
        if not row["control"]
    ]
    models = [row["name"] for row in frame if not row["control"]]
    dimensions = [_worded(name) for name in board.dimensions]
    over = "Avg over the sets" if board.main == MACRO else "Means"
    said = f"{over}, with 95 % intervals in the table. Colours run from the least to the greatest value in the map."
    intervals = [(row[f"{name}: low"], row[f"{name}: high"]) for row in frame for name in board.dimensions]
    return Part(
        "judged_profile",
        board.titled("Profile by dimension"),
        pl.DataFrame(frame, infer_schema_length=None),
        [
            Column("name", "Model"),
            *(
                Column(f"{name}: mean", _worded(name), Kind.NUMBER, low=f"{name}: low", high=f"{name}: high")
                for name in board.dimensions
            ),
        ],
        [line_filter(board, row, rows) for row in lines],
        f"{said} {passing_note(intervals, board.scale, IN_TABLE)}".rstrip(),
        heat(shown, dimensions, models, "mean judgement", cell=_CELL, ends=board.scale) if models else None,
        f"Heat map: mean judgement of {len(models)} models by {len(dimensions)} dimensions." if models else "",
    )


def _worded(name: str) -> str:
    return name.replace("_", " ")


def differences_part(board: Board, rows: JudgedRows) -> Part | None:
    """Pairs of models over the main set. None where there are none."""
    its = board.differences.filter(pl.col("dataset") == board.main)
    if not its.height:
        return None
    short = shown_names([*its["first"], *its["second"]])
    sorted_ = its.sort("p_holm", "difference", nulls_last=True, maintain_order=True).head(MOST_PAIRS)
    frame = sorted_.with_columns(
        pl.col("first").replace_strict(short, return_dtype=pl.String).alias("one"),
        pl.col("second").replace_strict(short, return_dtype=pl.String).alias("other"),
    )
    several = len(board.headline) > 1
    more = (
        f" {its.height - MOST_PAIRS} more in the table differences that overnight analyze writes."
        if its.height > MOST_PAIRS
        else ""
    )
    return Part(
        "judged_differences",
        board.titled("Differences of models"),
        frame,
        [
            Column("one", "Model"),
            Column("other", "Other"),
            *([Column("dimension", "Dimension")] if several else []),
            Column("difference", "Difference", Kind.NUMBER, low="low", high="high"),
            Column("p", "p", Kind.P),
            Column("p_holm", "p, Holm", Kind.P),
            Column("items", "Items of both", Kind.COUNT),
        ],
        [_judged(board, rows, model) for model in frame["first"]],
        f"Model minus other, over the items that both have; p of sign-flip tests, two-sided. Rows: those of the model "
        f"and of the other.{more}",
        others=[_judged(board, rows, model) for model in frame["second"]],
    )


def _judged(board: Board, rows: JudgedRows, model: str) -> Filter | None:
    return rows.filter(board.prompt, board.reference, board.judges, board.datasets, model, control=False)


def aspects_part(found: Analysis, rows: JudgedRows) -> Part | None:
    """How far dimensions say the same. None where there is one only."""
    table = found.table("aspects")
    if not table.height:
        return None
    short = shown_names(table["judge"])
    frame = table.with_columns(
        pl.col("judge").replace_strict(short, return_dtype=pl.String).alias("judge_name"),
        pl.col("first", "second").str.replace_all("_", " "),
    )
    several = [
        Column(name, heading)
        for name, heading in (("judge_name", "Judge"), ("prompt", "Prompt"), ("reference", "Reference"))
        if frame[name].n_unique() > 1
    ]
    return Part(
        "judged_aspects",
        "How dimensions go together",
        frame,
        [
            *several,
            Column("first", "Dimension"),
            Column("second", "Other"),
            Column("answers", "Answers", Kind.COUNT),
            Column("pearson", "Pearson", Kind.NUMBER),
            Column("spearman", "Spearman", Kind.NUMBER),
        ],
        [rows.of_judge(*line) for line in frame.select("prompt", "reference", "judge").iter_rows()],
        "Correlations over answers, controls left out. Rows: all that the judge said; controls are among them.",
    )
