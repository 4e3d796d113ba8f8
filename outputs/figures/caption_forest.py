"""Metrics held against people: correlations with the human ceiling, and accuracy on pairs, both with intervals."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from outputs.captions.metric_scores import COMPUTED, IMPORTED, JUDGED
from outputs.figures import theme
from outputs.figures.caption_data import KEY, CaptionData, Key
from outputs.figures.interval_plot import Look, Point, interval_plot
from outputs.figures.labels import text_labels
from outputs.figures.parts import Chart, Column, Kind, Part
from outputs.figures.scales import cut_note

TAUS = {"tau_b": "tau-b", "tau_c": "tau-c"}
HEADLINE = ("average", "overall")  # what metrics are ranked by, where people rated it
HALF = "half"  # the rule for ties that is drawn
_CEILING = {"tau_b": "human_tau_b", "tau_c": "human_tau_c"}
_MOST_DRAWN = 24  # metrics
ALL_SCORED = "A line leads to all that its metric scored, also where fewer are in the line or several count as one."
_CORRELATIONS = (
    Column("metric", "metric"),
    Column("judge", "judge"),
    Column("dimension", "score of"),
    Column("human_dimension", "people's"),
    *(Column(tau, f"{name} x100, 95 %", Kind.NUMBER, 1, f"{tau}_low", f"{tau}_high") for tau, name in TAUS.items()),
    Column("human_tau_b", "people: tau-b", Kind.NUMBER, 1),
    Column("human_tau_c", "people: tau-c", Kind.NUMBER, 1),
    Column("spearman", "rho", Kind.NUMBER, 1),
    Column("pearson", "r", Kind.NUMBER, 1),
    Column("n", "points", Kind.COUNT),
    Column("items", "captions", Kind.COUNT),
    Column("clusters", "clusters", Kind.COUNT),
    Column("coverage", "coverage", Kind.PERCENT, 1),
    Column("reason", "why none"),
    Column("warning", "to be known"),
)
_PAIRWISE = (
    Column("metric", "metric"),
    Column("judge", "judge"),
    Column("human_dimension", "people's"),
    Column("category", "category"),
    Column("ties", "ties"),
    Column("accuracy", "accuracy, 95 %", Kind.NUMBER, low="low", high="high"),
    Column("n", "counted", Kind.COUNT),
    Column("pairs", "pairs", Kind.COUNT),
    Column("coverage", "coverage", Kind.PERCENT, 1),
    Column("metric_ties", "metric's ties", Kind.COUNT),
    Column("human_ties", "people's ties", Kind.COUNT),
    Column("clusters", "clusters", Kind.COUNT),
    Column("warning", "to be known"),
)


def correlation_parts(data: CaptionData, correlations: pl.DataFrame, coverage: pl.DataFrame) -> Iterator[Part]:
    """A part for each level and protocol of a dataset's rows of `correlations`; `coverage` is `metric_coverage`."""
    asked = {row[:3]: row[3] for row in coverage.select(*KEY, "asked").iter_rows()}
    for (level, protocol), rows in correlations.group_by("level", "protocol", maintain_order=True):
        frame = ranked(rows)
        exact = all(_is_rated(row, asked) for row in frame.iter_rows(named=True))
        yield Part(
            name=data.part_name(f"captions_correlation_{level}_{str(protocol).replace('-', '_')}"),
            title=data.title(f"metrics against people, {level} level, protocol {protocol}"),
            frame=frame,
            columns=_CORRELATIONS,
            filters=[data.rows(_key(row)) for row in frame.iter_rows(named=True)],
            note=_note(frame) if exact else f"{_note(frame)} {ALL_SCORED}",
            chart=_forest(data, frame),
            alt="Tau x100 of each metric with people's ratings, with 95 % intervals; dashed: the human ceiling.",
        )


def ranked(rows: pl.DataFrame) -> pl.DataFrame:
    """Metrics by their published tau with what people rated as a whole, best first, then by dimension as they were."""
    tau = str(rows["published"][0])
    dimensions = rows["human_dimension"].unique(maintain_order=True).to_list()
    headline = next((name for name in HEADLINE if name in dimensions), dimensions[0])
    best: dict[tuple[Any, ...], float] = {}
    for row in rows.iter_rows(named=True):
        value = row[tau] if row[tau] is not None and not math.isnan(row[tau]) else -math.inf
        key = tuple(row[name] for name in KEY)
        best[key] = value if row["human_dimension"] == headline else best.get(key, -math.inf)
    order = sorted(best, key=lambda key: -best[key])
    places = [order.index(key) for key in rows.select(KEY).iter_rows()]
    ordered = rows.with_columns(pl.Series("place", places, dtype=pl.Int64)).sort("place", maintain_order=True)
    return ordered.drop("place")


def _note(rows: pl.DataFrame) -> str:
    said = (
        "Best metric first; intervals are over pictures or clips. The ceiling, in each tau's colour: how well "
        "annotators agree with each other."
    )
    if rows["items"].n_unique() > 1:
        said += " Not all over the same captions, so that the order is no ranking."
    limits = (limit for tau in TAUS for end in ("low", "high") for limit in rows[f"{tau}_{end}"])
    said += f" Published of this dataset: {TAUS[str(rows['published'][0])]}."
    return f"{said} {cut_note(limits, 100)}".rstrip()


def _key(row: Mapping[str, Any]) -> Key:
    """Of the metric."""
    return row["metric"], row["judge"], row["source"]


def _is_rated(row: Mapping[str, Any], asked: Mapping[Any, int]) -> bool:
    """Whether all rows of a metric are of captions that people rated, and each of them counts by itself."""
    return bool(asked.get(_key(row)) == row["asked"] and row["level"] == "segment")


def _forest(data: CaptionData, rows: pl.DataFrame) -> Chart:
    dimensions = text_labels(rows["human_dimension"])
    shown = list(dict.fromkeys(data.label(row) for row in rows.iter_rows(named=True)))[:_MOST_DRAWN]
    points, marked = [], set()
    for row in sorted(rows.iter_rows(named=True), key=lambda row: _place(row, dimensions)):
        name, panel = data.label(row), dimensions[row["human_dimension"]]
        for tau, part in TAUS.items() if name in shown else ():
            line = None if (panel, tau) in marked else row[_CEILING[tau]]
            marked.add((panel, tau))
            points.append(Point(name, row[tau], row[f"{tau}_low"], row[f"{tau}_high"], part, panel, line))
    published, other = sorted(TAUS, key=lambda tau: tau != rows["published"][0])
    parts = {TAUS[published]: theme.OKABE_ITO[0], TAUS[other]: theme.OKABE_ITO[7]}
    return interval_plot(points, Look("tau x100, 95 % interval", parts, across=2, zero=True, names=tuple(shown)))


def _place(row: Mapping[str, Any], dimensions: Mapping[str, str]) -> tuple[bool, int]:
    """What people rated as a whole first."""
    return row["human_dimension"] not in HEADLINE, list(dimensions).index(row["human_dimension"])


def pairwise_part(data: CaptionData, pairwise: pl.DataFrame) -> Part:
    """The part of a dataset's rows of `pairwise`, of which there are some."""
    drawn = pairwise.filter(pl.col("ties") == HALF)
    exact = all(_is_whole(data, row) for row in pairwise.iter_rows(named=True))
    return Part(
        name=data.part_name("captions_pairwise"),
        title=data.title("accuracy on pairs"),
        frame=pairwise,
        columns=_PAIRWISE,
        filters=[data.rows(_key(row)) for row in pairwise.iter_rows(named=True)],
        note="The share of pairs that a metric orders as people do, with 95 % intervals; the line is chance. Drawn: a "
        f"tie counts half.{'' if exact else f' {ALL_SCORED}'}",
        chart=_accuracies(data, drawn),
        alt="Each metric's accuracy on pairs of captions by category, with 95 % intervals and a line at one half.",
    )


def _is_whole(data: CaptionData, row: Mapping[str, Any]) -> bool:
    """Whether all captions are in pairs, and all of these in the line."""
    return row["category"] in ("", "mean") and 2 * row["pairs"] == len(data.captions.items)


def _accuracies(data: CaptionData, rows: pl.DataFrame) -> Chart:
    several = rows["human_dimension"].n_unique() > 1
    panels = text_labels(_panel(row, several=several) for row in rows.iter_rows(named=True))
    points = [
        Point(data.label(row), row["accuracy"], row["low"], row["high"], panel=panels[_panel(row, several=several)])
        for row in rows.iter_rows(named=True)
    ]
    return interval_plot(points, Look("accuracy, 95 % interval", {"": theme.OKABE_ITO[0]}, across=3, at=0.5))


def _panel(row: Mapping[str, Any], *, several: bool) -> str:
    category = str(row["category"]) or "all pairs"
    return f"{row['human_dimension']}, {category}" if several else category


def drawn_sources(data: CaptionData) -> Sequence[str]:
    """Judged and imported metrics where there are any, else computed ones."""
    return tuple(source for source in (JUDGED, IMPORTED) if data.metrics(source)) or (COMPUTED,)
