"""The page of an imported row: where it is from and what was judged there; and the way back from any row."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from outputs.items import Item
from outputs.journal import Log
from tests.harness.log_writing import LogWriter, chat
from tests.harness.parsed_pages import assert_harmless, parse
from tests.harness.payloads import PAYLOADS
from tests.harness.viewed import served

RAW, LOOSE = "data/<b>raw.jsonl", "data/loose.csv"


async def test_an_imported_row_of_a_search_shows_its_verdict_and_its_lines(tmp_path: Path) -> None:
    """What the files found, and each file with the line; what nobody told is n/a."""
    log = LogWriter(tmp_path / "run").record(job="ice")
    told = {"source": RAW, "line": 12, "conflict": True, "claim": None, "loose": {"source": LOOSE, "line": 3}}
    seq = log.request("r", {"stage": "ask", "imported": told})
    log.answer(seq, chat("I am another."))
    async with served(log.folder) as viewer:
        page = assert_harmless(await viewer.read(f"r/0/row/{seq}"))
    facts = dict(zip(page.texts("dt"), page.texts("dd"), strict=False))
    assert (facts["conflict (loose)"], facts["claim (strict)"]) == ("yes", "n/a")
    lines = [line for line in page.texts("tr") if RAW in line or LOOSE in line]
    assert [line.split() for line in lines] == [["row12" + RAW], ["loose3" + LOOSE]]


@pytest.mark.parametrize("imported", [True, False])
async def test_a_request_without_words_is_no_empty_heading(tmp_path: Path, imported: bool) -> None:
    """It is said why there are none; a row that was never asked for has no request at all."""
    log = LogWriter(tmp_path / "run").record()
    seq = log.request("r", {"imported": {"source": "out.jsonl", "line": 1}} if imported else None)
    log.answer(seq)
    item = Item(item="i", candidate="A cat.", fields={"imported": {"source": "m.json", "key": "vid1"}})
    other = LogWriter(tmp_path / "scores").record(job="scores")
    other.raw(Log.ITEMS, msgspec.json.encode(item)[1:])
    async with served(log.folder, other.folder) as viewer:
        page = assert_harmless(await viewer.read(f"r/0/row/{seq}"))
        scored = assert_harmless(await viewer.read("r/1/row/1"))
    assert ("imported without it" in page.text, "No message can be read" in page.text) == (imported, not imported)
    assert "Request" not in scored.texts("h2")
    assert "rowvid1m.json" in ["".join(line.split()) for line in scored.texts("tr")]


async def test_a_hostile_origin_is_text(tmp_path: Path) -> None:
    """Files, keys and names of an import are whatever somebody put there."""
    log = LogWriter(tmp_path / "run").record()
    for text in PAYLOADS.values():
        told: Any = {"source": text, "key": text, "conflict": text, text: {"source": text, "line": 1}}
        log.request("", {"imported": told})
    async with served(log.folder) as viewer:
        for seq in log.requests:
            assert_harmless(await viewer.read(f"r/0/row/{seq}"))


async def test_the_way_back_leads_to_the_line_of_the_row(tmp_path: Path) -> None:
    """To the same filters, order and page length, at the page where the row stands, whichever was opened first."""
    log = LogWriter(tmp_path / "run").record()
    seqs = [log.request(f"r{n}", {"stage": "s" if n % 2 else "t"}) for n in range(12)]
    async with served(log.folder) as viewer:
        table = parse(await viewer.read("r/0/rows?stage=s&limit=2&offset=2"))
        link = next(one.attributes["href"] for one in table.all("a") if one.text == "r7") or ""
        page = assert_harmless(await viewer.read(f"r/0/{link}"))
        following = page.all("a", rel="next")[0].attributes["href"] or ""
        other = assert_harmless(await viewer.read(f"r/0/row/{following}"))
        back = [one.all("a", rel="up")[0].attributes["href"] or "" for one in (page, other)]
        tables = [parse(await viewer.read("r/0/" + way.removeprefix("../").partition("#")[0])) for way in back]
    assert back[0] == f"../rows?stage=s&offset=2&limit=2#row-{seqs[7]}"
    assert back[1] == f"../rows?stage=s&offset=4&limit=2#row-{seqs[9]}"
    assert [len(one.all("a", id=way.partition("#")[2])) for one, way in zip(tables, back, strict=True)] == [1, 1]
