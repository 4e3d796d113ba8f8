"""The tables of a run: what each row says of the log, whatever happened to the run."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outputs.answers import count_requests, read_responses
from outputs.batches import Step
from outputs.fold import fold
from outputs.journal import Log
from outputs.tables.columns import TABLES
from outputs.tables.loading import load_run
from prompts.input_error import InputError
from providers.wire import Billing, Usage
from tests.harness.log_writing import AT, LogWriter, chat

SCORED = "Accuracy: [[90]]\nCompleteness: [[80]]\nConciseness: [[70]]\nRelevance: [[60]]"


@pytest.fixture
def log(tmp_path: Path) -> LogWriter:
    """The log of a plain manifest's run, without a line yet."""
    return LogWriter(tmp_path / "night").record()


def table(log: LogWriter, name: str, *columns: str) -> list[Any]:
    """The rows of a table; of one column its values."""
    frame = load_run(log.folder).scan(name).collect()
    assert dict(frame.schema) == TABLES[name].schema
    if len(columns) == 1:
        return frame[columns[0]].to_list()
    return frame.select(columns or frame.columns).rows()


def moment(seq: int) -> datetime:
    """The time that the line with this seq tells."""
    return datetime.fromtimestamp(AT, UTC) + timedelta(seconds=seq - 1)


def test_a_run_without_a_line_has_all_tables_without_rows(log: LogWriter) -> None:
    """An empty run's tables have all columns in their types, and missing log files are as empty ones."""
    for name, spec in TABLES.items():
        assert table(log, name) == []
        assert next(iter(spec.schema)) == "run"
    for file in Log:
        (log.folder / file.file_name).unlink()
    assert load_run(log.folder).counts.asked == 0


def test_a_request_keeps_what_was_said_of_it_and_how_it_stands(log: LogWriter) -> None:
    """Answered, failed, open and withdrawn requests are rows, derived ones with what they follow from."""
    first = log.request("a", {"stage": "ask", "item": "p1", "dataset": "d", "x": [1]})
    log.request("b")
    gone, failed = log.request("c"), log.request("d", provider="gemini", model="g")
    answer = log.answer(first)
    derived = log.request("e", after=answer)
    log.fail(failed)
    log.event("asked_changed", withdrawn=[gone])
    assert table(log, "requests", "custom_id", "state", "after", "provider", "model", "url") == [
        ("a", "answered", None, "openai", "m", "/v1/chat/completions"),
        ("b", "open", None, "openai", "m", "/v1/chat/completions"),
        ("c", "withdrawn", None, "openai", "m", "/v1/chat/completions"),
        ("d", "failed", None, "gemini", "g", "/v1/chat/completions"),
        ("e", "open", answer, "openai", "m", "/v1/chat/completions"),
    ]
    assert table(log, "requests", "stage", "item", "dataset", "metadata")[:2] == [
        ("ask", "p1", "d", '{"stage": "ask", "item": "p1", "dataset": "d", "x": [1]}'),
        ("", None, "", None),
    ]
    assert derived in table(log, "requests", "seq")


@pytest.mark.parametrize(
    ("metadata", "about"),
    [
        ({"item": 7, "stage": 3, "dataset": 0}, ("3", "7", "0")),
        ({"item": [1, "a"], "stage": {"b": None}, "dataset": True}, ('{"b":null}', '[1,"a"]', "true")),
        ({"item": 2**70, "stage": None, "dataset": 1.5}, ("", str(2**70), "1.5")),
        ({"item": "\x00ü\u2028"}, ("", "\x00ü\u2028", "")),
        ({}, ("", None, "")),
    ],
)
def test_metadata_of_any_type_is_text(log: LogWriter, metadata: dict[str, Any], about: tuple[str | None, ...]) -> None:
    """What a manifest says in numbers, lists or text that is none never breaks a table."""
    log.answer(log.request("a", metadata))
    for name in ("requests", "responses", "outcomes"):
        assert table(log, name, "stage", "item", "dataset") == [about]


def test_an_attempt_is_joined_with_what_settled_it(log: LogWriter) -> None:
    """Answers settle attempts as their failures do; an attempt that is under way is not settled."""
    rows = [log.request() for _ in range(3)]
    log.attempt(rows[0])
    log.attempt(rows[1], reserved_usd=None)
    refused = log.settle(rows[0])
    log.attempt(rows[0], 2)
    answered = log.answer(rows[0], number=2)
    lost = log.settle(rows[1], billing=Billing.MAYBE, message="a \x00 timeout")
    log.attempt(rows[2])
    log.answer(rows[1], cost_usd=None)  # which nobody tried: no attempt is its
    assert table(
        log, "attempts", "request", "attempt", "settled_at", "settled", "kind", "status", "message", "cost_usd"
    ) == [
        (rows[0], 1, moment(refused), "unbilled", "throttled", 429, "slow down", 0.0),
        (rows[1], 1, moment(lost), "maybe", "throttled", 429, "a \x00 timeout", None),
        (rows[0], 2, moment(answered), "answered", None, None, None, 0.25),
        (rows[2], 1, None, None, None, None, None, None),
    ]
    assert table(log, "attempts", "reserved_usd") == [0.5, None, 0.5, 0.5]


def test_an_attempt_that_the_next_one_follows_was_killed(log: LogWriter) -> None:
    """Whoever killed the process left no settlement: nobody knows whether that attempt was billed."""
    row = log.request()
    log.attempt(row)
    log.attempt(row, 2)
    log.answer(row, number=2)
    assert table(log, "attempts", "settled", "kind", "settled_at")[0] == ("maybe", "killed", None)
    assert table(log, "outcomes", "attempts", "cost_usd") == [(2, 0.25)]


def test_a_duplicate_is_an_answer_without_an_attempt(log: LogWriter) -> None:
    """A repeated answer counts for its own request, settles none of its attempts and costs nothing."""
    first, second = log.request(), log.request()
    log.attempt(first)
    log.attempt(second)
    log.answer(first, cost_usd=None)
    log.answer(second, cost_usd=0.0, duplicate_of=first)
    assert table(log, "responses", "request", "duplicate_of", "counts") == [(first, None, True), (second, first, True)]
    assert table(log, "attempts", "settled") == ["answered", None]
    assert table(log, "outcomes", "cost_usd") == [None, 0.0]


def test_the_last_answer_counts_and_all_are_paid(log: LogWriter) -> None:
    """A request that was answered twice has two answers, of which the later one is read."""
    log, told = LogWriter(log.folder).judged()
    row = log.request("a", {**told, "item": "i", "model": "x"})
    log.answer(row, chat("no score"))
    last = log.answer(row, chat(SCORED))
    assert table(log, "responses", "counts", "text") == [(False, "no score"), (True, SCORED)]
    assert table(log, "outcomes", "answer", "outcome", "reason", "cost_usd") == [(last, "ok", None, 0.5)]
    assert set(table(log, "scores", "seq")) == {last}


def test_a_failure_is_told_until_a_retry(log: LogWriter) -> None:
    """A finally failed request says why; put up again it is open, and its next failure is the one that counts."""
    row = log.request()
    log.fail(row, "first")
    assert table(log, "outcomes", "state", "failure", "failure_message") == [("failed", "row_refused", "first")]
    log.event("retry")
    assert table(log, "outcomes", "state", "failure", "failure_message") == [("open", None, None)]
    log.fail(row, "second")
    assert table(log, "outcomes", "failure_message") == ["second"]


def test_withdrawn_requests_have_no_outcome_and_no_score(log: LogWriter) -> None:
    """What is no longer asked for stays among requests and responses only, and comes back when it is asked again."""
    log, told = LogWriter(log.folder).judged()
    row = log.request("a", told)
    log.answer(row, chat(SCORED))
    log.event("asked_changed", withdrawn=[row])
    assert (table(log, "outcomes"), table(log, "scores")) == ([], [])
    assert table(log, "responses", "counts") == [False]
    log.event("asked_changed", restored=[row])
    assert table(log, "responses", "counts") == [True]
    assert table(log, "scores", "dimension", "value")[0] == ("accuracy", 90.0)


def test_an_answer_that_cannot_be_read_has_scores_without_values(log: LogWriter) -> None:
    """Unparseable, refused, cut, filtered and unreadable answers keep their rows; none of them is a number."""
    log, told = LogWriter(log.folder).judged()
    bodies = [
        chat("no score"), chat(None, message={"content": None, "refusal": "no"}),
        chat("Accuracy: [[9", finish_reason="length"), chat("x", finish_reason="content_filter"), b'"text"', b"[1]",
    ]  # fmt: skip
    for body in bodies:
        log.answer(log.request(metadata=told), body)
    outcomes = ["unparseable", "refused", "truncated", "filtered", "unparseable", "unparseable"]
    assert table(log, "outcomes", "outcome") == outcomes
    assert None not in table(log, "outcomes", "reason")
    rows = table(log, "scores", "outcome", "value", "sampled", "mode")
    assert rows == [(outcome, None, None, None) for outcome in outcomes for _ in range(len(rows) // len(outcomes))]


def test_scores_say_who_judged_what(log: LogWriter) -> None:
    """A judgement keeps what its job told of it; values of odd types are null or text."""
    log, told = LogWriter(log.folder).judged()
    said = {"item": "i", "model": "x/y", "reference": "r", "control": True, "turns": [1, 2], "turns_asked": 3}
    log.answer(log.request("a", told | said | {"repeat": 1, "swapped": True}, model="judge"), chat(SCORED))
    log.answer(log.request("b", told | {"turns": "x", "turns_asked": 2**70, "repeat": "1", "model": 5}), chat(SCORED))
    columns = ("item", "model", "reference", "control", "judge", "repeat", "swapped", "turns", "turns_asked")
    rows = dict.fromkeys(table(log, "scores", *columns))
    assert list(rows) == [
        ("i", "x/y", "r", True, "openai/judge", 1, True, 2, 3),
        (None, "5", None, False, "openai/m", None, False, None, None),
    ]


def test_tokens_are_counted_where_64_bits_hold_them(log: LogWriter) -> None:
    """Usage is in the answer's row; a count beyond 64 bits, and no usage at all, are null."""
    log.answer(log.request(), usage=Usage(10, 5, 3, 0, 2))
    log.answer(log.request(), usage=Usage(2**70, 5))
    log.answer(log.request())
    columns = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
    assert table(log, "responses", *columns) == [(10, 5, 3, 2), (None, 5, 0, 0), (None, None, None, None)]


def test_a_torn_last_line_is_not_there(log: LogWriter) -> None:
    """A run that is being written has the tables of its whole lines, and of all of them a moment later."""
    row = log.request()
    other = log.request()
    log.answer(row)
    log.raw(Log.RESPONSES, b'"request":%d,"id":"x"' % other, end=b"")
    assert table(log, "outcomes", "state") == ["answered", "open"]
    with (log.folder / Log.RESPONSES.file_name).open("ab") as file:
        file.write(b',"custom_id":"b","provider":"openai","model":"m","attempts":1,"at":1,"response":{"body":{}}}\n')
    assert table(log, "outcomes", "state") == ["answered", "answered"]


def test_lines_of_requests_that_are_not_there_are_left_out(log: LogWriter) -> None:
    """Whatever names a request without a line of its own is in no table."""
    row = log.request()
    log.requests[99] = log.requests[row]
    log.raw(Log.RESPONSES, b'"request":99,"custom_id":"x","provider":"p","model":"m","attempts":1,"response":{}}')
    log.attempt(99)
    log.settle(99)
    assert (table(log, "responses"), table(log, "attempts"), table(log, "outcomes", "state")) == ([], [], ["open"])


@pytest.mark.parametrize("file", [Log.REQUESTS, Log.ATTEMPTS, Log.RESPONSES, Log.ERRORS, Log.EVENTS, Log.ITEMS])
def test_a_damaged_line_is_named(log: LogWriter, file: Log) -> None:
    """A line that is no JSON is an error with its file and line, and no table is made."""
    log.answer(log.request())
    path = log.folder / file.file_name
    before = len(path.read_bytes().splitlines())
    with path.open("ab") as damaged:
        damaged.write(b'{"seq": oh\n')
    with pytest.raises(InputError, match="damaged") as caught:
        load_run(log.folder)
    assert (caught.value.file, caught.value.line) == (str(path), before + 1)
    assert not list(log.folder.glob("tables/*"))


def test_a_run_is_simulated_where_anything_in_it_is(log: LogWriter) -> None:
    """The record, an event or an item may say so, and then the record and the scores do."""
    assert not load_run(log.folder).record.simulated
    log.raw(Log.ITEMS, b'"item":"i","fields":{"simulated":true}}')
    assert load_run(log.folder).record.simulated
    (log.folder / Log.ITEMS.file_name).write_bytes(b"")
    assert not load_run(log.folder).record.simulated
    log.event("simulated")
    assert load_run(log.folder).record.simulated


def test_other_programs_read_the_tables_as_documented(log: LogWriter) -> None:
    """DuckDB finds the documented columns in the documented types, and times in UTC."""
    log, told = LogWriter(log.folder).judged()
    row = log.request("a", told)
    log.attempt(row)
    landed = log.answer(row, chat(SCORED))
    types: dict[object, str] = {pl.String: "VARCHAR", pl.Int64: "BIGINT", pl.Float64: "DOUBLE", pl.Boolean: "BOOLEAN"}
    paths = load_run(log.folder).tables
    with duckdb.connect() as base:
        base.execute("SET TimeZone = 'Asia/Tokyo'")
        for name, spec in TABLES.items():
            found = base.execute(f"DESCRIBE SELECT * FROM '{paths[name]}'").fetchall()
            wanted = [(key, types.get(dtype, "TIMESTAMP WITH TIME ZONE")) for key, dtype in spec.schema.items()]
            assert [(column, kind) for column, kind, *_ in found] == wanted
        epoch = base.execute(f"SELECT epoch_ms(landed_at) FROM '{paths['responses']}'").fetchall()
    assert epoch == [(round(moment(landed).timestamp() * 1000),)]


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "request",
                "attempt",
                "by_batch",
                "polled",
                "settle",
                "billed",
                "answer",
                "unpriced",
                "duplicate",
                "fail",
                "retry",
                "withdraw",
                "restore",
            ]
        ),
        st.integers(0, 3),
    ),
    max_size=40,
)


def _write(log: LogWriter, steps: list[tuple[str, int]]) -> None:
    rows = [log.request(metadata={"item": n}) for n in range(4)]
    batch = log.step(Step.BEGUN, key="on-1", rows=4)
    doing: dict[str, Callable[[int], int]] = {
        "request": lambda row: log.request(after=row),
        "attempt": log.attempt,
        "by_batch": lambda row: log.attempt(row, batch=batch),
        "settle": log.settle,
        "billed": lambda row: log.attempt(row) and log.settle(row, billing=Billing.BILLED, cost_usd=0.125),
        "answer": lambda row: log.answer(row, chat(f"answer {log.seq}")),
        "unpriced": lambda row: log.answer(row, cost_usd=None),
        "duplicate": lambda row: log.answer(row, cost_usd=0.0, duplicate_of=rows[0]),
        "fail": log.fail,
        "retry": lambda _: log.event("retry"),
        "withdraw": lambda row: log.event("asked_changed", withdrawn=[row]),
        "restore": lambda row: log.event("asked_changed", restored=[row]),
        "polled": lambda _: log.step(Step.POLLED, batch, status="in_progress"),
    }
    for step, place in steps:
        doing[step](rows[place])


@settings(max_examples=40, deadline=None)
@given(_STEPS)
def test_tables_tell_what_the_fold_and_its_readers_tell(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    """Whatever happened in whatever order, counts, answers, attempts and money are those of the slow reading."""
    log = LogWriter(tmp_path_factory.mktemp("log") / "night").record()
    _write(log, steps)
    state, run = fold(log.folder), load_run(log.folder)
    [lane] = state.lanes
    frames = {name: run.scan(name).collect() for name in TABLES}
    assert run.counts == count_requests(log.folder)
    states = frames["outcomes"]["state"].to_list()
    assert (len(states), states.count("answered"), states.count("failed")) == (lane.asked, lane.answered, lane.failed)
    counting = frames["responses"].filter("counts")
    read = [(line.seq, line.request, line.completion.text) for line in read_responses(log.folder)]
    assert counting.select("seq", "request", "text").rows() == read
    assert sorted(frames["outcomes"]["answer"].drop_nulls()) == [seq for seq, *_ in read]
    attempts = frames["attempts"]
    assert attempts.height == lane.attempts
    assert attempts["settled"].null_count() == len(state.open_attempts) + lane.in_batches
    assert attempts.filter(pl.col("kind") == "killed").height == lane.failures.get("killed", 0)
    paid = frames["responses"].filter(pl.col("duplicate_of").is_null())["cost_usd"]
    billed = attempts.filter(pl.col("settled") == "billed")["cost_usd"]
    total = pl.concat([paid, billed]).sum()
    assert (round(total, 9), paid.null_count()) == (lane.cost_usd, lane.unpriced)
    assert billed.len() == lane.billed_unanswered
