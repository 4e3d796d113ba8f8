"""How many judgements there should be: counted over the requests of a run, those of answers that failed included."""

from typing import Any

import msgspec
import polars as pl

ANSWER, JUDGE = "answer", "judge"  # the stages of a run
KEY = ("prompt", "reference", "dataset", "judge")  # what judgements have in common
ASKED_SCHEMA: dict[str, type[pl.DataType]] = {
    **dict.fromkeys((*KEY, "model"), pl.String),
    "control": pl.Boolean,
    "asked": pl.Int64,  # judgements that there should be
}
_TOLD = ("model", "reference", "control", "repeat", "answer_repeat", "prompt", "prompt_sha256")
_AT_ONCE = 65_536  # rows
_ANSWER_KEY = pl.struct("item", "nth").n_unique()


def read_told(requests: pl.LazyFrame) -> pl.DataFrame:
    """The requests that still count, of both stages, with what the job said of each.

    Columns: stage, item, dataset, judge (provider/model, as it was asked), the texts in the metadata (`model`, whose
    answer it is or is judged, and so on), `control`, and `nth`, which of several answers to an item; names are
    categories. Metadata that are no JSON object, or that hold a list where a text belongs, tell nothing.
    """
    rows = int(requests.select(pl.len()).collect().item())
    starts = range(0, max(rows, 1), _AT_ONCE)  # metadata, and what is made of them, are never all in memory
    return pl.concat([_told(requests.slice(start, _AT_ONCE)) for start in starts])


def _told(requests: pl.LazyFrame) -> pl.DataFrame:
    wanted = requests.filter(pl.col("stage").is_in([ANSWER, JUDGE]), pl.col("state").fill_null("") != "withdrawn")
    judge = pl.concat_str("provider", pl.lit("/"), "model", ignore_nulls=True).alias("judge")
    named = wanted.select("stage", pl.col("item", "dataset").fill_null(""), judge, "metadata")
    rows = named.collect(engine="streaming")
    told = _decoded(rows["metadata"]).struct.unnest()
    nth = pl.when(pl.col("stage") == JUDGE).then("answer_repeat").otherwise("repeat").fill_null("0").alias("nth")
    both = pl.concat([rows.drop("metadata"), told], how="horizontal").with_columns(
        pl.col("model", "reference", "prompt", "prompt_sha256").fill_null(""),
        pl.col("control").fill_null("").is_in(["true", "1"]),
        nth,
    )
    return both.drop("repeat", "answer_repeat").cast({pl.String: pl.Categorical})


def _decoded(metadata: pl.Series) -> pl.Series:
    kind = pl.Struct(dict.fromkeys(_TOLD, pl.String))
    try:
        return metadata.str.json_decode(kind)
    except pl.exceptions.ComputeError:
        return pl.Series([_texts(text) for text in metadata], dtype=kind)


def _texts(metadata: str | None) -> dict[str, str | None]:
    """The same of one row whose metadata need not be what a job writes."""
    try:
        told = msgspec.json.decode(metadata or "{}")
    except msgspec.DecodeError:
        told = None
    found: dict[str, Any] = told if isinstance(told, dict) else {}
    return {name: _text(found.get(name)) for name in _TOLD}


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


def should_be_judged(told: pl.DataFrame) -> pl.DataFrame:
    """How many judgements there should be, by prompt, reference, dataset, judge, model, control; as `ASKED_SCHEMA`.

    An answer that was never judged, because it failed or is not there yet, counts too: as many judgements as the others
    have. So do a model none of whose answers was judged, and a dataset of which nothing was: every judge of a run is to
    judge all answers. The reference, which is only judged as a control, counts where it is judged as one elsewhere.
    """
    judged = told.filter(pl.col("stage") == JUDGE)
    of_answer = judged.group_by(*KEY, "model", "control", "item", "nth").len("times")
    by_model = of_answer.group_by(*KEY, "model", "control").agg(
        answers=pl.len().cast(pl.Int64), times=pl.col("times").max().cast(pl.Int64)
    )
    answered = (
        told.filter(pl.col("stage") == ANSWER).group_by("dataset", "model").agg(answered=_ANSWER_KEY.cast(pl.Int64))
    )
    there = by_model.join(answered, on=["dataset", "model"], how="left")
    rows = pl.concat([there, _never_judged(by_model, answered)], how="diagonal")
    asked = pl.max_horizontal("answers", pl.col("answered").fill_null(0)) * pl.col("times")
    return rows.with_columns(asked=asked).select(pl.col(name).cast(kind) for name, kind in ASKED_SCHEMA.items())


def _never_judged(by_model: pl.DataFrame, answered: pl.DataFrame) -> pl.DataFrame:
    """The models and datasets of which a judge was asked nothing, in the columns of both.

    `times` is as of other models of the dataset, or else as of other datasets.
    """
    usual = by_model.group_by(*KEY, "control").agg(pl.col("times").max())
    anywhere = usual.group_by("prompt", "reference", "judge", "control").agg(elsewhere=pl.col("times").max())
    references = by_model["reference"].unique().to_list()
    of_whom = pl.when("control").then(pl.col("model") == pl.col("reference"))
    return (
        anywhere.join(answered, how="cross")
        .filter(of_whom.otherwise(~pl.col("model").is_in(references)))
        .join(by_model, on=[*KEY, "model", "control"], how="anti")
        .join(usual, on=[*KEY, "control"], how="left")
        .with_columns(answers=pl.lit(0, pl.Int64), times=pl.coalesce("times", "elsewhere"))
        .drop("elsewhere")
    )
