"""Batches in the tables of a run: a row for each of them, and which rows went by one."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from outputs.analysis import analyze_runs
from outputs.batches import Step
from outputs.report import Report
from outputs.tables.columns import LINE_KINDS, TABLES
from outputs.tables.loading import load_run
from providers.batches.wire import Counts
from providers.wire import Billing
from tests.harness.log_writing import AT, LogWriter

BEGUN: dict[str, Any] = {"key": "on-1a", "provider": "openai", "model": "m", "group": "/v1/chat/completions"}


@pytest.fixture
def log(tmp_path: Path) -> LogWriter:
    """The log of a plain manifest's run, without a line yet."""
    return LogWriter(tmp_path / "night").record()


def table(log: LogWriter, name: str, *columns: str) -> list[Any]:
    """The rows of a table, of these columns."""
    frame = load_run(log.folder).scan(name).collect()
    assert dict(frame.schema) == TABLES[name].schema
    return frame.select(columns).rows()


def moment(seq: int) -> datetime:
    """The time that the line with this seq tells."""
    return datetime.fromtimestamp(AT, UTC) + timedelta(seconds=seq - 1)


def page(report: Report) -> str:
    """What the terminal shows."""
    console = Console(width=100, file=io.StringIO())
    console.print(report.page)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def one_batch(log: LogWriter) -> tuple[int, int]:
    """A batch of two rows, of which one was answered and one was billed in vain; its seq and the last line's."""
    rows = [log.request(), log.request()]
    batch = log.step(Step.BEGUN, **BEGUN, rows=2, bytes=640)
    for row in rows:
        log.attempt(row, batch=batch)
    log.step(Step.UPLOADING, batch)
    log.step(Step.UPLOADED, batch, file="file-1")
    log.step(Step.CREATING, batch)
    log.step(Step.CREATED, batch, id="batch_1", status="validating", created_at=AT + 0.5, expires_at=AT + 86_400)
    log.step(Step.POLLED, batch, status="in_progress", counts=Counts(2, 1, 0))
    log.step(Step.ENDED, batch, status="completed")
    log.answer(rows[0], batch=batch, cost_usd=0.125)
    log.settle(rows[1], billing=Billing.BILLED, message="torn", cost_usd=0.25)
    return batch, log.step(Step.SETTLED, batch, lines={"answered": 1, "unreadable": 1, "torn": 2})


def test_a_settled_batch_is_a_row_with_its_ids_times_and_lines(log: LogWriter) -> None:
    """What its lines told one after the other stands together, and each kind of line is counted, also those of none."""
    batch, last = one_batch(log)
    ids = table(log, "batches", "seq", "key", "provider", "model", "rows", "bytes", "id", "file", "status", "step")
    assert ids == [(batch, "on-1a", "openai", "m", 2, 640, "batch_1", "file-1", "completed", "settled")]
    [times] = table(log, "batches", "begun_at", "created_at", "expires_at", "ended_at", "settled_at")
    provider = datetime.fromtimestamp(AT, UTC)
    assert times == (
        moment(batch), provider + timedelta(seconds=0.5), provider + timedelta(days=1), moment(last - 3), moment(last),
    )  # fmt: skip
    assert table(log, "batches", *LINE_KINDS) == [(1, 0, 0, 0, 0, 1, 0, 0, 2)]


def test_a_batch_on_its_way_has_no_end_and_no_lines(log: LogWriter) -> None:
    """What has not happened yet is null, not 0; a wish to cancel is no step; a dropped batch never ran."""
    first = log.step(Step.BEGUN, **BEGUN, rows=5)
    second = log.step(Step.BEGUN, **BEGUN | {"key": "on-2b"}, rows=3)
    log.step(Step.CREATED, first, id="batch_1")
    log.step(Step.CANCELLING, first)
    dropped = log.step(Step.DROPPED, second, note="token_limit_exceeded")
    log.step(Step.POLLED, 999, status="whose")
    columns = ("key", "rows", "step", "cancelling", "ended_at", "settled_at", "note", "answered", "torn")
    assert table(log, "batches", *columns) == [
        ("on-1a", 5, "created", True, None, None, None, None, None),
        ("on-2b", 3, "dropped", False, None, moment(dropped), "token_limit_exceeded", None, None),
    ]


def test_rows_say_which_batch_they_went_by(log: LogWriter) -> None:
    """Attempts and answers of a batch name it, those of online calls name none; a batch's own lines are no attempts."""
    batch, _ = one_batch(log)
    online = log.request()
    log.attempt(online)
    log.answer(online)
    assert table(log, "attempts", "batch", "settled", "cost_usd") == [
        (batch, "answered", 0.125), (batch, "billed", 0.25), (None, "answered", 0.25),
    ]  # fmt: skip
    assert table(log, "responses", "batch", "cost_usd") == [(batch, 0.125), (None, 0.25)]
    assert table(log, "outcomes", "state", "cost_usd") == [("answered", 0.125), ("open", 0.25), ("answered", 0.25)]


def test_numbers_beyond_64_bits_are_null(log: LogWriter) -> None:
    """A count that no column holds breaks no table."""
    batch = log.step(Step.BEGUN, **BEGUN, rows=2**70, bytes=-(2**70))
    log.step(Step.CREATED, batch, created_at=1e300, expires_at=-5.0)
    log.step(Step.SETTLED, batch, lines={"answered": 2**70, "of a later version": 3})
    columns = ("rows", "bytes", "created_at", "expires_at", "answered", "failed")
    assert table(log, "batches", *columns) == [(None, None, None, None, None, 0)]


def test_an_analysis_begins_with_what_came_by_batch(log: LogWriter) -> None:
    """Answers by batch and attempts billed in vain are counted in the document, and told where there are any."""
    row = log.request()
    log.answer(row)
    report = analyze_runs([log.folder])
    [run] = report.document["runs"]
    assert (run["by_batch"], run["billed_unanswered"]) == (0, 0)
    assert "atch" not in page(report)
    one_batch(log)
    report = analyze_runs([log.folder])
    [run] = report.document["runs"]
    assert (run["by_batch"], run["billed_unanswered"]) == (1, 1)
    assert "By batch: 1 of the answers." in page(report)
    assert "Attempts billed without an answer: 1." in page(report)


def test_tables_of_an_earlier_format_are_made_anew(log: LogWriter) -> None:
    """A folder whose tables know nothing of batches has them made again."""
    one_batch(log)
    made = load_run(log.folder).tables
    made["batches"].unlink()
    assert pl.read_parquet(load_run(log.folder).tables["batches"]).height == 1
