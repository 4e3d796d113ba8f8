"""Spend and answers over the night: what was there by when, in steps that suit how long a run took."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import altair as alt
import polars as pl

from outputs.figures import theme
from outputs.figures.marks import chart_of
from outputs.figures.parts import Analysis, Chart, Column, Kind, Part
from outputs.figures.provenance import came_here
from outputs.tables.loading import LoadedRun
from providers.wire import Billing

_STEPS_MS = [
    *(100, 500, 1_000, 5_000, 15_000, 30_000),
    *(60_000, 300_000, 900_000, 1_800_000),
    *(3_600_000, 10_800_000, 21_600_000, 86_400_000),
]
_MOST_STEPS = 96
_MOST_RUNS = 12
_MOMENTS = "A line is of a moment, and leads to no rows: overnight view, sorted by landed_at, lists them as they came."


@dataclass(frozen=True, slots=True)
class _Night:
    """A run, how many of its answers came here, and how many were imported; those have no time of their own."""

    run: LoadedRun
    came: int
    brought: int


def over_time(found: Analysis) -> tuple[list[Part], list[str]]:
    """A part for each run that got answers, for each has its own night; and notes on what is in none of them."""
    nights = [_night(run) for run in found.runs]
    there = [night.run for night in nights if night.came]
    several = len(found.runs) > 1
    parts = [_part(run, *_steps(run), number, several=several) for number, run in enumerate(there[:_MOST_RUNS], 1)]
    return parts, list(_notes(nights, len(there)))


def _night(run: LoadedRun) -> _Night:
    here = came_here()
    counts = run.scan("responses").select((here & pl.col("landed_at").is_not_null()).sum(), (~here).sum().alias("rest"))
    return _Night(run, *counts.collect(engine="streaming").row(0))


def _notes(nights: Sequence[_Night], there: int) -> Iterator[str]:
    for night in nights:
        if night.brought and night.came:
            yield f"Over time: without {night.brought:,} of the answers of {night.run.name}, which were imported."
        elif night.brought:
            yield f"Over time: {night.run.name} is not drawn; it was imported, and when its answers came is not known."
    if there > _MOST_RUNS:
        yield f"Over time: the first {_MOST_RUNS} of {there} runs are drawn, the other {there - _MOST_RUNS} left out."


def _part(run: LoadedRun, frame: pl.DataFrame, step_ms: int, number: int, *, several: bool) -> Part:
    name = "over_time" if number == 1 else f"over_time_{number}"
    title = f"Spend and answers over time{f': {run.name}' if several else ''}"
    columns = [
        Column("until", "until, UTC"),
        Column("answers", "answers", Kind.COUNT),
        Column("all_answers", "in all", Kind.COUNT),
        Column("usd", "settled", Kind.USD),
        Column("all_usd", "in all", Kind.USD),
        *([Column("all_unpriced", "unpriced in all", Kind.COUNT)] if frame["all_unpriced"][-1] else []),
    ]
    steps = f"In steps of {_step_words(step_ms)}; steps in which nothing came are left out."
    note = f"{steps}{_unpriced_words(frame)} {_MOMENTS}"
    return Part(name, title, frame, columns, (), note, _chart(frame, step_ms), _sentence(frame))


def _sentence(frame: pl.DataFrame) -> str:
    """What the drawing shows, also of what has no price."""
    answers, usd, unpriced = frame.select("all_answers", "all_usd", "all_unpriced").row(-1)
    came = f"What was there by when, in UTC: answers, which come to {answers:,}"
    if usd is None:
        return f"{came}. USD settled are n/a: nothing has a known price."
    left_out = f", without {unpriced:,} that have no known price" if unpriced else ""
    return f"{came}, and USD settled, which come to {usd:.4g}{left_out}."


def _unpriced_words(frame: pl.DataFrame) -> str:
    usd, unpriced = frame.select("all_usd", "all_unpriced").row(-1)
    if not unpriced:
        return ""
    if usd is None:
        return " USD: n/a, as nothing has a known price."
    return " Unpriced: answers, and what was billed without one, of unknown price; they are in no sum of USD."


def _step_words(step_ms: int) -> str:
    for unit, size in (("h", 3_600_000), ("min", 60_000), ("s", 1_000)):
        if step_ms >= size:
            return f"{step_ms // size} {unit}"
    return f"{step_ms / 1000:g} s"


def _steps(run: LoadedRun) -> tuple[pl.DataFrame, int]:
    """Answers and what was settled in each step, and the step in milliseconds; of a run that got answers."""
    landed = pl.col("landed_at")
    ends = run.scan("responses").filter(came_here()).select(landed.min(), landed.max().alias("last"))
    first, last = ends.collect(engine="streaming").row(0)
    began = run.scan("attempts").select(pl.col("began_at").min()).collect(engine="streaming").item()
    step = _step(min(first, began or first), last)
    sums = _sums(run, step).collect(engine="streaming").sort("end")
    if began is not None and began < first:
        sums = pl.concat([_start(began, sums.schema), sums])
    return sums.with_columns(
        pl.col("end").dt.strftime("%Y-%m-%d %H:%M:%S%.3f" if step < 1000 else "%Y-%m-%d %H:%M:%S").alias("until"),
        pl.col("answers").cum_sum().alias("all_answers"),
        pl.col("unpriced").cum_sum().alias("all_unpriced"),
        *_usd(sums),
    ), step


def _usd(sums: pl.DataFrame) -> list[pl.Expr]:
    """USD of what has a price; none in all while only what has no price is there, and none at all where nothing has."""
    some = pl.lit(bool(sums["priced"].sum()))
    known = (pl.col("priced").cum_sum() > 0) | (pl.col("unpriced").cum_sum() == 0)
    in_all = pl.col("usd").fill_null(0.0).cum_sum()
    return [pl.when(some).then("usd").alias("usd"), pl.when(some & known).then(in_all).alias("all_usd")]


def _step(first: datetime, last: datetime) -> int:
    span = (last - first).total_seconds() * 1000
    return next((step for step in _STEPS_MS if span / step <= _MOST_STEPS), _longest(span))


def _longest(span: float) -> int:
    days = int(span // (_MOST_STEPS * _STEPS_MS[-1])) + 1
    return days * _STEPS_MS[-1]


def _sums(run: LoadedRun, step: int) -> pl.LazyFrame:
    """Answers land when they are there; what was billed without an answer counts when it settled."""
    answers = run.scan("responses").filter(came_here()).select(at="landed_at", answer=pl.lit(1), usd="cost_usd")
    billed = (
        run.scan("attempts")
        .filter(pl.col("settled") == Billing.BILLED.value, pl.col("settled_at").is_not_null())
        .select(at="settled_at", answer=pl.lit(0), usd="cost_usd")
    )
    end = (pl.col("at").dt.epoch("ms") // step + 1) * step
    both = pl.concat([answers, billed]).filter(pl.col("at").is_not_null())
    grouped = both.group_by(end=pl.from_epoch(end, time_unit="ms").dt.replace_time_zone("UTC"))
    priced = pl.col("usd").count().cast(pl.Int64)
    return grouped.agg(
        answers=pl.col("answer").sum().cast(pl.Int64),
        usd=pl.when(priced > 0).then(pl.col("usd").sum()),
        priced=priced,
        unpriced=pl.col("usd").null_count().cast(pl.Int64),
    )


def _start(began: datetime, schema: pl.Schema) -> pl.DataFrame:
    """The line of where all began: nothing yet."""
    return pl.DataFrame({"end": [began], "answers": [0], "usd": [0.0], "priced": [0], "unpriced": [0]}, schema=schema)


def _chart(frame: pl.DataFrame, step_ms: int) -> Chart:
    """A line of answers and, where anything was spent, one of USD."""
    times = [_milliseconds(at) for at in frame["end"].to_list()]
    form = _time_form(step_ms, times[-1] - times[0])
    drawn = [("all_answers", "answers in all", theme.OKABE_ITO[0])]
    drawn += [("all_usd", "USD settled in all", theme.OKABE_ITO[1])] if frame["all_usd"][-1] else []
    lines = [_line(times, frame[key].to_list(), title, colour, form) for key, title, colour in drawn]
    return alt.vconcat(*lines, spacing=18)


def _time_form(step_ms: int, span_ms: int) -> str:
    """How a moment is written at the axis."""
    if span_ms > _STEPS_MS[-1]:
        return "%d %b %H:%M"
    return "%H:%M:%S.%L" if step_ms < 1000 else "%H:%M:%S" if span_ms < 1_800_000 else "%H:%M"


def _milliseconds(at: datetime) -> int:
    return round(at.astimezone(UTC).timestamp() * 1000)


def _line(times: Sequence[int], values: Sequence[float | None], title: str, colour: str, form: str) -> alt.Chart:
    known = [(at, value) for at, value in zip(times, values, strict=True) if value is not None]
    points = [{"at": at, "value": value} for at, value in known]
    top = max(value for _, value in known) or 1
    axis = alt.Axis(format=form, tickCount=5, labelOverlap=True)
    x = alt.X("at:T", title="time, UTC", scale=alt.Scale(type="utc"), axis=axis)
    y = alt.Y("value:Q", title=title, scale=alt.Scale(domain=[0, top]))
    line = chart_of(points).mark_line(interpolate="linear", color=colour, point={"color": colour, "size": 14})
    made: alt.Chart = line.encode(x=x, y=y).properties(width=theme.WIDTH, height=140)
    return made
