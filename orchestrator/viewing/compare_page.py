"""The page that says what changed between two runs: `overnight compare` as tables, and the rows that changed most."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import polars as pl
from aiohttp import web

from orchestrator.viewing.addresses import BASE
from orchestrator.viewing.compare_query import PAGE, SHOWN, Asked, changed_of, pair_link, read_asked
from orchestrator.viewing.comparisons import Comparison, Comparisons
from orchestrator.viewing.excerpts import short
from orchestrator.viewing.folders import RUNS, ViewedRun
from orchestrator.viewing.live import StillReadingError
from orchestrator.viewing.pages import page
from outputs.report import measure, number, percent
from prompts.input_error import InputError

PATIENCE_S = 2.0  # until a page says that the comparison is being made
_WORDS = {"stage": "stage", "lane": "asked of", "of": "of", "judge": "judge", "dimension": "dimension"}
_IN_B = ("lane_b", "of_b", "judge_b")
COMPARISONS: web.AppKey[Comparisons] = web.AppKey("comparisons", Comparisons)


def add_routes(app: web.Application) -> None:
    """Add the page's route, and what it keeps while the server runs."""
    app[COMPARISONS] = Comparisons()
    app.on_cleanup.append(_close)
    app.router.add_get(f"{BASE}compare", compare)


async def _close(app: web.Application) -> None:
    await app[COMPARISONS].close()


def run_at(request: web.Request, side: str) -> ViewedRun:
    """The run that is asked for as `a` or `b`. Raises HTTPNotFound."""
    run = request.app[RUNS].get(request.query.get(side, ""))
    if run is None:
        raise web.HTTPNotFound(reason="There is no such run here (any more).")
    return run


def two_runs(request: web.Request) -> tuple[ViewedRun, ViewedRun]:
    """The runs that are asked for. Raises HTTPNotFound; InputError where they are one and the same."""
    a, b = run_at(request, "a"), run_at(request, "b")
    if a is b:
        raise InputError("A and B are the same run: there is nothing to compare.")
    return a, b


async def compare(request: web.Request) -> web.StreamResponse:
    """The page; without two runs in its address, a form to choose them."""
    if "a" not in request.query or "b" not in request.query:
        chosen = run_at(request, "a") if "a" in request.query else None
        return page(request, "compare.html", **_frame(request, chosen, None), asked=None, fault=None)
    return await or_refused(request, _compare)


async def or_refused(
    request: web.Request, answered: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """A page about two runs; where there is none, the form to choose two, and in a sentence why."""
    try:
        return await answered(request)
    except web.HTTPNotFound as error:
        return _refused(request, HTTPStatus.NOT_FOUND, error.reason)
    except InputError as error:
        return _refused(request, HTTPStatus.BAD_REQUEST, str(error))


def _refused(request: web.Request, status: HTTPStatus, why: str) -> web.Response:
    a, b = (request.app[RUNS].get(request.query.get(side, "")) for side in "ab")
    return page(request, "compare.html", status=status, **_frame(request, a, b), asked=None, fault=why)


async def _compare(request: web.Request) -> web.Response:
    a, b = two_runs(request)
    asked = read_asked(request.query, a, b)
    known = await request.app[COMPARISONS].of(a.folder, b.folder, PATIENCE_S)
    if known.fault is not None:
        raise InputError(f"{short(a.label)} and {short(b.label)} cannot be compared: {known.fault}")
    if known.document is None:
        raise StillReadingError("the two runs are being compared")
    frame = {**_frame(request, a, b), "a": _about(a), "b": _about(b), "fault": None}
    return await asyncio.to_thread(_page, request, frame, known, known.document, asked)


def _page(
    request: web.Request, frame: Mapping[str, Any], known: Comparison, document: Mapping[str, Any], asked: Asked
) -> web.Response:
    """In a thread: tables are read for it."""
    return page(request, "compare.html", **frame, **_told(document, asked), **_changed(known, asked))


def _frame(request: web.Request, a: ViewedRun | None, b: ViewedRun | None) -> dict[str, Any]:
    """The form, with these two runs chosen; in the place of None others."""
    runs = request.app[RUNS].runs
    a = a or next((run for run in runs if run is not b), runs[0])
    b = b or next((run for run in runs if run is not a), a)
    return {"runs": [_about(run) for run in runs], "shown": SHOWN, "chosen": {"a": a.key, "b": b.key}}


def _about(run: ViewedRun) -> dict[str, Any]:
    return {"key": run.key, "name": short(run.label)}


def _told(document: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    scores = list(_score_lines(document["scores_moved"], asked))
    judges = {line["judge"] for line in scores}
    return {
        "simulated": document["simulated"],
        "notes": document["notes"],
        "answers": list(_answer_lines(document["answers_changed"], asked)),
        "scores": scores,
        "judge": judges.pop() if len(judges) == 1 else None,
    }


def _answer_lines(rows: Sequence[Mapping[str, Any]], asked: Asked) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {
            "stage": row["stage"],
            "who": _either(row["model_a"], row["model_b"]),
            "link": asked.answers_link("all", row),
            "counts": [
                (f"{row[name]:,}", asked.answers_link(show, row) if show and row[name] else None)
                for name, show in (("both", ""), ("only_a", "only_a"), ("only_b", "only_b"), ("changed", "texts"))
            ],
            "share": f"{percent(row['share_changed'])} {_interval(row, percent)}",
            "tokens": [number(row[f"output_tokens_{side}"], 0) for side in "ab"],
            "costs": [_usd(row[f"cost_usd_{side}"]) for side in "ab"],
        }


def _score_lines(rows: Sequence[Mapping[str, Any]], asked: Asked) -> Iterator[dict[str, Any]]:
    """Those that moved most first."""
    for row in sorted(rows, key=lambda row: -abs(row["difference"] or 0.0)):
        yield {
            "stage": row["stage"],
            "who": _either(row["model_a"], row["model_b"]),
            "judge": _either(row["judge_a"], row["judge_b"]),
            "dimension": row["dimension"],
            "counts": [
                (f"{row[name]:,}", asked.scores_link(show, row) if show and row[name] else None)
                for name, show in (("both", ""), ("only_a", "only_a"), ("only_b", "only_b"))
            ],
            "link": asked.scores_link("scores", row) if row["share_changed"] else None,
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
    """The rows that changed, as far as they are asked for and on this page; behind the last page, those of the last."""
    found = changed_of(known, asked)
    total = int(found.select(pl.len()).collect().item())
    asked = replace(asked, offset=min(asked.offset, max(0, total - 1) // PAGE * PAGE))
    rows = found.slice(asked.offset, PAGE).collect().to_dicts()
    return {
        "asked": asked,
        "alone": list(_alone(asked)),
        "all_rows": replace(asked, where={}).link(),
        "changed": [_changed_row(row, asked, place) for place, row in enumerate(rows, asked.offset)],
        "total": total,
        "first": asked.offset + 1,
        "last": min(asked.offset + PAGE, total),
        "page_size": PAGE,
    }


def _changed_row(row: Mapping[str, Any], asked: Asked, place: int) -> dict[str, Any]:
    scored = row["dimension"] is not None
    return {
        **row,
        **{name: short(row[name]) for name in ("custom_id_a", "stage", "item") if row[name]},
        "place": place,
        "link": pair_link(asked, row, place),
        "who": _either(row["model_a"], row["model_b"]),
        "scores": [measure(row[f"score_{side}"]) for side in "ab"] if scored else ["", ""],
        "moved": signed(row["difference"]) if scored else "",
        "ends": [_end(row, side) for side in "ab"],
    }


def _alone(asked: Asked) -> Iterator[tuple[str, str]]:
    """What the rows are of, where not all are shown; of B only what is another there."""
    for name, value in asked.where.items():
        if value and value != asked.where.get(name.removesuffix("_b") if name in _IN_B else ""):
            words = _WORDS[name.removesuffix("_b")]
            yield (f"{words} in B" if name in _IN_B else words), short(value)


def _end(row: Mapping[str, Any], side: str) -> str:
    return row[f"outcome_{side}"] or row[f"state_{side}"] or "–"
