"""The means of judgements, board by board: those of one judge, or over all, by one prompt against one reference."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from outputs.figures.model_names import apart, shown_names
from outputs.figures.parts import Analysis, Part
from outputs.figures.scales import Scale, prompt_scales
from outputs.judged.differences import headline
from outputs.judged.panels import ALL_JUDGES, MACRO, POOLED


@dataclass(frozen=True, slots=True)
class Board:
    """`means` and `differences` of it alone; `main` is the dataset, or the mean over several, that models stand by.

    `judges` are those whose judgements it rests on. `label` says what tells it from the other boards, `first` whether
    it is the first of its prompt and reference. `scale` is the prompt's, if it is known.
    """

    prompt: str
    reference: str
    judge: str
    judges: tuple[str, ...]
    label: str
    means: pl.DataFrame
    differences: pl.DataFrame
    first: bool
    scale: Scale | None = None

    @property
    def datasets(self) -> list[str]:
        """The sets of prompts, without the means over them."""
        return [name for name in self.means["dataset"].unique().sort() if name not in (MACRO, POOLED)]

    @property
    def main(self) -> str:
        """What models are ordered by."""
        return MACRO if len(self.datasets) > 1 else self.datasets[0]

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What was rated, in the prompt's order."""
        return tuple(self.means["dimension"].unique(maintain_order=True))

    @property
    def headline(self) -> tuple[str, ...]:
        """The dimensions that models are compared by."""
        return headline(self.dimensions)

    @property
    def lines(self) -> int:
        """Models, and controls."""
        return self.means.select("model", "control").n_unique()

    def rows(self, dimension: str) -> list[dict[str, Any]]:
        """A row a model over the main set, the highest mean first, controls last."""
        its = self.means.filter(pl.col("dimension") == dimension, pl.col("dataset") == self.main)
        order = its.sort("control", "mean", descending=[False, True], nulls_last=True, maintain_order=True)
        return order.to_dicts()

    def cells(self, dimension: str) -> dict[tuple[str, bool, str], dict[str, Any]]:
        """The rows by (model, control, dataset or mean over datasets)."""
        its = self.means.filter(pl.col("dimension") == dimension)
        return {(row["model"], row["control"], row["dataset"]): row for row in its.to_dicts()}

    def titled(self, words: str) -> str:
        """A part's title: what it shows, and of which board."""
        return f"{words} ({self.label})" if self.label else words


def boards_of(found: Analysis) -> list[Board]:
    """The boards of an analysis in the order of the terminal's page; none where nothing was judged."""
    means = found.table("means")
    if not means.height:
        return []
    panels = means.select("prompt", "reference").unique(maintain_order=True).rows()
    several, scales = len(panels) > 1, prompt_scales(found.runs)
    return [
        replace(board, scale=scales.get(prompt))
        for prompt, reference in panels
        for board in _of_panel(found, prompt, reference, several=several)
    ]


def _of_panel(found: Analysis, prompt: str, reference: str, *, several: bool) -> Iterable[Board]:
    """The mean over judges before the judges."""
    here = (pl.col("prompt") == prompt) & (pl.col("reference") == reference)
    means, differences = found.table("means").filter(here), found.table("differences").filter(here)
    judges = sorted(means["judge"].unique(maintain_order=True), key=lambda judge: judge != ALL_JUDGES)
    single = tuple(judge for judge in judges if judge != ALL_JUDGES)
    told = [prompt, f"against {_plain(reference)}" if reference else ""] if several else []
    for judge in judges:
        words = [_judge(judge) if len(judges) > 1 else "", *told]
        yield Board(
            prompt,
            reference,
            judge,
            single if judge == ALL_JUDGES else (judge,),
            ", ".join(word for word in words if word),
            means.filter(pl.col("judge") == judge),
            differences.filter(pl.col("judge") == judge),
            judge == judges[0],
        )


def _judge(judge: str) -> str:
    return judge[1:-1] if judge == ALL_JUDGES else f"judge {_plain(judge)}"


def _plain(name: str) -> str:
    return shown_names([name])[name]


def names_of(rows: Sequence[dict[str, Any]]) -> dict[tuple[str, bool], str]:
    """What the line of each (model, control) is called: * for self-preference, and controls as such."""
    short = shown_names(row["model"] for row in rows)
    called = {}
    for row in rows:
        marks = (" (control)" if row["control"] else "") + (" *" if row["self_preference"] else "")
        called[row["model"], row["control"]] = short[row["model"]] + marks
    return apart(called)


def told_apart(parts: Iterable[Part]) -> list[Part]:
    """Parts of one name are numbered, from the second."""
    seen: Counter[str] = Counter()
    apart = []
    for part in parts:
        seen[part.name] += 1
        number = seen[part.name]
        apart.append(part if number == 1 else replace(part, name=f"{part.name}_{number}"))
    return apart
