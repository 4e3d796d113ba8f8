"""Runs that were imported: the viewer says what they are, and offers nothing that cannot be done with them."""

import json
from pathlib import Path
from typing import Any

import pytest

from outputs.run_record import Source
from tests.harness.log_writing import LogWriter
from tests.harness.viewed import Served, served

IMPORTED = Source("import", "old.jsonl", "0" * 64)


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """An import of two answers without a price."""
    log = LogWriter(tmp_path / "ice").record(source=IMPORTED, job="ice")
    for row in (log.request(), log.request()):
        log.answer(row, number=0, cost_usd=None)
    files = [{"file": "/data/old.jsonl", "sha256": "0", "rows": 2, "holds": "raw"}]
    log.event("imported", kind="ice", files=files, answered=2, failed=0, left_out={}, notes=[])
    return log.folder


@pytest.fixture
def items(tmp_path: Path) -> Path:
    """An import of items, of which nothing was asked."""
    log = LogWriter(tmp_path / "msvd").record(source=IMPORTED, job="gveval", items=197)
    return log.folder


async def listed(server: Served) -> dict[str, str]:
    """What the list says."""
    found: dict[str, Any] = json.loads(await server.read("list.json"))
    return dict(found["facts"])


async def test_an_import_is_called_one(answers: Path) -> None:
    """In the list and on its page, which offers neither to steer it nor to go on with it, and knows no pace of it."""
    async with served(answers) as server:
        page, update = await server.read("r/0/"), json.loads(await server.read("r/0/live.json"))
        first, facts = await server.read(""), await listed(server)
    for text in (first, page):
        assert text.count('<span class="badge">imported</span>') == 1
    assert facts["0.state"] == update["facts"]["state"] == "imported"
    assert facts["0.answered"] == "2 of 2"
    for absent in ("overnight run", "Steer", "stopped", "in time", "to go", "{&#34;"):
        assert absent not in page
    assert update["lists"]["events"][0].endswith("imported from old.jsonl (ice): 2 rows, 2 answers")
    assert not any(update["done"].values())


async def test_an_import_of_items_says_how_many(items: Path) -> None:
    """Nothing was asked of them, so that nothing is answered, failed or spent, and there are no lanes."""
    async with served(items) as server:
        page, facts = await server.read("r/0/"), await listed(server)
    assert [facts[f"0.{name}"] for name in ("answered", "failed", "spent")] == ["197 items", "–", "–"]
    assert '<a href="rows" data-fact="answered">197 items</a>' in page
    assert "0 of 0" not in page
    assert 'data-section="lanes" hidden' in page


async def test_an_import_is_not_steered(answers: Path) -> None:
    """Who asks all the same is told why."""
    async with served(answers) as server:
        reply = await server.do({"do": "stop", "cancel_batches": True})
    assert (reply.status, reply.json["error"]) == (
        400,
        "it was imported: nothing of it is sent, and there is nothing to steer",
    )
