"""The means for the terminal: a line a model, and how they are to be read."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl
from rich.table import Table

from outputs.judged.differences import LEVEL, headline
from outputs.judged.letters import shared_letters
from outputs.judged.panels import ALL_JUDGES, MACRO, POOLED, Panel
from outputs.report import cut_names, number, numbered, percent, short_names, table

_WIDTH = 100  # columns of a terminal
_BESIDE = 52  # of them for all but the model's name and the sets' means
_HEADING = 10  # letters in a line
_Row = Mapping[str, Any]


def means_tables(panels: Sequence[Panel], means: pl.DataFrame, differences: pl.DataFrame) -> Iterator[Table]:
    """Of each panel and judge: the models by what they are compared by, and the profile over all dimensions."""
    for panel in panels:
        here = (pl.col("prompt") == panel.prompt) & (pl.col("reference") == panel.reference)
        for judge in _judges_first(panel):
            of_judge = here & (pl.col("judge") == judge)
            shown = means.filter(of_judge)
            label, part = _label(panels, panel, judge), panel.of(judge)
            if len(part.columns) == 1:
                yield _one_model(part, shown, label)
                continue
            for dimension in headline(part.dimensions):
                yield _models(part, dimension, shown, differences.filter(of_judge), label)
            if len(headline(part.dimensions)) < len(part.dimensions) and judge == _judges_first(panel)[0]:
                yield _profiles(part, shown, label)


def _judges_first(panel: Panel) -> list[str]:
    """The mean over judges before the judges."""
    return sorted(panel.judges, key=lambda judge: judge != ALL_JUDGES)


def _label(panels: Sequence[Panel], panel: Panel, judge: str) -> str:
    """What tells this table from the others."""
    words = [_judge(judge) if len(panel.judges) > 1 else ""]
    if len(panels) > 1:
        words += [panel.prompt, f"against {cut_names([panel.reference])[panel.reference]}" if panel.reference else ""]
    return ", ".join(word for word in words if word)


def _judge(judge: str) -> str:
    return judge[1:-1] if judge == ALL_JUDGES else f"judge {cut_names([judge])[judge]}"


def _main(panel: Panel) -> str:
    """The table of a panel that models are ordered by."""
    return MACRO if len(panel.datasets) > 1 else panel.datasets[0]


def _models(panel: Panel, dimension: str, means: pl.DataFrame, differences: pl.DataFrame, label: str) -> Table:
    """A line a model, the highest mean first, controls last."""
    main = _main(panel)
    of_dimension = means.filter(pl.col("dimension") == dimension)
    rows = of_dimension.filter(pl.col("dataset") == main).sort(
        "control", "mean", descending=[False, True], nulls_last=True
    )
    compared = differences.filter(pl.col("dataset") == main, pl.col("dimension") == dimension)
    marks = alike_marks([row["model"] for row in rows.iter_rows(named=True) if not row["control"]], compared)
    several = len(panel.datasets) > 1
    short = short_names(rows["model"].unique())
    sets = _sets_shown(panel, max(map(len, short.values()), default=0)) if several else ()
    cells = {
        (row["model"], row["control"], row["dataset"]): number(row["mean"])
        for row in of_dimension.iter_rows(named=True)
    }
    lines = (
        (
            _named(row, short),
            row["items"],
            percent(row["coverage"]),
            _mean(row),
            "ref." if row["control"] else marks.get(row["model"], ""),
            *(cells.get((row["model"], row["control"], name), "-") for name in sets),
        )
        for row in rows.iter_rows(named=True)
    )
    headings = ("model", "items", "read", "Avg, 95 %" if several else "mean, 95 %", "alike", *map(_folded, sets))
    return table(_caption(panel, dimension, label, max(0, len(sets) - 1)), headings, lines)


def _sets_shown(panel: Panel, names: int) -> tuple[str, ...]:
    """The columns of means beside Avg, as many as fit beside names of so many letters."""
    left, shown = _WIDTH - _BESIDE - names, [POOLED]
    for dataset in panel.datasets:
        left -= max(map(len, _folded(dataset).split("\n"))) + 2
        if left < 0:
            break
        shown.append(dataset)
    return tuple(shown)


def _caption(panel: Panel, dimension: str, label: str, shown: int) -> str:
    more = len(panel.datasets) - shown
    words = f"{dimension.replace('_', ' ')}{f' ({label})' if label else ''}"
    return words + (f"; {more} more sets in the table means" if shown and more else "")


def reading_notes(panels: Sequence[Panel], differences: pl.DataFrame) -> Iterator[str]:
    """How the tables of the means are to be read."""
    shown = "items: those with a readable judgement; read: judgements read of those there should be"
    yield f"{shown}; 95 %: interval of a bootstrap over prompts."
    sets = {part.datasets for panel in panels for part in map(panel.of, panel.judges)}
    if any(len(names) > 1 for names in sets):
        yield f"Avg: {MACRO[1:-1]}, unweighted; by items: over all items, {POOLED[1:-1]}."
    if any(len({panel.of(judge).datasets for judge in panel.judges}) > 1 for panel in panels):
        yield "Not all judges were asked about the same datasets: each Avg is over those of its table."
    if differences.height:
        yield (
            "alike: models that share a letter (or, as a number: so many others) are not told apart by sign-flip tests "
            f"over prompts, p >= {LEVEL:.2f} after Holm; ref.: the reference against itself."
        )
    for panel in panels:
        for judge in _judges_first(panel):
            yield from _family_notes(panels, panel, judge, differences)


def _family_notes(panels: Sequence[Panel], panel: Panel, judge: str, differences: pl.DataFrame) -> Iterator[str]:
    """How many pairs of each family differ."""
    its = differences.filter(
        pl.col("prompt") == panel.prompt,
        pl.col("reference") == panel.reference,
        pl.col("judge") == judge,
        pl.col("dataset") == _main(panel.of(judge)),
    )
    label = _label(panels, panel, judge)
    for dimension, rows in its.group_by("dimension", maintain_order=True):
        apart, tested = rows["significant"].sum(), rows["significant"].count()
        words = f"{dimension[0]}{f' ({label})' if label else ''}"
        common = "items in common" if len(panel.of(judge).datasets) < 2 else "items of every set in common"
        if tested:
            differ = "differs" if apart == 1 else "differ"
            yield f"Of {numbered(tested, 'pair')} of models {apart:,} {differ}: {words}."
        yield from _untested_notes(rows.select("first", "second", "significant"), common, words)


def _untested_notes(rows: pl.DataFrame, common: str, words: str) -> Iterator[str]:
    """Of whom no test was possible, for want of common items; and of which pairs of the others."""
    untested = rows.filter(pl.col("significant").is_null())
    alone = sorted(_in_pairs(rows.rows()) - _in_pairs(rows.drop_nulls().rows()))
    if alone:
        short = short_names(sorted(_in_pairs(rows.rows())))
        names = ", ".join(short[model] or "(no model)" for model in alone)
        yield f"alike n/a: no test was possible, for want of {common} with another: {names}: {words}."
    others = untested.filter(~pl.col("first").is_in(alone), ~pl.col("second").is_in(alone)).height
    if others:
        untold = numbered(others, "pair")
        yield f"A shared letter says nothing of {untold} without a test, for want of common items: {words}."


def alike_marks(models: Sequence[str], compared: pl.DataFrame) -> dict[str, str]:
    """Of each model: its letters, or of how many others it cannot be told apart where letters would be too many.

    n/a for one that could not be tested against any other.
    """
    rows = compared.drop_nulls("significant").select("first", "second", "significant").rows()
    tested = _in_pairs(rows)
    apart = {frozenset((first, second)) for first, second, significant in rows if significant}
    marked = [model for model in models if model in tested]
    found = shared_letters(marked, apart)
    if found is None:
        found = {one: str(sum(frozenset((one, other)) not in apart for other in marked) - 1) for one in marked}
    return dict.fromkeys(models, "n/a") | found


def _in_pairs(rows: Iterable[tuple[str, str, Any]]) -> set[str]:
    return {model for first, second, _ in rows for model in (first, second)}


def _profiles(panel: Panel, means: pl.DataFrame, label: str) -> Table:
    """All dimensions of each model, over all datasets."""
    main = means.filter(pl.col("dataset") == _main(panel))
    first = headline(panel.dimensions)[0]
    order = main.filter(pl.col("dimension") == first).sort("control", "mean", descending=[False, True], nulls_last=True)
    short = short_names(order["model"].unique())
    cells = {(row["model"], row["control"], row["dimension"]): row["mean"] for row in main.iter_rows(named=True)}
    lines = (
        (
            _named(row, short) + (" (control)" if row["control"] else ""),
            *(number(cells[row["model"], row["control"], name]) for name in panel.dimensions),
        )
        for row in order.iter_rows(named=True)
    )
    what = "all dimensions" + (f" ({label})" if label else "") + (", Avg over sets" if len(panel.datasets) > 1 else "")
    return table(what, ("model", *map(_folded, panel.dimensions)), lines)


def _one_model(panel: Panel, means: pl.DataFrame, label: str) -> Table:
    """A line a dimension, where there is nobody to compare with."""
    rows = means.filter(pl.col("dataset") == _main(panel))
    sets = _sets_shown(panel, max(map(len, panel.dimensions), default=0)) if len(panel.datasets) > 1 else ()
    cells = {(row["dimension"], row["dataset"]): number(row["mean"]) for row in means.iter_rows(named=True)}
    lines = (
        (
            row["dimension"],
            row["items"],
            percent(row["coverage"]),
            _mean(row),
            *(cells.get((row["dimension"], name), "-") for name in sets),
        )
        for row in rows.iter_rows(named=True)
    )
    headings = ("dimension", "items", "read", "Avg, 95 %" if sets else "mean, 95 %", *map(_folded, sets))
    return table(label or "means", headings, lines)


def _named(row: _Row, short: Mapping[str, str]) -> str:
    """A model with what is special about the line."""
    name = short.get(row["model"], row["model"]) or "(no model)"
    return name + (" *" if row["self_preference"] else "")


def _mean(row: _Row) -> str:
    """With its interval, where there is one."""
    limits = "" if row["low"] is None else f" [{number(row['low'], 2)}, {number(row['high'], 2)}]"
    return f"{number(row['mean'])}{limits}"


def _folded(name: str) -> str:
    if name == POOLED:
        return "by\nitems"
    return "\n".join(textwrap.wrap(name.replace("_", " "), _HEADING)) or "-"
