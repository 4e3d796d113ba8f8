"""What takes its time takes it from nobody else: pictures, long texts and comparisons are no work of the event loop."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from orchestrator.viewing import compare_page, media_shelf, pair_page, row_page
from tests.harness.log_writing import LogWriter, chat
from tests.harness.viewed import served

MANY = 40  # more than the threads that are everybody's


async def test_pictures_that_are_being_made_keep_no_page_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread makes them; pages that need none are answered meanwhile, and all pictures in the end."""
    begun, gate = threading.Event(), threading.Event()

    def slowly(*_: object) -> list[Any]:
        begun.set()
        assert gate.wait(20)
        return []

    monkeypatch.setattr(media_shelf, "media_of", slowly)
    log = LogWriter(tmp_path / "run").record()
    seqs = [log.request() for _ in range(MANY)]
    async with served(log.folder) as viewer:
        await viewer.read("r/0/rows")
        waiting = [asyncio.create_task(viewer.get(f"r/0/media/{seq}/0")) for seq in seqs]
        await asyncio.to_thread(begun.wait, 20)
        assert (await viewer.get("r/0/rows?q=row")).status == 200
        assert not any(one.done() for one in waiting)
        gate.set()
        assert {reply.status for reply in await asyncio.gather(*waiting)} == {404}


async def test_pages_are_made_aside_from_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a row, of two runs and of one row in both: a megabyte of text may take a second."""
    made: dict[str, int] = {}
    for module, name in ((row_page, "view_of"), (row_page, "page"), (compare_page, "_changed"), (pair_page, "_view")):
        work = getattr(module, name)

        def noted(*given: Any, _name: str = name, _work: Any = work, **named: Any) -> Any:
            made[_name] = threading.get_ident()
            return _work(*given, **named)

        monkeypatch.setattr(module, name, noted)
    logs = [LogWriter(tmp_path / name).record() for name in "ab"]
    for log in logs:
        log.answer(log.request("r"), chat(log.folder.name))
    async with served(*(log.folder for log in logs)) as viewer:
        await viewer.read("r/0/row/1")
        await viewer.read("compare?a=0&b=1")
        await viewer.read("pair?a=0&b=1&request_a=1&request_b=1&at=0")
    assert {*made} == {"view_of", "page", "_changed", "_view"}
    assert threading.get_ident() not in made.values()
