"""The rows of a run from its tables, a part at a time: a million answers with their texts are never in memory at once.

A part has the columns of `outputs.browsing.columns.BROWSE` as far as a row by itself says them, those of `HELPERS`,
from which the rest follows (`outputs.browsing.searches`), and `text`, what a search looks at.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from outputs.browsing.attempts import attempts_told
from outputs.browsing.columns import EXCERPT, completed
from outputs.browsing.told import told
from outputs.identity.rows import LOOSE, STRICT
from outputs.judged.differences import OVERALL
from outputs.tables.loading import LoadedRun

HELPERS = ("target", "tree", "question", "node", "template_sha256", "said_conflict", "verdict")
TEXT = "text"
APART = "\uffff"  # stands between the texts that are searched; no character, and replaced where a text has it
ROWS, BYTES = 65_536, 48_000_000  # of a part, at most, but for one row
_IMPORT = "import"  # as in orchestrator.imported
_SEARCHED = ("custom_id", "text", "refusal", "failure_message", "reason")


def searchable(text: pl.Expr) -> pl.Expr:
    """A text as it is searched: without case, and without what stands between texts."""
    return text.str.to_lowercase().str.replace_all("ς", "σ", literal=True).str.replace_all(APART, "�", literal=True)


@dataclass(frozen=True, slots=True)
class Gathering:
    """Reads the rows of `run`. `systems`: what made the caption of an item, where items say so.

    `prompts`: the names of those that ask for scores; a row that was asked with one is of the model that it judges.
    """

    run: LoadedRun
    systems: Mapping[str, str]

    def parts(self) -> Iterator[pl.DataFrame]:
        """All rows, part by part, in the order of the requests; at least one part."""
        outcomes = self._scan("outcomes")
        asked = self._scan("requests").filter(pl.col("state") != "withdrawn").select("seq", "metadata")
        seqs, bounds = self._bounds()
        for start, end in pairwise(bounds):
            first, last = (int(seqs[start]), int(seqs[end - 1])) if end > start else (0, 0)
            rows = outcomes.slice(start, end - start).collect()
            about = asked.filter(pl.col("seq").is_between(first, last)).collect()
            yield self._part(rows, about["metadata"], self._answers(first, last))

    def _scan(self, name: str) -> pl.LazyFrame:
        """A table as it is on disk, whatever the run is called here."""
        return pl.scan_parquet(self.run.tables[name], glob=False)

    def _bounds(self) -> tuple["np.ndarray[tuple[int], np.dtype[np.int64]]", list[int]]:
        """The seqs of all rows, and where parts begin and end."""
        seqs = self._scan("outcomes").select("request").collect()["request"].to_numpy()
        sizes = self._scan("responses").filter("counts").select("request", size=pl.col("text").str.len_bytes())
        found = sizes.collect(engine="streaming")
        weights = np.full(len(seqs), BYTES // ROWS, np.int64)
        places = np.searchsorted(seqs, found["request"].to_numpy())
        weights[places] += found["size"].fill_null(0).to_numpy().astype(np.int64)
        begins = np.flatnonzero(np.diff(np.cumsum(weights) // BYTES)) + 1
        return seqs, [0, *begins.tolist(), len(seqs)]

    def _answers(self, first: int, last: int) -> pl.DataFrame:
        here = self._scan("responses").filter("counts", pl.col("request").is_between(first, last))
        called = pl.when(pl.col("duplicate_of").is_null()).then("latency_s")  # a duplicate took no call
        wanted = here.select("request", "landed_at", called, "batch", "text", "refusal", answer="seq")
        answers = wanted.collect(engine="streaming")
        return answers.drop("answer").join(self._scores(answers), on="request", how="left", maintain_order="left")

    def _scores(self, answers: pl.DataFrame) -> pl.DataFrame:
        """By request: the score of the overall dimension, else of the first."""
        seqs = answers.select("request", seq="answer")
        scores = self._scan("scores").select("seq", "dimension", "value", "sampled")
        here = scores.filter(pl.col("seq").is_between(seqs["seq"].min(), seqs["seq"].max())).collect()
        first = here.sort(pl.col("dimension") != OVERALL, maintain_order=True).unique("seq", keep="first")
        return first.join(seqs, on="seq").drop("seq").rename({"value": "score"})

    def _part(self, outcomes: pl.DataFrame, metadata: pl.Series, answers: pl.DataFrame) -> pl.DataFrame:
        rows = outcomes.rename({"model": "asked"}).join(answers, on="request", how="left", maintain_order="left")
        rows = pl.concat([rows, told(metadata)], how="horizontal")
        tried = attempts_told(self._scan("attempts"), outcomes["request"])
        rows = rows.join(tried, on="request", how="left", maintain_order="left")
        rows = rows.with_columns(
            pl.col("stage", "dataset").replace({"": None}),
            lane=pl.format("{}/{}", "provider", "asked"),
            by_batch=pl.when(pl.col("answer").is_not_null()).then(pl.col("batch").is_not_null()),
            score=pl.col("score").fill_nan(None),
            excerpt=pl.coalesce("text", "refusal", "failure_message").str.slice(0, EXCERPT),
            verdict=_verdict(),
            maybe_billed=pl.col("maybe_billed").fill_null(0),
            maybe_usd=pl.when(pl.col("maybe_billed").is_null()).then(0.0).otherwise("maybe_usd"),
            cost_usd=self._cost(),
        )
        return self._finished(rows.with_columns(model=self._model()))

    def _cost(self) -> pl.Expr:
        """Of a row that failed elsewhere, before it was imported, nobody knows what it cost."""
        cost = pl.col("cost_usd")
        if self.run.record.source.kind != _IMPORT:
            return cost
        return pl.when((pl.col("state") != "failed") | (pl.col("attempts") > 0)).then(cost)

    def _model(self) -> pl.Expr:
        judging = [f"{prompt.name}@{prompt.version}" for prompt in self.run.record.prompts]
        system = pl.col("item").replace_strict(self.systems, default=None, return_dtype=pl.String)
        is_judgement = pl.col("prompt").is_in(judging) & pl.col("target").is_null()
        return pl.coalesce("target", "model", pl.when(is_judgement).then(system).otherwise("lane"))

    def _finished(self, rows: pl.DataFrame) -> pl.DataFrame:
        columns = completed(rows)
        return columns.with_columns(rows[name] for name in HELPERS).with_columns(rows.select(_searched()).to_series())


def _searched() -> pl.Expr:
    texts = (searchable(pl.col(name)) for name in _SEARCHED)
    return pl.concat_str(*texts, separator=APART, ignore_nulls=True).alias(TEXT)


def _verdict() -> pl.Expr:
    """Whether a judgement of ICE found what it was asked for; null where it cannot be read."""
    said = pl.coalesce(pl.col("sampled").cast(pl.Float64), pl.col("score").round()) > 0
    return pl.when(pl.col("stage").is_in([LOOSE, STRICT]) & pl.col("score").is_not_null()).then(said)
