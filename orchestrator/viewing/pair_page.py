"""The same row in two runs, side by side: how it ended, its scores, and its words with the differences marked."""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import polars as pl
from aiohttp import web

from orchestrator.amounts import dollars
from orchestrator.viewing.addresses import BASE
from orchestrator.viewing.compare_page import COMPARISONS, PATIENCE_S, or_refused, signed, two_runs
from orchestrator.viewing.compare_query import PAGE, Asked, changed_of, pair_link, read_asked, whole_number
from orchestrator.viewing.compared_texts import Column, Pair, pair_of
from orchestrator.viewing.excerpts import Excerpt, Sheet, short
from orchestrator.viewing.folders import ViewedRun
from orchestrator.viewing.open_rows import OpenRows
from orchestrator.viewing.pages import page
from orchestrator.viewing.row_page import read_detail
from orchestrator.viewing.row_view import texts_of, why_of
from outputs.browsing.one_row import RowDetail
from outputs.report import measure

_MOST_SCORES = 200


def add_routes(app: web.Application) -> None:
    """Add the page's route."""
    app.router.add_get(f"{BASE}pair", pair)


async def pair(request: web.Request) -> web.StreamResponse:
    """The page; its address names both runs and both rows, and the place among the rows that changed."""
    return await or_refused(request, _pair_of_rows)


async def _pair_of_rows(request: web.Request) -> web.Response:
    a, b = two_runs(request)
    asked = read_asked(request.query, a, b)
    numbers = [whole_number(request.query, f"request_{side}") for side in "ab"]
    one = await a.rows.read(partial(_read, numbers[0]), beside=b.rows)
    other = await b.rows.read(partial(_read, numbers[1]), beside=a.rows)
    around = await _around(request, asked, (a, b)) if "at" in request.query else {}
    values: dict[str, Any] = {
        "asked": asked,
        "names": [short(run.label) for run in (a, b)],
        "simulated": one[0] or other[0],
        "around": around,
        "up": _up(request, asked),
    }
    return await asyncio.to_thread(lambda: page(request, "pair.html", **values, **_view(one[1], other[1], asked)))


async def _read(number: int, opened: OpenRows) -> tuple[bool, RowDetail]:
    """Whether its run is simulated, and the row."""
    return opened.run.record.simulated, await read_detail(number, opened)


def _up(request: web.Request, asked: Asked) -> str:
    """The list of the rows that changed, at the page and the line of this one."""
    if "at" not in request.query:
        return f"{asked.link()}#changed"
    at = whole_number(request.query, "at")
    return f"{asked.link(offset=at // PAGE * PAGE or None)}#row-{at}"


async def _around(request: web.Request, asked: Asked, runs: tuple[ViewedRun, ViewedRun]) -> dict[str, str]:
    """The addresses of the rows before and after in the list of those that changed; none while that is being made."""
    at = whole_number(request.query, "at")
    known = await request.app[COMPARISONS].of(runs[0].folder, runs[1].folder, PATIENCE_S)
    if known.document is None:
        return {}
    changed = changed_of(known, asked).select("request_a", "request_b")
    return await asyncio.to_thread(_beside, changed, asked, at)


def _beside(changed: pl.LazyFrame, asked: Asked, at: int) -> dict[str, str]:
    first = max(0, at - 1)
    rows = changed.slice(first, at - first + 2).collect().to_dicts()
    places = {first + number: pair_link(asked, row, first + number) for number, row in enumerate(rows)}
    found = {"before": places.get(at - 1), "after": places.get(at + 1)}
    return {name: link for name, link in found.items() if link is not None}


def _view(a: RowDetail, b: RowDetail, asked: Asked) -> dict[str, Any]:
    sheet = Sheet()
    answers = _pair(a, b, asked, _answer(a, sheet), _answer(b, sheet))
    questions = texts_of(a.messages), texts_of(b.messages)
    requests = None
    if questions[0] != questions[1]:
        requests = _pair(a, b, asked, *(sheet.excerpt(text) for text in questions))
    return {
        "custom_ids": [short(one.line.custom_id, 300) for one in (a, b)],
        "answers": answers,
        "requests": requests,
        "facts": list(_facts(a, b)),
        "scores": list(_scores(a, b))[:_MOST_SCORES],
    }


def _pair(a: RowDetail, b: RowDetail, asked: Asked, left: Excerpt | None, right: Excerpt | None) -> Pair:
    columns = [
        Column(title, short(f"{one.line.provider}/{one.line.model}"), f"r/{run}/row/{one.line.seq}", text)
        for title, one, run, text in (("A", a, asked.a, left), ("B", b, asked.b, right))
    ]
    return pair_of("", columns[0], columns[1])


def _answer(detail: RowDetail, sheet: Sheet) -> Excerpt | None:
    if detail.answer is None:
        return None
    said = detail.answer.completion
    text = said.text if said.text is not None else said.refusal
    return None if text is None else sheet.excerpt(text)


def _facts(a: RowDetail, b: RowDetail) -> Iterator[tuple[str, str, str]]:
    for label in ("state", "outcome", "why", "cost", "latency", "tokens", "finished"):
        one, other = _fact(a, label), _fact(b, label)
        if one or other:
            yield label, one or "–", other or "–"


def _fact(detail: RowDetail, label: str) -> str:
    answer = detail.answer
    match label:
        case "state":
            return detail.state
        case "why":
            return why_of(detail)
        case "cost":
            cost = None if detail.row is None else detail.row["cost_usd"]
            return "n/a" if cost is None else dollars(cost)
    return "" if answer is None else _of_answer(answer, label)


def _of_answer(answer: Any, label: str) -> str:
    line, usage = answer.line, answer.line.usage
    match label:
        case "outcome":
            return "" if answer.parsed is None else str(answer.parsed.outcome.value)
        case "latency":
            called = line.duplicate_of is None  # a duplicate took no call
            return "n/a" if line.latency_s is None or not called else f"{line.latency_s:,.2f} s"
        case "tokens":
            return "n/a" if usage is None else f"{usage.input_tokens:,} in, {usage.output_tokens:,} out"
    return short(answer.completion.finish_reason or "")


def _scores(a: RowDetail, b: RowDetail) -> Iterator[tuple[str, str, str, str]]:
    """Dimension, A, B and B - A; n/a where one has none."""
    values = [
        {} if one.answer is None else {score.dimension: score.value for score in one.answer.scores} for one in (a, b)
    ]
    for name in dict.fromkeys([*values[0], *values[1]]):
        one, other = values[0].get(name), values[1].get(name)
        moved = None if one is None or other is None else other - one
        yield short(name), measure(one), measure(other), signed(moved)
