"""What lines of a table are called in its chart: short, on one line, no two alike; and which rows they are of."""

from collections.abc import Sequence

from outputs.figures.model_names import apart, shown_names
from outputs.figures.parts import Analysis, Column, Filter
from outputs.report import cut_names
from prompts.plain_text import plain_text

LONGEST_LABEL = 300  # of an axis, CSS pixels


def line_names(found: Analysis, runs: Sequence[str], lanes: Sequence[str], more: Sequence[str] = ()) -> list[str]:
    """A name for each line: its model, before it the run where there are several, and what else tells lines apart."""
    short = shown_names(lanes)
    several = len(found.runs) > 1
    rests = more or [""] * len(lanes)
    whole = [
        " · ".join(part for part in (run if several else "", rest, short[lane]) if part)
        for run, lane, rest in zip(runs, lanes, rests, strict=True)
    ]
    cut = cut_names(plain_text(name) for name in whole)
    shown = apart({number: cut[plain_text(name)] for number, name in enumerate(whole)})
    return list(shown.values())


def rows_of(found: Analysis, run: str, **of: str) -> Filter:
    """The rows of a run with these values; the run is named where there are several."""
    return {"run": run, **of} if len(found.runs) > 1 else {**of}


def run_column(found: Analysis) -> Sequence[Column]:
    """The column that names the run, where there are several."""
    return [Column("run", "run")] if len(found.runs) > 1 else []
