"""Rows whose files are damaged, replaced or taken away: they are made anew, or it is said why they cannot be."""

import asyncio
import contextlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from orchestrator.folder_lock import locked
from orchestrator.viewing import row_making, row_page, row_tables
from orchestrator.viewing.open_rows import OpenRows
from orchestrator.viewing.row_making import Making
from outputs.browsing import index
from outputs.browsing.cells import LINES
from outputs.browsing.coded import CodedColumns
from outputs.browsing.making import FOLDER
from outputs.browsing.writing import RANKS, ROWS, TEXTS
from outputs.journal import Log
from tests.harness.log_writing import LogWriter, chat
from tests.harness.viewed import Reply, Served, served


def some_rows(folder: Path, count: int = 5) -> LogWriter:
    log = LogWriter(folder).record()
    for place, row in enumerate([log.request(f"row-{place}") for place in range(count)]):
        log.answer(row, chat(f"Answer {place}"))
    return log


def damage(path: Path) -> None:
    """Other bytes, and as many."""
    path.write_bytes(b"?" * path.stat().st_size)


async def page(server: Served, path: str) -> Reply:
    """A page, once it does not wait any more."""
    async with asyncio.timeout(20):
        while (reply := await server.get(path)).status == 202:
            await asyncio.sleep(0.05)
    return reply


@pytest.fixture
def makings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders whose rows were made, in order."""
    made: list[Path] = []
    run = Making.run

    async def noted(self: Making) -> Path:
        made.append(self.folder)
        return await run(self)

    monkeypatch.setattr(Making, "run", noted)
    return made


@pytest.mark.parametrize("name", [f"{FOLDER}/{ROWS}", f"{FOLDER}/{RANKS}", f"{FOLDER}/{TEXTS}", f"{FOLDER}/{LINES}"])
@pytest.mark.parametrize("held", [False, True])
async def test_damaged_rows_are_made_anew(tmp_path: Path, name: str, held: bool) -> None:
    """Whether they were open already or not, and whichever page finds that out."""
    log = some_rows(tmp_path / "night")
    row_making.make(log.folder, None)
    async with served(log.folder) as server:
        if held:
            await server.read("r/0/row/1")
        damage(log.folder / "tables" / name)
        assert "row-4" in await server.read("r/0/rows?q=answer&sort=custom_id")
        assert "Answer 4" in await server.read("r/0/row/5")


@pytest.mark.parametrize("short", [0, 16 << 20])
async def test_damaged_tables_are_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: int) -> None:
    """In this process and in another one, also where the rows were made of them before."""
    monkeypatch.setattr(row_making, "_SHORT_BYTES", short)
    log = some_rows(tmp_path / "night")
    place = row_making.make(log.folder, None)
    damage(place / "outcomes.parquet")
    async with served(log.folder) as server:
        assert "Answer 1" in await server.read("r/0/row/2")
    damage(place / "outcomes.parquet")
    shutil.rmtree(place / FOLDER)
    async with served(log.folder) as server:
        assert "row-1" in await server.read("r/0/rows")


async def test_what_stays_damaged_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, makings: list[Path], capfd: pytest.CaptureFixture[str]
) -> None:
    """The rows are made twice and no further; the page says what can be done, and nothing goes to standard error."""

    def broken(*_: object) -> Any:
        raise AssertionError("broken")

    log = some_rows(tmp_path / "night")
    async with served(log.folder) as server:
        with monkeypatch.context() as patched:
            patched.setattr(index.RowIndex, "open", broken)
            patched.setattr(row_tables, "_FAULT_S", 1000.0)
            for _ in range(3):
                reply = await page(server, "r/0/rows")
                assert reply.status == 400
                assert "the rows cannot be made" in reply.text
        assert len(makings) == 2
        monkeypatch.setattr(index, "read_cells", broken)
        monkeypatch.setattr(row_tables, "_FAULT_S", 0.0)
        for _ in range(3):
            reply = await page(server, "r/0/rows")
            assert reply.status == 400
            assert "the rows cannot be read" in reply.text
        assert len(makings) == 4
    assert "Traceback" not in capfd.readouterr().err


async def test_rows_that_are_replaced_while_they_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are opened again: what another process made meanwhile is shown at once, and stays to be had."""
    log, begin = some_rows(tmp_path / "night"), CodedColumns.__init__
    replaced: list[int] = []

    def slowly(self: CodedColumns, folder: Path) -> None:
        begin(self, folder)
        if not replaced:
            replaced.append(log.request("late"))
            row_making.make(log.folder, None)

    monkeypatch.setattr(CodedColumns, "__init__", slowly)
    async with served(log.folder) as server:
        for _ in range(2):
            reply = await page(server, "r/0/rows?q=late")
            assert reply.status == 200
            assert ">late</a>" in reply.text


async def test_rows_that_are_replaced_while_a_page_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is that of the newer ones."""
    log, read = some_rows(tmp_path / "night"), OpenRows.page
    replaced: list[int] = []

    async def slowly(self: OpenRows, *given: Any) -> Any:
        if not replaced:
            replaced.append(log.request("late"))
            await asyncio.to_thread(row_making.make, log.folder, None)
        return await read(self, *given)

    monkeypatch.setattr(OpenRows, "page", slowly)
    async with served(log.folder) as server:
        assert ">late</a>" in await server.read("r/0/rows")


async def test_a_pair_of_rows_of_large_runs_that_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, makings: list[Path]
) -> None:
    """Both are held for the page, whatever the limit, and made once; a page of one alone lets the other go."""
    monkeypatch.setattr(row_tables, "_MOST_ROWS", 6)
    monkeypatch.setattr(row_tables, "_PATIENCE_S", 0.0)
    logs = [some_rows(tmp_path / name) for name in "ab"]
    with contextlib.ExitStack() as stack:
        for log in logs:
            stack.enter_context(locked(log.folder))
        async with served(*(log.folder for log in logs)) as server:
            for _ in range(2):
                assert (await page(server, "pair?a=0&b=1&request_a=1&request_b=2")).status == 200
            assert makings == [log.folder for log in logs]
            await server.read("r/0/rows")
            assert [run.rows.known is not None for run in server.runs.runs] == [True, False]


async def test_files_stay_as_long_as_a_page_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of rows that are held no more; afterwards they are gone."""
    begun, gate = asyncio.Event(), asyncio.Event()
    read = row_page.read_detail

    async def slowly(number: int, opened: OpenRows) -> Any:
        begun.set()
        await gate.wait()
        return await read(number, opened)

    monkeypatch.setattr(row_page, "read_detail", slowly)
    log = some_rows(tmp_path / "night")
    with locked(log.folder):
        async with served(log.folder) as server:
            waiting = asyncio.create_task(server.read("r/0/row/1"))
            await asyncio.wait_for(begun.wait(), 20)
            server.runs.runs[0].rows.close()
            gate.set()
            assert "Answer 0" in await waiting
            assert not list((log.folder / "tables").iterdir())


async def test_rows_that_nobody_waits_for_any_more_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as they are held: pages that were left while they said that they wait hold nothing beyond the limit."""
    monkeypatch.setattr(row_tables, "_MOST_OPEN", 2)
    monkeypatch.setattr(row_tables, "_PATIENCE_S", 0.0)
    for name in "abcde":
        some_rows(tmp_path / name, 2)
    made: list[OpenRows] = []
    begin = OpenRows.__init__

    def noted(self: OpenRows, *given: Any, **named: Any) -> None:
        begin(self, *given, **named)
        made.append(self)

    monkeypatch.setattr(OpenRows, "__init__", noted)
    async with served(tmp_path) as server:
        for place in range(5):
            assert (await server.get(f"r/{place}/rows")).status == 202
        async with asyncio.timeout(20):
            while len(made) < 5:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0)
        assert sum(run.rows.known is not None for run in server.runs.runs) == 2
        assert len(server.runs.open_rows) == 2


async def test_a_run_that_was_made_anew_is_looked_at_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was wrong with the one that lay there before is not said of it."""
    monkeypatch.setattr(row_tables, "_FAULT_S", 1000.0)
    log = some_rows(tmp_path / "night")
    async with served(log.folder) as server:
        log.raw(Log.RESPONSES, b"no answer")
        assert (await page(server, "r/0/rows")).status == 400
        shutil.rmtree(log.folder)
        some_rows(log.folder, 2)
        assert "row-1" in await server.read("r/0/rows")


async def test_a_row_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    """Also of a pair."""
    logs = [some_rows(tmp_path / name) for name in "ab"]
    async with served(*(log.folder for log in logs)) as server:
        for path in ("r/0/row/99", "pair?a=0&b=1&request_a=1&request_b=99", "pair?a=0&b=1&request_a=99&request_b=1"):
            assert (await page(server, path)).status == 404
