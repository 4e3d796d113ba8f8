"""The rows of a run: one for each request that is asked for, with how it ended."""

import json
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from outputs.browsing import gathering, making
from outputs.browsing.columns import BROWSE
from outputs.browsing.index import RowIndex
from outputs.browsing.making import browse_table, rows_meanwhile
from outputs.browsing.query import Query
from outputs.items import Item
from outputs.journal import Log
from outputs.run_record import Source
from outputs.tables.loading import load_run
from providers.wire import Billing
from tests.harness.log_writing import LogWriter, chat

SCORES = "Accuracy: [[{0}]]\nCompleteness: [[70]]\nConciseness: [[80]]\nRelevance: [[90]]"


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run folder."""
    return pl.read_parquet(browse_table(load_run(folder))).to_dicts()


def test_each_request_that_is_asked_for_has_a_row(tmp_path: Path) -> None:
    """Answered, failed and open ones, in the order of the requests; a withdrawn one has none."""
    log = LogWriter(tmp_path / "run").record()
    requests = [log.request(f"r{number}", None, model=f"m{number}") for number in range(4)]
    for request in requests[:2]:
        log.attempt(request)
    answer = log.answer(requests[0], chat("x" * 300))
    log.fail(requests[1], "not this one")
    log.event("asked_changed", withdrawn=[requests[3]], restored=[], adding=0)
    rows = rows_of(log.folder)
    assert [(row["request"], row["state"], row["failure"], row["answer"]) for row in rows] == [
        (requests[0], "answered", None, answer),
        (requests[1], "failed", "row_refused", None),
        (requests[2], "open", None, None),
    ]
    assert [row["excerpt"] for row in rows] == ["x" * 200, "not this one", None]
    assert [(row["lane"], row["model"]) for row in rows] == [(f"openai/m{number}",) * 2 for number in range(3)]
    assert [row["by_batch"] for row in rows] == [False, None, None]


def test_a_judged_row_has_its_score_and_whose_answer_it_is(tmp_path: Path) -> None:
    """The overall dimension, else the first; no score where it cannot be read; of an item the system, if it has one."""
    log, told = LogWriter(tmp_path / "run").judged()
    for item, system in (("a", "captioner"), ("b", "")):
        line = msgspec.json.encode(Item(item=item, candidate="c", system=system))
        log.raw(Log.ITEMS, line[1:])
    said = [
        (SCORES.format(60), {"item": "a"}),
        ("no", {"item": "b"}),
        (SCORES.format(1), {"item": "b", "model": "p/m"}),
    ]
    for text, about in said:
        request = log.request("", told | about)
        log.attempt(request)
        log.answer(request, chat(text))
    rows = rows_of(log.folder)
    assert [(row["score"], row["dimension"], row["outcome"]) for row in rows] == [
        (60.0, "accuracy", "ok"),
        (None, "accuracy", "unparseable"),
        (1.0, "accuracy", "ok"),
    ]
    assert [row["model"] for row in rows] == ["captioner", None, "p/m"]
    assert rows[1]["reason"]


def test_odd_metadata_is_no_crash(tmp_path: Path) -> None:
    """Lists and objects where a text belongs, numbers as text: what is not said is null."""
    log = LogWriter(tmp_path / "run").record()
    for metadata in ({"model": ["x"], "level": "2"}, {"imported": 7}, {"field": {"a": 1}, "language": 3}, None):
        log.request("", metadata)
    rows = rows_of(log.folder)
    assert [(row["model"], row["level"], row["field"], row["language"]) for row in rows] == [
        ("openai/m", 2, None, None),
        ("openai/m", None, None, None),
        ("openai/m", None, None, "3"),
        ("openai/m", None, None, None),
    ]


def test_a_search_says_of_each_question_whether_its_answer_was_in_conflict(tmp_path: Path) -> None:
    """The last first judgement of a place counts; the template is called by where it was first asked through."""
    log, told = LogWriter(tmp_path / "run").judged("ice_loose")
    place = {"target": "p/t", "tree": 1, "template_sha256": "ab" * 8, "node": "n1", "level": 1, "operator": "expand"}
    judge = {key: value for key, value in told.items() if key != "stage"}
    for iteration, question, verdicts in ((1, "q1", (1,)), (1, "q2", (1, 0)), (2, "q1", ("no",)), (2, "q2", ())):
        here = place | {"iteration": iteration, "question": question, "field": "team"}
        ask = log.request("", here | {"stage": "ask"})
        log.attempt(ask)
        log.answer(ask)
        for verdict in verdicts:
            loose = log.request("", here | judge | {"stage": "loose"})
            log.attempt(loose)
            log.answer(loose, chat(f"<conflict>{verdict}</conflict>"))
    rows = rows_of(log.folder)
    asked = [row for row in rows if row["stage"] == "ask"]
    assert [row["conflict"] for row in asked] == [True, False, None, None]
    assert [row["conflict"] for row in rows if row["stage"] == "loose"] == [True, True, False, None]
    assert {row["template"] for row in rows} == {"t1-i1 n1"}
    assert {(row["model"], row["field"], row["operator"], row["level"]) for row in rows} == {
        ("p/t", "team", "expand", 1)
    }


def test_what_its_attempts_met_and_what_they_may_have_cost_is_said_of_a_row(tmp_path: Path) -> None:
    """Each kind of failure once; attempts that nobody knows of at their reservation, which may be unknown; else 0."""
    log = LogWriter(tmp_path / "run").record()
    answered, failed, unpriced, untried, open_ = (log.request() for _ in range(5))
    for number in (1, 2):
        log.attempt(answered, number)
        log.settle(answered, number)
    log.attempt(answered, 3)
    log.answer(answered, number=3)
    log.attempt(failed)
    log.settle(failed, billing=Billing.MAYBE)
    log.attempt(failed, 2)
    log.attempt(failed, 3)
    log.settle(failed, 3)
    log.fail(failed)
    log.attempt(unpriced, reserved_usd=None)
    log.settle(unpriced, billing=Billing.MAYBE)
    log.attempt(unpriced, 2)
    log.settle(unpriced, 2, billing=Billing.MAYBE)
    log.fail(untried)
    log.attempt(open_)
    rows = rows_of(log.folder)
    told = [(row["attempt_failure"], row["cost_usd"], row["maybe_billed"], row["maybe_usd"]) for row in rows]
    assert told == [
        ("throttled", 0.25, 0, 0.0),
        ("killed\nthrottled", 0.0, 2, 1.0),
        ("throttled", 0.0, 2, None),
        (None, 0.0, 0, 0.0),
        (None, 0.0, 1, 0.5),
    ]


def test_a_duplicate_has_no_latency(tmp_path: Path) -> None:
    """It took no call, so that nobody measured one."""
    log = LogWriter(tmp_path / "run").record()
    asked, copy = log.request(), log.request()
    log.answer(asked)
    log.answer(copy, duplicate_of=asked)
    assert [row["latency_s"] is None for row in rows_of(log.folder)] == [False, True]


def test_an_imported_row_that_failed_elsewhere_has_no_known_cost(tmp_path: Path) -> None:
    """It was not this run that paid, or did not pay, for it."""
    costs = []
    for kind in ("import", "manifest"):
        log = LogWriter(tmp_path / kind).record(source=Source(kind, "f.jsonl", "0" * 64))
        log.fail(log.request())
        costs += [row["cost_usd"] for row in rows_of(log.folder)]
    assert costs == [None, 0.0]


def test_a_run_without_requests_has_its_items_for_rows(tmp_path: Path) -> None:
    """Imported scores: the first score of each item; of lines of one id the last."""
    log = LogWriter(tmp_path / "run").record()
    for item, value in (("a", 1.0), ("b", 2.0), ("a", 3.0)):
        scored = Item(item=item, candidate=f"caption {item}", system="s", scores={"BLEU-4": {"overall": value}})
        log.raw(Log.ITEMS, msgspec.json.encode(scored)[1:])
    rows = rows_of(log.folder)
    assert [(row["request"], row["item"], row["score"], row["dimension"], row["model"]) for row in rows] == [
        (2, "b", 2.0, "BLEU-4", "s"),
        (3, "a", 3.0, "BLEU-4", "s"),
    ]


def test_rows_are_made_anew_only_when_the_log_has_grown(tmp_path: Path) -> None:
    """The same files as long as the tables are the same; with one more answer, other rows."""
    log = LogWriter(tmp_path / "run").record()
    request = log.request()
    made = browse_table(load_run(log.folder))
    before = made.stat()
    assert browse_table(load_run(log.folder)).stat() == before
    log.attempt(request)
    log.answer(request)
    assert rows_of(log.folder)[0]["state"] == "answered"


def test_rows_come_out_the_same_in_parts_of_any_size(tmp_path: Path, monkeypatch: Any) -> None:
    """A part ends after so many bytes of text, and after so many rows; nothing is lost or exchanged between them."""
    log = LogWriter(tmp_path / "run").record()
    requests = [log.request(f"r{number}") for number in range(40)]
    for request in reversed(requests):
        log.attempt(request)
        log.answer(request, chat(f"{request} " * (request % 7 * 100)))
    whole = rows_of(log.folder)
    shown = RowIndex.open(load_run(log.folder)).page(Query(sort="custom_id")).rows
    monkeypatch.setattr(gathering, "BYTES", 4000)
    (log.folder / "tables" / "browsing" / "made.json").unlink()
    assert rows_of(log.folder) == whole
    assert RowIndex.open(load_run(log.folder)).page(Query(sort="custom_id")).rows == shown
    assert [row["excerpt"] for row in whole] == [(f"{one} " * (one % 7 * 100))[:200] for one in requests]


def test_the_columns_are_those_that_are_told(tmp_path: Path) -> None:
    """Names and types as documented, also of a run without a row."""
    log = LogWriter(tmp_path / "run").record()
    table = pl.read_parquet(browse_table(load_run(log.folder)))
    assert dict(table.schema) == {name: pl.Series([], dtype=kind).dtype for name, kind in BROWSE.schema.items()}
    assert json.loads((log.folder / "tables" / "browsing" / "made.json").read_text())["format"]


def test_rows_of_a_large_run_are_there_after_the_block_beside_which_they_are_made(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """Those of a small one wait until somebody opens them; what cannot be made is told to who opens it."""
    log = LogWriter(tmp_path / "run").record()
    log.answer(log.request())
    run = load_run(log.folder)
    rows = log.folder / "tables" / "browsing" / "rows.parquet"
    with rows_meanwhile([run]):
        pass
    assert not rows.exists()
    monkeypatch.setattr(making, "_LARGE", 1)
    with rows_meanwhile([run]):
        pass
    made = rows.stat().st_ino
    assert browse_table(run).stat().st_ino == made
    rows.unlink()
    monkeypatch.setattr(making, "make", lambda *_: 1 / 0)
    monkeypatch.setattr(making, "_command", lambda *_: ["/there/is/none"])
    with rows_meanwhile([run]):
        pass
    with pytest.raises(ZeroDivisionError):
        browse_table(run)
