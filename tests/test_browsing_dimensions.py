"""Rows whose judge rates several dimensions, looked through by one of them."""

from pathlib import Path

import pytest

from orchestrator.viewing.row_query import address
from outputs.browsing.columns import Filter
from outputs.browsing.index import RowIndex
from outputs.browsing.query import Query
from outputs.tables.loading import load_run
from tests.harness.log_writing import LogWriter, chat
from tests.harness.viewed import served

RATED = "Accuracy: [[{}]]\nCompleteness: [[{}]]\nConciseness: [[80]]\nRelevance: [[90]]"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three that are rated and one that is not; who is most accurate is least complete."""
    log, told = LogWriter(tmp_path / "run").judged()
    for place, text in enumerate((RATED.format(10, 60), RATED.format(20, 50), RATED.format(30, 40), "nothing")):
        request = log.request(f"r{place}", told)
        log.attempt(request)
        log.answer(request, chat(text))
    return log.folder


def test_each_dimension_is_told_with_its_rows(folder: Path) -> None:
    """How many rows have a score of it; of rows whose judge rates one alone there is nothing to choose."""
    index = RowIndex.open(load_run(folder))
    told = dict(index.values("score_of"))
    assert {told[name] for name in ("accuracy", "completeness", "conciseness", "relevance")} == {3}
    assert index.more("score_of") == 0
    alone = LogWriter(folder.with_name("alone")).record()
    alone.answer(alone.request("x"), chat("no score"))
    assert RowIndex.open(load_run(alone.folder)).values("score_of") == []


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"score_of": "completeness"}, ["r0", "r1", "r2"]),
        ({"score_of": "completeness", "score_min": 50.0}, ["r0", "r1"]),
        ({"score_of": "completeness", "score_max": 40.0}, ["r2"]),
        ({"score_min": 20.0}, ["r1", "r2"]),
        ({"score_of": "no such"}, []),
    ],
)
def test_a_range_is_of_the_dimension_that_is_named(folder: Path, filters: Filter, found: list[str]) -> None:
    """Without a name it is of each row's main one."""
    page = RowIndex.open(load_run(folder)).page(Query(filters))
    assert [row["custom_id"] for row in page.rows] == found


def test_rows_are_sorted_by_and_show_the_dimension_that_is_named(folder: Path) -> None:
    """And by their main one where none is; what was asked before makes no difference."""
    index = RowIndex.open(load_run(folder))
    for of, scores in (({"score_of": "completeness"}, [40, 50, 60]), ({}, [10, 20, 30, None])) * 2:
        rows = index.page(Query(of, sort="score")).rows
        assert [row["score"] for row in rows] == scores
        assert {row["dimension"] for row in rows} == {of.get("score_of", "accuracy")}


async def test_a_page_of_rows_offers_the_dimensions(folder: Path) -> None:
    """Its menu names them, and its heading says which one is shown; a row's neighbours are those of the list."""
    query = Query({"score_of": "completeness"}, sort="score")
    async with served(folder) as server:
        page = await server.read(f"r/0/rows?{address(query)}")
        assert '<option value="completeness" selected>completeness (3)</option>' in page
        assert "score (completeness)" in page
        assert page.index(">r2<") < page.index(">r1<") < page.index(">r0<")
        row = await server.read(f"r/0/row/{_number(page, 'r1')}?{address(query)}")
        assert f"row/{_number(page, 'r0')}?" in row or f"{_number(page, 'r0')}?" in row


def _number(page: str, name: str) -> str:
    """The number of the row with this name."""
    return page.partition(f">{name}<")[0].rpartition("row/")[2].partition("?")[0]
