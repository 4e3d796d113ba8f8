"""The tables of a page that hold metrics against people: correlations, comparisons, accuracy on pairs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from outputs.captions.correlated import SYSTEM
from outputs.captions.page_names import Names
from outputs.report import number, percent, table

Rows = Sequence[Mapping[str, Any]]
_TAUS = {"tau_b": "tau-b", "tau_c": "tau-c"}
_UNEQUAL = "; not all over the same captions, so the order is no ranking: metrics are held against each other below"
_HEADLINE = ("average", "overall")  # what comparisons are shown of, where it was rated


def correlation_tables(rows: Rows, names: Names) -> Iterator[Table]:
    """For each level and protocol the headline, best metric first and people last; then the other dimensions."""
    for level, protocol in dict.fromkeys((row["level"], row["protocol"]) for row in rows):
        its = [row for row in rows if (row["level"], row["protocol"]) == (level, protocol)]
        headline = _headline([row["human_dimension"] for row in its])
        of_headline = [row for row in its if row["human_dimension"] == headline and row["n"]]
        yield _correlation((level, protocol, headline), of_headline, names)
        others = [row for row in its if row["human_dimension"] != headline and row["n"]]
        if others:
            yield _by_dimension(others, names)


def _headline(dimensions: Sequence[str]) -> str:
    """The average of what people rated, where there is one."""
    return next((name for name in _HEADLINE if name in dimensions), dimensions[0])


def _by_dimension(rows: Rows, names: Names) -> Table:
    """One tau for each metric and dimension that people rated."""
    tau, dimensions = rows[0]["published"], list(dict.fromkeys(row["human_dimension"] for row in rows))
    found = {(names(row), row["human_dimension"]): number(row[tau], 1) for row in rows}
    shown = [
        (name, *(found.get((name, dimension), "n/a") for dimension in dimensions))
        for name in dict.fromkeys(names(row) for row in rows)
    ]
    human = {row["human_dimension"]: number(row[f"human_{tau}"], 1) for row in rows if row[f"human_{tau}"] is not None}
    if human:
        shown.append(("between annotators (ceiling)", *(human.get(dimension, "n/a") for dimension in dimensions)))
    caption = f"{_TAUS[tau]} x100 with people's other dimensions, {rows[0]['level']} level; intervals are in the table"
    return table(caption, ("metric", *dimensions), shown)


def _correlation(kind: tuple[str, str, str], rows: Rows, names: Names) -> Table:
    level, protocol, dimension = kind
    tau = rows[0]["published"] if rows else "tau_b"
    clusters = max((row["clusters"] for row in rows), default=0)
    caption = f"people's {dimension}, {level} level, protocol {protocol}: x100, 95 % intervals over {clusters} clusters"
    caption += _UNEQUAL if len({row["items"] for row in rows}) > 1 else ""
    ranked = sorted(rows, key=lambda row: _descending(row[tau]))
    shown = [
        (names(row), *(number(row[key]) for key in _TAUS), _interval(row[f"{tau}_low"], row[f"{tau}_high"]),
         number(row["spearman"], 1), number(row["pearson"], 1), row["n"], row["items"], percent(row["coverage"]))
        for row in ranked
    ]  # fmt: skip
    if rows and rows[0]["human_tau_b"] is not None:
        human = (number(rows[0]["human_tau_b"]), number(rows[0]["human_tau_c"]))
        shown.append(("between annotators (ceiling)", *human, "", "", "", "", rows[0]["human_n"], ""))
    points = "systems" if level == SYSTEM else "n"
    headings = ("metric", *_TAUS.values(), f"{_TAUS[tau]} interval", "rho", "r", points, "captions", "coverage")
    return table(caption, headings, shown)


def comparison_tables(rows: Rows, names: Names) -> Iterator[Table]:
    """The best metric against each other one, by the average of what people rated where there is one."""
    if not rows:
        return
    headline = _headline([row["human_dimension"] for row in rows])
    of_headline = [row for row in rows if row["human_dimension"] == headline]
    for level, protocol in dict.fromkeys((row["level"], row["protocol"]) for row in of_headline):
        its = [row for row in of_headline if (row["level"], row["protocol"]) == (level, protocol)]
        defined = [row for row in its if row["reason"] is None]
        if not defined:
            continue
        first = max(defined, key=lambda row: row["tau_first"])
        best = {key: first[f"first_{key}"] for key in ("metric", "judge", "source")}
        shown = (
            (names(_side("second", row)), number(row["difference"]), _interval(row["low"], row["high"]),
             number(row["p"], 4), number(row["p_holm"], 4), row["items"],
             row["left_out_first"] + row["left_out_second"])
            for row in defined
            if all(row[f"first_{key}"] == value for key, value in best.items())
        )  # fmt: skip
        caption = (
            f"{names(best)} less the others, people's {headline}, {level} level, protocol {protocol}: on the captions "
            f"that both scored; p: two-sided {first['test']}; Holm over all {first['pairs']} pairs; out: rated, but "
            "scored by one alone"
        )
        headings = ("against", _TAUS[first["statistic"]], "interval", "p", "p (Holm)", "common", "out")
        yield table(caption, headings, shown)


def _side(side: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row[f"{side}_{key}"] for key in ("metric", "judge", "source")}


def pairwise_tables(rows: Rows, names: Names) -> Iterator[Table]:
    for dimension in dict.fromkeys(row["human_dimension"] for row in rows):
        its = [row for row in rows if row["human_dimension"] == dimension]
        categories = list(dict.fromkeys(row["category"] for row in its))
        found = {(names(row), row["dimension"], row["ties"], row["category"]): row for row in its}
        shown = []
        for name, of in dict.fromkeys((key[0], key[1]) for key in found):
            half = [found[name, of, "half", category] for category in categories]
            strict = found[name, of, "strict", categories[-1]]
            values = [number(_x100(row["accuracy"]), 1) for row in half]
            last = half[-1]
            interval = _interval(_x100(last["low"]), _x100(last["high"]))
            said = number(_x100(strict["accuracy"]), 1)
            shown.append((name, *values, interval, said, f"{last['n']}/{last['pairs']}", percent(last["coverage"])))
        shown.sort(key=lambda line: line[0])
        caption = (
            f"accuracy on pairs, people's {dimension}, x100; ties count half (strict: a metric's are wrong, those of "
            "people are left out); interval: of the column before it, by picture"
        )
        headings = ("metric", *(name or "all" for name in categories), "interval", "strict", "pairs", "coverage")
        yield table(caption, headings, shown)


def _interval(low: float | None, high: float | None) -> str:
    return "n/a" if low is None or high is None else f"{number(low, 1)} to {number(high, 1)}"


def _x100(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _descending(value: float | None) -> float:
    return float("inf") if value is None else -value
