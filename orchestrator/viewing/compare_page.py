"""The page that says what changed between two runs: `overnight compare` as tables, and the rows that changed most."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import polars as pl
from aiohttp import web

from orchestrator.viewing.addresses import BASE
from orchestrator.viewing.comparisons import Comparison, Comparisons
from orchestrator.viewing.excerpts import short
from orchestrator.viewing.folders import RUNS, ViewedRun
from orchestrator.viewing.live import StillReadingError
from orchestrator.viewing.pages import page
from outputs.report import measure, number, percent
from prompts.input_error import InputError

PAGE = 50  # rows that changed, on one page
PATIENCE_S = 2.0  # until a page says that the comparison is being made
_MOST = 10**9
SHOWN = {  # what of the rows that changed is shown
    "all": "all that changed",
    "scores": "with another score",
    "texts": "with another text",
    "ends": "that ended otherwise",
}
COMPARISONS: web.AppKey[Comparisons] = web.AppKey("comparisons", Comparisons)


def add_routes(app: web.Application) -> None:
    """Add the page's route, and what it keeps while the server runs."""
    app[COMPARISONS] = Comparisons()
    app.on_cleanup.append(_close)
    app.router.add_get(f"{BASE}compare", compare)


async def _close(app: web.Application) -> None:
    await app[COMPARISONS].close()


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for: two runs by their keys, and which of the rows that changed."""

    a: str
    b: str
    show: str = "all"
    stage: str | None = None
    lane: str | None = None
    offset: int = 0

    def link(self, **changed: Any) -> str:
        """The same page with some of it changed."""
        told = {"a": self.a, "b": self.b, "show": self.show, "stage": self.stage, "lane": self.lane, **changed}
        return urlencode({name: value for name, value in told.items() if value is not None}, errors="replace")


def read_asked(params: Mapping[str, str], a: ViewedRun, b: ViewedRun) -> Asked:
    """What is asked of two runs. Raises InputError, naming the parameter, for what is no number or is not known."""
    show = params.get("show") or "all"
    if show not in SHOWN:
        raise InputError(f"{show[:40]!r} is none of {', '.join(SHOWN)}", field="show")
    return Asked(a.key, b.key, show, params.get("stage"), params.get("lane"), whole_number(params, "offset"))


def run_at(request: web.Request, side: str) -> ViewedRun:
    """The run that is asked for as `a` or `b`. Raises HTTPNotFound."""
    run = request.app[RUNS].get(request.query.get(side, ""))
    if run is None:
        raise web.HTTPNotFound(reason="no such run")
    return run


def whole_number(params: Mapping[str, str], name: str) -> int:
    """A parameter that is a number from 0 on; 0 where it is not there. Raises InputError."""
    text = params.get(name) or "0"
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_MOST)):
        raise InputError(f"{text[:40]!r} is no number that can be here", field=name)
    return int(text)


async def compare(request: web.Request) -> web.StreamResponse:
    """The page; without two runs in its address, a form to choose them."""
    if "a" not in request.query or "b" not in request.query:
        runs = request.app[RUNS].runs
        chosen = run_at(request, "a") if "a" in request.query else runs[0]
        other = next((run for run in runs if run is not chosen), chosen)
        return page(request, "compare.html", **_frame(request, chosen, other), asked=None)
    a, b = run_at(request, "a"), run_at(request, "b")
    asked = read_asked(request.query, a, b)
    known = await request.app[COMPARISONS].of(a.folder, b.folder, PATIENCE_S)
    if known.fault is not None:
        raise InputError(known.fault)
    frame = {**_frame(request, a, b), "asked": asked, "a": _about(a), "b": _about(b)}
    if known.document is None:
        raise StillReadingError("the two runs are being compared")
    return page(request, "compare.html", **frame, **_told(known.document), **_changed(known, asked))


def _frame(request: web.Request, a: ViewedRun, b: ViewedRun) -> dict[str, Any]:
    runs = [_about(run) for run in request.app[RUNS].runs]
    return {"runs": runs, "shown": SHOWN, "chosen": {"a": a.key, "b": b.key}}


def _about(run: ViewedRun) -> dict[str, Any]:
    return {"key": run.key, "name": short(run.label)}


def _told(document: Mapping[str, Any]) -> dict[str, Any]:
    scores = list(_score_lines(document["scores_moved"]))
    judges = {line["judge"] for line in scores}
    return {
        "simulated": document["simulated"],
        "notes": document["notes"],
        "answers": list(_answer_lines(document["answers_changed"])),
        "scores": scores,
        "judge": judges.pop() if len(judges) == 1 else None,
    }


def _answer_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {
            "stage": row["stage"],
            "lane": row["model_a"],
            "who": _either(row["model_a"], row["model_b"]),
            "counts": [f"{row[name]:,}" for name in ("both", "only_a", "only_b", "changed")],
            "share": f"{percent(row['share_changed'])} {_interval(row, percent)}",
            "tokens": [number(row[f"output_tokens_{side}"], 0) for side in "ab"],
            "costs": [_usd(row[f"cost_usd_{side}"]) for side in "ab"],
        }


def _score_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Those that moved most first."""
    for row in sorted(rows, key=lambda row: -abs(row["difference"] or 0.0)):
        yield {
            "stage": row["stage"],
            "who": _either(row["model_a"], row["model_b"]),
            "judge": _either(row["judge_a"], row["judge_b"]),
            "dimension": row["dimension"],
            "counts": [f"{row[name]:,}" for name in ("both", "only_a", "only_b")],
            "means": [measure(row[name]) for name in ("mean_a", "mean_b")],
            "difference": f"{signed(row['difference'])} {_interval(row, measure)}",
            "share": percent(row["share_changed"]),
            "p": number(row["p_holm"]),
        }


def _interval(row: Mapping[str, Any], shown: Any) -> str:
    return "" if row["low"] is None or row["high"] is None else f"[{shown(row['low'])}, {shown(row['high'])}]"


def signed(difference: float | None) -> str:
    """A difference with its sign."""
    return measure(difference) if difference is None or difference <= 0 else f"+{measure(difference)}"


def _either(one: str | None, other: str | None) -> str:
    ours, theirs = (short(name) if name else "–" for name in (one, other))
    return ours if one == other else f"{ours} → {theirs}"


def _usd(cost: float | None) -> str:
    return "n/a" if cost is None else f"${cost:,.4f}"


def _changed(known: Comparison, asked: Asked) -> dict[str, Any]:
    """The rows that changed, as far as they are asked for and on this page."""
    found = changed_of(known, asked)
    total = int(found.select(pl.len()).collect().item())
    rows = found.slice(asked.offset, PAGE).collect().to_dicts()
    for place, row in enumerate(rows, asked.offset):
        row.update({name: short(row[name]) for name in ("custom_id_a", "stage", "item") if row[name]})
        row["who"] = _either(row["model_a"], row["model_b"])
        row["link"] = pair_link(asked, row, place)
        row["scores"] = [measure(row[f"score_{side}"]) for side in "ab"] if row["dimension"] else ["", ""]
        row["moved"] = signed(row["difference"]) if row["dimension"] else ""
        row["ends"] = [_end(row, side) for side in "ab"]
    last = min(asked.offset + PAGE, total)
    return {"changed": rows, "total": total, "first": asked.offset + 1, "last": last, "page_size": PAGE}


def changed_of(known: Comparison, asked: Asked) -> pl.LazyFrame:
    """The rows that changed and are asked for, those that changed most first."""
    rows = pl.scan_parquet(known.rows, glob=False)
    if asked.show == "scores":
        rows = rows.filter(pl.col("dimension").is_not_null())
    elif asked.show == "texts":
        rows = rows.filter("text_changed")
    elif asked.show == "ends":
        ends = [pl.col(f"{name}_a").ne_missing(pl.col(f"{name}_b")) for name in ("state", "outcome")]
        rows = rows.filter(pl.any_horizontal(ends))
    if asked.stage is not None:
        rows = rows.filter(pl.col("stage").fill_null("") == asked.stage)
    return rows if asked.lane is None else rows.filter(pl.col("model_a") == asked.lane)


def pair_link(asked: Asked, row: Mapping[str, Any], place: int) -> str | None:
    """The address of both rows side by side; None where there is no request to show."""
    if row["request_a"] is None or row["request_b"] is None:
        return None
    return asked.link(request_a=row["request_a"], request_b=row["request_b"], at=place)


def _end(row: Mapping[str, Any], side: str) -> str:
    return row[f"outcome_{side}"] or row[f"state_{side}"] or "–"
