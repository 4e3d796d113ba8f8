"""Which rows of the runs a number of judgements rests on, as a filter where one selects just these."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from outputs.figures.parts import Filter
from outputs.judged.asked import JUDGE
from outputs.judged.gathering import prompt_labels
from outputs.tables.loading import LoadedRun

_TEXTS = ("dataset", "model", "judge", "prompt", "reference")
_SCHEMA: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("run", *_TEXTS), pl.String),
    "control": pl.Boolean,
    "rows": pl.Int64,
}


@dataclass(frozen=True, slots=True)
class JudgedRows:
    """`counted`: how many answers of judges there are by run, dataset, model, judge, prompt, reference and control."""

    counted: pl.DataFrame
    runs: int

    @classmethod
    def of(cls, judged: Sequence[LoadedRun], others: Sequence[LoadedRun] = ()) -> "JudgedRows":
        """`judged` are the runs that the numbers are of; rows of `others` must not be selected with theirs."""
        frames = [_counted(run, labels) for run, labels in zip(judged, prompt_labels(judged), strict=True)]
        frames += [_counted(run, {}).with_columns(prompt=pl.lit(None, pl.String)) for run in others]
        return cls(pl.concat([pl.DataFrame(schema=_SCHEMA), *frames]), len(judged) + len(others))

    def filter(
        self,
        prompt: str,
        reference: str,
        judges: Sequence[str],
        datasets: Sequence[str],
        model: str | None = None,
        *,
        control: bool | None = None,
    ) -> Filter | None:
        """Columns and values that select these rows and no others. None where there are no such."""
        wanted = self.counted.filter(
            pl.col("prompt") == prompt,
            pl.col("reference") == reference,
            pl.col("judge").is_in(list(judges)),
            pl.col("dataset").is_in(list(datasets)),
            *([] if model is None else [pl.col("model") == model]),
            *([] if control is None else [pl.col("control") == control]),
        )
        same = {
            **({} if model is None else {"model": model}),
            **({"judge": judges[0]} if len(judges) == 1 else {}),
            **({"dataset": datasets[0]} if len(datasets) == 1 else {}),
        }
        return self._selecting(wanted, same, exact=True) if wanted.height else None

    def of_judge(self, prompt: str, reference: str, judge: str) -> Filter | None:
        """What a judge said by a prompt, against a reference; all judges where `judge` is the name of none of them.

        Controls are among these rows, and what no column tells from them. None where there is nothing.
        """
        here = self.counted.filter(pl.col("prompt") == prompt, pl.col("reference") == reference)
        its = here.filter(pl.col("judge") == judge)
        wanted = its if its.height else here
        judges, datasets = wanted["judge"].unique().to_list(), wanted["dataset"].unique().to_list()
        same = {
            **({"judge": judges[0]} if len(judges) == 1 else {}),
            **({"dataset": datasets[0]} if len(datasets) == 1 and datasets[0] else {}),
        }
        return self._selecting(wanted, same, exact=False) if wanted.height else None

    def _selecting(self, wanted: pl.DataFrame, same: dict[str, str], *, exact: bool) -> Filter | None:
        """The filter of what is the same in all `wanted` rows; if `exact`, None where others are like them."""
        runs = wanted["run"].unique().to_list()
        same = {**({"run": runs[0]} if self.runs > 1 and len(runs) == 1 else {}), **same}
        selected = self.counted.filter(*(pl.col(name) == value for name, value in same.items()))
        if exact and selected["rows"].sum() != wanted["rows"].sum():
            return None
        return {"stage": JUDGE, **{"lane" if name == "judge" else name: value for name, value in same.items()}}


def _counted(run: LoadedRun, labels: dict[str, str]) -> pl.DataFrame:
    judged = run.scan("scores").filter(pl.col("stage") == JUDGE)
    known = judged.select(
        pl.col("seq"),
        *(pl.col(name).fill_null("") for name in _TEXTS),
        pl.col("control").fill_null(value=False),
    )
    counted = known.group_by(*_TEXTS, "control").agg(pl.col("seq").n_unique().cast(pl.Int64).alias("rows"))
    named = counted.with_columns(pl.lit(run.name).alias("run"), pl.col("prompt").replace(labels))
    return named.select(*_SCHEMA).collect(engine="streaming").sort(*_SCHEMA)
