"""Which rows of the runs an ICE number rests on: the questions put to a target, whose rows say what was judged."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from outputs.figures.parts import Filter
from outputs.identity.rows import ASK

_TEXTS = ("field", "language", "operator")


@dataclass(frozen=True, slots=True)
class TargetRows:
    """`runs` by target: those that ask it."""

    runs: Mapping[str, tuple[str, ...]]

    def asked(self, target: str) -> Filter:
        """The questions put to a target."""
        runs = self.runs.get(target, ())
        one = {"run": runs[0]} if len(runs) == 1 else {}  # rows of another job may be about the same model
        return {**one, "model": target, "stage": ASK}

    def at(self, target: str, iteration: int) -> Filter:
        """The questions put to a target in an iteration of the search."""
        return {**self.asked(target), "iteration": iteration}

    def by(self, target: str, by: str, value: str | None) -> Filter | None:
        """The questions put to a target that are alike in something; None where no filter says it."""
        if by in _TEXTS:
            return {**self.asked(target), by: value or ""}  # the empty text stands for nothing
        return {**self.asked(target), by: int(value)} if by == "level" and value is not None else None


def target_rows(rows: pl.DataFrame) -> TargetRows:
    """Of the table `identity`."""
    by = rows.group_by("target", maintain_order=True).agg(pl.col("run").unique(maintain_order=True))
    return TargetRows({str(target): tuple(map(str, names)) for target, names in by.iter_rows()})
