"""The table of rows: its address is what it shows, its form and links lead where they say, and it waits for nobody."""

import asyncio
import html
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest

from orchestrator.folder_lock import locked
from orchestrator.viewing import live as live_runs
from orchestrator.viewing import row_making, row_tables
from orchestrator.viewing.row_making import Making
from orchestrator.viewing.row_query import address
from outputs.browsing.query import Query, parse_query
from outputs.journal import Log
from tests.harness.log_writing import LogWriter, chat
from tests.harness.viewed import Served, served

HOSTILE = "</select><script>alert(1)</script>\u202e&\"'=%00"


@pytest.fixture(autouse=True)
def always_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page looks at the log; else one may be shown what another saw a moment ago."""
    monkeypatch.setattr(live_runs, "_FRESH_S", 0.0)


def some_rows(folder: Path, count: int = 7) -> LogWriter:
    """A run of rows of two models, each with a text and a price of its own; every third one failed."""
    log = LogWriter(folder).record()
    for place in range(count):
        row = log.request(f"row-{place}", {"stage": "ask", "dataset": f"d{place % 2}"}, model=f"m{place % 2}")
        log.attempt(row)
        if place % 3 == 2:
            log.settle(row)
            log.fail(row, f"refused {place}")
        else:
            log.answer(row, chat(f"Answer {place} & <b>more</b>"), cost_usd=place / 8)
    return log


class Page(HTMLParser):
    """What a page of rows has, as a browser reads it: names of its rows, links by their text, choices of its menus."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[str] = []
        self.links: dict[str, str] = {}
        self.menus: dict[str, list[str]] = {}
        self.scripts = 0
        self._link, self._text, self._menu = "", "", ""
        self.feed(text)
        self.text = text

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "a":
            self._link, self._text = told.get("href") or "", ""
        if tag == "select":
            self._menu = told.get("name") or ""
            self.menus[self._menu] = []
        if tag == "option":
            self.menus[self._menu].append(told.get("value") or "")
        self.scripts += tag == "script" and "src" not in told

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            text = self._text.strip()
            self.links[text] = self._link
            if self._link.startswith("row/"):
                self.rows.append(text)

    @property
    def found(self) -> str:
        """How many rows it says that there are."""
        told = re.search(r'<p role="status">(.*?)<span', self.text, re.DOTALL)
        assert told is not None
        return " ".join(re.sub("<[^>]*>", "", html.unescape(told[1])).split())


async def look(server: Served, **query: Any) -> Page:
    """A page of rows."""
    return Page(await server.read("r/0/rows?" + urlencode(query)))


async def test_a_filter_shows_its_rows_and_how_many(tmp_path: Path) -> None:
    """A menu has what is there; what is chosen can be taken back; the row's page knows the way back."""
    log = some_rows(tmp_path / "night")
    async with served(log.folder) as server:
        page = await look(server)
        assert page.rows == [f"row-{place}" for place in range(7)]
        assert page.found == "1 to 7 of 7"
        assert page.menus["model"] == ["", "openai/m0", "openai/m1"]
        assert page.menus["state"] == ["", "answered", "failed"]
        assert "stage" not in page.menus, "there is nothing to choose"
        page = await look(server, model="openai/m1", state="answered")
        assert page.rows == ["row-1", "row-3"]
        assert page.found == "1 to 2 of 2 found, of 7 in all"
        assert page.links["remove all"] == "rows"
        assert page.links["row-1"].endswith("?model=openai%2Fm1&state=answered")
        assert (await look(server, state="failed", q="REFUSED 5")).rows == ["row-5"]
        assert (await look(server, q="answer 4 & <B>")).rows == ["row-4"]
        assert (await look(server, q="nowhere")).found == "None of 7 rows"


async def test_headings_sort_and_pages_go_on(tmp_path: Path) -> None:
    """Each link keeps what was chosen; a second click turns the order round."""
    log = some_rows(tmp_path / "night", 10)
    async with served(log.folder) as server:
        page = await look(server, model="openai/m0", limit=2)
        assert page.found == "1 to 2 of 5 found, of 10 in all"
        page = Page(await server.read("r/0/" + page.links["cost"]))
        assert page.rows == ["row-6", "row-4"]
        assert 'aria-sort="descending"' in page.text
        page = Page(await server.read("r/0/" + page.links["Next"]))
        assert page.rows == ["row-0", "row-2"]
        assert page.found.startswith("3 to 4 of 5")
        assert Page(await server.read("r/0/" + page.links["Previous"])).rows == ["row-6", "row-4"]
        page = Page(await server.read("r/0/" + page.links["Last"]))
        assert page.rows == ["row-8"]
        assert "Next" not in page.links
        turned = next(link for text, link in page.links.items() if text.startswith("cost"))
        assert Page(await server.read("r/0/" + turned)).rows == ["row-0", "row-2"]


async def test_behind_the_last_page_is_the_last_page(tmp_path: Path) -> None:
    """Which says so, and leads back; where nothing is found there is nothing to lead to."""
    log = some_rows(tmp_path / "night", 10)
    async with served(log.folder) as server:
        beyond = await look(server, offset=100_000, limit=4)
        assert beyond.rows == ["row-8", "row-9"]
        assert "There is no row 100,001 of these" in beyond.text
        assert Page(await server.read("r/0/" + beyond.links["Previous"])).rows == ["row-4", "row-5", "row-6", "row-7"]
        assert Page(await server.read("r/0/" + beyond.links["To the first"])).rows[0] == "row-0"
        assert "There is no row" in (await look(server, offset=1000)).text
        assert (await look(server, offset=1000, q="nowhere")).found == "None of 10 rows"
        assert "There is no row" not in (await look(server, limit=4)).text


def test_an_address_is_read_back_as_it_was_written() -> None:
    """Whatever is in it."""
    query = Query({"dataset": HOSTILE, "q": "a&b=c+ü", "score_min": 0.5, "conflict": False}, "score", True, 50, 25)
    assert parse_query(dict(parse_qsl(address(query), strict_parsing=True))) == query
    assert address(Query()) == ""
    assert parse_query(dict(parse_qsl(address(query, offset=0)))).offset == 0


async def test_what_models_say_is_text(tmp_path: Path) -> None:
    """In cells, menus, the form and the filters that hold; a choice of the menu finds its row."""
    log = LogWriter(tmp_path / "night").record(name=HOSTILE)
    for name in (HOSTILE, "other"):
        log.answer(log.request(name, {"stage": name, "dataset": name}, model=name), chat(name))
    async with served(log.folder) as server:
        page = await look(server)
        assert page.scripts == 0
        assert "\u202e" in html.unescape(page.menus["dataset"][1])
        assert "\u202e" not in re.sub(r'value="[^"]*"', "", page.text)
        page = await look(server, dataset=page.menus["dataset"][1])
        assert page.found == "1 to 1 of 1 found, of 2 in all"
        assert page.scripts == 0
        page = await look(server, q=HOSTILE, custom_id=HOSTILE, item="")
        assert len(page.rows) == 1
        assert page.scripts == 0
        assert Page(await server.read(f"r/0/rows?q={quote('<script>alert(1)')}")).scripts == 0


@pytest.mark.parametrize(
    "query", ["colour=red", "score_min=high", "offset=-1", "limit=100000", "sort=excerpts", "level=x"]
)
async def test_what_is_no_filter_is_said(tmp_path: Path, query: str) -> None:
    """With its name, and as a page."""
    async with served(some_rows(tmp_path / "night").folder) as server:
        reply = await server.get(f"r/0/rows?{query}")
        assert reply.status == 400
        assert query.partition("=")[0] in reply.text


async def test_a_run_without_rows_has_a_table(tmp_path: Path) -> None:
    """It says that there are none."""
    LogWriter(tmp_path / "night").record()
    async with served(tmp_path / "night") as server:
        assert (await look(server)).found == "None of 0 rows"


async def test_rows_that_are_being_made_keep_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says so and looks again; meanwhile others are served; then the rows are there, made once."""
    gate, made = asyncio.Event(), []
    run = Making.run

    async def slowly(self: Making) -> Path:
        made.append(self)
        await gate.wait()
        return await run(self)

    monkeypatch.setattr(Making, "run", slowly)
    monkeypatch.setattr(row_tables, "_PATIENCE_S", 0.05)
    async with served(some_rows(tmp_path / "night").folder) as server:
        for _ in range(3):
            reply = await server.get("r/0/rows")
            assert reply.status == 202
            assert 'data-again="1"' in reply.text
            assert "is being read" in reply.text
        assert (await server.get("r/0/")).status == 200
        gate.set()
        assert len((await look(server)).rows) == 7
        assert len(made) == 1


async def test_a_long_log_is_made_by_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that its memory is not the server's; what is wrong with it is said as it says it."""
    monkeypatch.setattr(row_making, "_SHORT_BYTES", 0)
    log, bad = some_rows(tmp_path / "night"), some_rows(tmp_path / "bad")
    bad.raw(Log.RESPONSES, b"no answer")
    async with served(log.folder, bad.folder) as server:
        assert len((await look(server)).rows) == 7
        async with asyncio.timeout(20):
            while (reply := await server.get("r/1/rows")).status == 202:
                await asyncio.sleep(0.1)
        assert reply.status == 400
        assert "responses.jsonl:6: the log is damaged" in reply.text


async def test_rows_of_a_run_that_goes_on_are_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, apart from its tables; until then the page says how many answers are newer."""
    log = some_rows(tmp_path / "night")
    with locked(log.folder):
        async with served(log.folder) as server:
            assert len((await look(server)).rows) == 7
            log.answer(log.request("late"), chat("late"))
            await server.read("r/0/live.json")
            page = await look(server)
            assert len(page.rows) == 7
            assert "1 answer is newer" in page.text
            monkeypatch.setattr(row_tables, "_LEAST_S", 0.0)
            monkeypatch.setattr(row_tables, "_TIMES", 0.0)
            async with asyncio.timeout(20):
                while len((page := await look(server)).rows) == 7:
                    await asyncio.sleep(0.1)
            assert page.rows[-1] == "late"
            assert "newer" not in page.text
            assert not list((log.folder / "tables").glob("*.parquet"))
        assert not list((log.folder / "tables").iterdir())


async def test_a_folder_that_cannot_be_written_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tables are made elsewhere, and go with the server."""
    log = some_rows(tmp_path / "night")
    monkeypatch.setattr("orchestrator.viewing.row_tables.os.access", lambda *_: False)
    async with served(log.folder) as server:
        assert len((await look(server)).rows) == 7
    assert not (log.folder / "tables").exists()


async def test_coverage_is_told_once_it_is_known(tmp_path: Path) -> None:
    """The list tells it as soon as the rows have been looked at, and no longer than the log is the same."""
    log = some_rows(tmp_path / "night")
    async with served(log.folder) as server:
        assert json.loads(await server.read("list.json"))["facts"]["0.coverage"] in ("", "–")
        await look(server)
        await server.read("r/0/live.json")
        assert json.loads(await server.read("list.json"))["facts"]["0.coverage"] == "71.4%"
        log.answer(log.request("late"), chat("late"))
        await server.read("r/0/live.json")
        assert json.loads(await server.read("list.json"))["facts"]["0.coverage"] == "–"


async def test_few_runs_are_held_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of those that nobody looks at are let go, and are to be had again."""
    monkeypatch.setattr(row_tables, "_MOST_OPEN", 2)
    for name in "abcd":
        some_rows(tmp_path / name, 3)
    async with served(tmp_path) as server:
        for place in (0, 1, 2, 3, 0):
            await server.read(f"r/{place}/rows")
        assert [run.rows.known is not None for run in server.runs.runs] == [True, False, False, True]


async def test_rows_that_another_process_made_anew_are_taken(tmp_path: Path) -> None:
    """What is held would not fit to what is on disk: it is let go at once."""
    log = some_rows(tmp_path / "night")
    async with served(log.folder) as server:
        assert len((await look(server)).rows) == 7
        log.answer(log.request("late"), chat("late"))
        row_making.make(log.folder, None)
        assert (await look(server)).rows[-1] == "late"


async def test_a_making_ends_with_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that makes the rows is not left behind."""
    monkeypatch.setattr(row_making, "_SHORT_BYTES", 0)
    monkeypatch.setattr(row_making, "_COMMAND", "import time; time.sleep(600)")
    monkeypatch.setattr(row_tables, "_PATIENCE_S", 0.3)
    making: list[Making] = []
    begin = Making.__init__

    def noted(self: Making, folder: Path, out: Path | None) -> None:
        making.append(self)
        begin(self, folder, out)

    monkeypatch.setattr(Making, "__init__", noted)
    async with served(some_rows(tmp_path / "night").folder) as server:
        assert (await server.get("r/0/rows")).status == 202
        async with asyncio.timeout(20):
            while making[0].pid is None:
                await asyncio.sleep(0.05)
        pid = making[0].pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
