"""Runs that are compared with one another: their tables, and which rows a model's answers are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from outputs.figures.parts import Analysis, Filter
from outputs.judged.asked import ANSWER, JUDGE
from outputs.judged.panels import MACRO
from outputs.similarity.texts import MANIFEST
from outputs.tables.loading import LoadedRun

_TABLES = ("similarities", "reference_likeness", "follows_judge", "clusters", "cluster_order", "diversity",
           "within_models", "structure")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """`label` says which runs these are where there are several groups; `several`: the analysis has more runs."""

    label: str
    tables: Mapping[str, pl.DataFrame]
    runs: Sequence[LoadedRun]
    several: bool
    _models: dict[str, Filter] = field(default_factory=dict)  # what was found already

    def titled(self, words: str) -> str:
        """A part's title: what it shows, and of which runs."""
        return f"{words} ({self.label})" if self.label else words

    def models(self) -> dict[str, Filter]:
        """By model, as the tables call it: its answers. Models of which it is not known whose they are have none."""
        if not self._models:
            self._models.update(self._found())
        return self._models

    def _found(self) -> dict[str, Filter]:
        listed = self.tables["within_models"]["model"].unique()
        if not self.several:
            return {model: _answers(self.runs[0], model) for model in listed}
        known = {}
        for run in self.runs:
            here = run.scan("requests").filter(pl.col("stage").fill_null("") == _stage(run))
            lane = pl.concat_str("provider", pl.lit("/"), "model", ignore_nulls=True).unique()
            for name in here.select(lane).collect(engine="streaming").to_series():
                known[f"{name} @ {run.name}"] = known[name] = {"run": run.name, **_answers(run, name)}
        return {model: known[model] for model in listed if model in known}

    def filters(self, frame: pl.DataFrame, column: str = "model") -> list[Filter | None]:
        """Of lines with a model, in `column`, and a dataset: the model's answers there."""
        models = self.models()
        return [_within(models.get(model), dataset) for model, dataset in frame.select(column, "dataset").iter_rows()]

    def compared(self, dataset: str) -> Filter | None:
        """All answers that are compared. None where no filter tells them from those of other runs."""
        stages = {_stage(run) for run in self.runs}
        if len(stages) > 1 or (len(self.runs) > 1 and self.label):
            return None
        run = {"run": self.runs[0].name} if self.several and len(self.runs) == 1 else {}
        return _within({**run, "stage": stages.pop()}, dataset)

    def judged(self, dataset: str) -> Filter | None:
        """What judges said of them."""
        found = self.compared(dataset)
        return None if found is None else {**found, "stage": JUDGE}


def groups_of(found: Analysis) -> Iterator[Group]:
    """In the order of the tables."""
    listed = found.table("within_models")["runs"].unique(maintain_order=True).to_list()
    by_name = {run.name: run for run in found.runs}
    for label, group in zip(listed, found.section("similarity")["groups"], strict=True):
        tables = {name: found.table(name).filter(pl.col("runs") == label).fill_nan(None) for name in _TABLES}
        runs = [by_name[name] for name in group["runs"]]
        yield Group(label if len(listed) > 1 else "", tables, runs, len(found.runs) > 1)


def main_set(frame: pl.DataFrame) -> str:
    """The mean over datasets where there is one, else the only dataset."""
    names = frame["dataset"].unique(maintain_order=True).to_list()
    return MACRO if MACRO in names else names[0] if names else ""


def basis(frame: pl.DataFrame) -> tuple[str, str]:
    """The prefix of the columns that are shown, and in words what they are over."""
    if frame["common_prompts"].sum():
        return "common_", "Over the prompts that all models answered."
    return "", "Each pair over the prompts that both answered, as none was answered by all."


def _stage(run: LoadedRun) -> str:
    return "" if run.record.job == MANIFEST else ANSWER


def _answers(run: LoadedRun, model: str) -> Filter:
    return {"stage": _stage(run), "model": model}


def _within(answers: Filter | None, dataset: str) -> Filter | None:
    return answers if answers is None or dataset in ("", MACRO) else {**answers, "dataset": dataset}
