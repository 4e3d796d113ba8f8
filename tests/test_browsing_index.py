"""Rows filtered, sorted, searched and paged: the same as plain Python does it over the same rows."""

from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outputs.browsing.columns import FILTERED, SORTED, Filter
from outputs.browsing.index import Beside, RowIndex
from outputs.browsing.query import NOTHING, Query, parse_query
from outputs.tables.loading import LoadedRun, load_run
from prompts.input_error import InputError
from providers.wire import FailureKind
from tests.harness.log_writing import LogWriter, chat

MODELS = ("a", "Ä", "<script>", "=1+1", "\u202ex", "c,\"d'", "", "p\x00q")
TEXTS = (
    "Yes.",
    "no [1-9]* \\d+ (x",
    "ÄRGER Straße ΟΔΟΣ, οδος",
    "日本語の答え",
    "a\x00b",
    "100% _under_ .*",
    "line\nline",
    "",
)
SCORE = "Accuracy: [[{0}]]\nCompleteness: [[70]]\nConciseness: [[80]]\nRelevance: [[90]]"
WORDS = [*(text[1:] for text in TEXTS), "row 1", "STRASSE", "οδοσ", "οδοσ,", "ΟΔΟΣ", "REFUSED", "*", ".", "\uffff"]
CHOICES: dict[str, st.SearchStrategy[Any]] = {
    "model": st.sampled_from([*MODELS, "nobody", "openai/m"]),
    "stage": st.sampled_from(["judge", "answer", "", "zzz"]),
    "dataset": st.sampled_from(["", "x", "y"]),
    "state": st.sampled_from(["answered", "failed", "open"]),
    "outcome": st.sampled_from(["ok", "unparseable", ""]),
    "level": st.sampled_from([0, 1, 2, 3, 4, ""]),
    "score": st.sampled_from([0.0, 40.0, ""]),
    "score_min": st.sampled_from([0, 20, 20.5, 60, 61]),
    "score_max": st.sampled_from([-1, 0, 20, 20.5, 60]),
    "attempt_failure": st.sampled_from(["throttled", "timed_out", "throttled\ntimed_out", "thr", ""]),
    "by_batch": st.sampled_from([True, False, ""]),
    "custom_id": st.sampled_from(["row 3", "ROW 3", ""]),
    "q": st.sampled_from(WORDS),
}
FILTERS = st.lists(  # few at once, so that they select something
    st.one_of([st.tuples(st.just(name), values) for name, values in CHOICES.items()]), max_size=2
).map(dict)
QUERIES = st.builds(Query, FILTERS, st.sampled_from(SORTED), st.booleans(), st.integers(0, 30), st.integers(1, 20))


def write_rows(folder: Path) -> LoadedRun:
    """A run of 60 rows, of all kinds, landed in another order than they were asked in."""
    log, told = LogWriter(folder).judged()
    requests = []
    for number in range(60):
        about: dict[str, Any] = {"dataset": ("x", "y", "")[number % 3], "level": number % 5}
        about |= told if number % 2 else {"stage": "answer" if number % 4 else None}
        model = MODELS[number % len(MODELS)]
        requests.append(log.request(f"row {number}", {**about, "model": model or None}))
    for number, request in reversed(list(enumerate(requests))):
        if number % 7 == 3:
            continue
        for turn in range(number % 3):
            kind = FailureKind.TIMED_OUT if turn else FailureKind.THROTTLED
            log.attempt(request, turn + 1)
            log.settle(request, turn + 1, kind=kind)
        log.attempt(request, number % 3 + 1)
        if number % 7 == 5:
            log.fail(request, f"{TEXTS[number % len(TEXTS)]} refused")
            continue
        text = TEXTS[number % len(TEXTS)] + (SCORE.format(number % 4 * 20) if number % 3 else "")
        log.answer(
            request, chat(text), cost_usd=None if number % 5 else 0.25 * number, batch=7 if number % 6 == 0 else None
        )
    return load_run(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> LoadedRun:
    """The run, its tables made once."""
    return write_rows(tmp_path_factory.mktemp("browsing") / "run")


@pytest.fixture(scope="module")
def index(run: LoadedRun) -> RowIndex:
    """Its rows."""
    return RowIndex.open(run)


@pytest.fixture(scope="module")
def plain(run: LoadedRun, index: RowIndex) -> list[dict[str, Any]]:
    """The same rows as plain records, with their whole texts in `searched`."""
    rows = pl.read_parquet(run.tables["outcomes"].parent / "browsing" / "rows.parquet").to_dicts()
    answers = run.scan("responses").filter("counts").select("request", "text").collect().iter_rows()
    texts = dict(answers)
    messages = dict(run.scan("outcomes").select("request", "failure_message").collect().iter_rows())
    for row in rows:
        told = (row["custom_id"], texts.get(row["request"]), messages[row["request"]], row["reason"])
        row["searched"] = [folded(text) for text in told if text is not None]
    return rows


def folded(text: str) -> str:
    """A text without case, as a search sees it."""
    return text.lower().replace("ς", "σ").replace("\uffff", "\ufffd")


def selected(row: dict[str, Any], filters: Filter) -> bool:
    """Whether a filter selects a row, plainly."""
    for name, value in filters.items():
        if name == "q":
            holds = any(folded(str(value)) in text for text in row["searched"])
        elif name in ("score_min", "score_max"):
            score = row["score"]
            holds = score is not None and (score >= value if name == "score_min" else score <= value)
        elif name == "attempt_failure":
            holds = value in (row[name] or "").split("\n")
        else:
            holds = row[name] == value or (value == "" and row[name] is None)
        if not holds:
            return False
    return True


def ordered(rows: list[dict[str, Any]], query: Query) -> list[dict[str, Any]]:
    """Rows in a query's order: those without a value last, those that are equal as their requests are."""
    known = [row for row in rows if row[query.sort] is not None]
    known.sort(key=lambda row: row["request"])
    known.sort(key=lambda row: row[query.sort], reverse=query.descending)
    if query.descending:  # Python keeps the order of equal ones, also in reverse
        assert known == sorted(known, key=lambda row: row[query.sort], reverse=True)
    return known + [row for row in rows if row[query.sort] is None]


@settings(max_examples=300, deadline=None)
@given(query=QUERIES)
def test_a_page_is_what_plain_python_gives(index: RowIndex, plain: list[dict[str, Any]], query: Query) -> None:
    """The same rows in the same order, of the same number found, for any filters, order and place."""
    wanted = ordered([row for row in plain if selected(row, query.filters)], query)
    page = index.page(query)
    assert (page.found, page.total) == (len(wanted), len(plain))
    part = wanted[query.offset : query.offset + query.limit]
    assert list(page.rows) == [{name: row[name] for name in row if name != "searched"} for row in part]


@pytest.mark.parametrize("words", WORDS)
def test_a_search_finds_its_words_and_nothing_else(index: RowIndex, plain: list[dict[str, Any]], words: str) -> None:
    """In names, answers, failures and reasons, in any case; marks that mean more elsewhere are themselves here."""
    page = index.page(Query({"q": words}, limit=100))
    assert [row["request"] for row in page.rows] == [row["request"] for row in plain if selected(row, {"q": words})]


@settings(max_examples=60, deadline=None)
@given(query=QUERIES, place=st.integers(0, 59))
def test_neighbours_are_the_rows_before_and_after(
    index: RowIndex, plain: list[dict[str, Any]], query: Query, place: int
) -> None:
    """In the query's order; a row that the query does not select has none."""
    wanted = [row["request"] for row in ordered([row for row in plain if selected(row, query.filters)], query)]
    request = plain[place]["request"]
    if request not in wanted:
        assert index.neighbours(query, request) == Beside()
        return
    here = wanted.index(request)
    before, after, at = index.neighbours(query, request)
    assert at == here
    assert before == (wanted[here - 1] if here else None)
    assert after == (wanted[here + 1] if here + 1 < len(wanted) else None)


def test_menus_count_each_value_and_lead_to_its_rows(index: RowIndex, plain: list[dict[str, Any]]) -> None:
    """Every value of a menu selects as many rows as it says, the one of rows without a value too."""
    for column in ("model", "stage", "dataset", "state", "outcome", "level", "by_batch", "dimension"):
        values = index.values(column)
        assert sum(count for _, count in values) == len(plain)
        assert [index.count({column: value}) for value, _ in values] == [count for _, count in values]
    kinds = dict(index.values("attempt_failure"))
    assert {*kinds} == {"throttled", "timed_out", ""}
    assert {kind: index.count({"attempt_failure": kind}) for kind in kinds} == kinds
    assert index.more("attempt_failure") == 0
    assert index.values("custom_id") == []
    assert index.more("custom_id") == len(plain)


@pytest.mark.parametrize("column", FILTERED)
def test_nothing_selects_the_rows_without_a_value(index: RowIndex, plain: list[dict[str, Any]], column: str) -> None:
    """Of columns of every kind, as an address says it."""
    wanted = [row["request"] for row in plain if row[column] in (None, "")]
    found = index.page(parse_query({column: NOTHING, "limit": "100"})).rows
    assert [row["request"] for row in found] == wanted


def test_menus_have_the_most_frequent_of_many_values(tmp_path: Path) -> None:
    """At most 200, in order; and how many are left out."""
    log = LogWriter(tmp_path / "run").record()
    for number in range(450):
        log.request("", {"item": f"i{number % 300:03}"})
    index = RowIndex.open(load_run(log.folder))
    values = index.values("item")
    assert values == [(f"i{number:03}", 2 if number < 150 else 1) for number in range(200)]
    assert index.more("item") == 100


def test_a_run_under_another_name_has_that_name_in_its_rows(run: LoadedRun) -> None:
    """Two runs of one name are told apart also where their rows are shown."""
    renamed = load_run(run.folder, name="other")
    assert {row["run"] for row in RowIndex.open(renamed).page(Query()).rows} == {"other"}
    assert {row["run"] for row in RowIndex.open(run).page(Query()).rows} == {run.name}


def test_rows_that_were_made_anew_are_not_mixed_with_those_in_memory(tmp_path: Path) -> None:
    """An index of older rows says so, and does not show the texts of other rows."""
    log = LogWriter(tmp_path / "run").record()
    log.request("one")
    index = RowIndex.open(load_run(log.folder))
    log.request("two")
    newer = RowIndex.open(load_run(log.folder))
    for query in (Query(), Query({"q": "one"}), Query({"custom_id": "one"}), Query(sort="custom_id")):
        with pytest.raises(InputError, match="made anew"):
            index.page(query)
        assert newer.page(query).found >= 1


def test_hostile_cells_come_back_as_they_are(tmp_path: Path) -> None:
    """Line breaks, quotes, control characters and markup in names and answers are nothing but text."""
    odd = [
        '"\n\r\t\\',
        "\x00\x1b[31m\x7f\x85",
        "\u2028\u2029\u202e",
        "</script>",
        "{{7*7}}",
        "\ud7ff\ufffe\U0001f468\u200d",
    ]
    log = LogWriter(tmp_path / "run").record()
    for text in odd:
        request = log.request(text or "x", {"item": text, "dataset": text})
        log.attempt(request)
        log.answer(request, chat(text))
    rows = RowIndex.open(load_run(log.folder)).page(Query()).rows
    assert [(row["custom_id"], row["item"], row["dataset"], row["excerpt"]) for row in rows] == [(x,) * 4 for x in odd]
    assert msgspec.json.decode(msgspec.json.encode(rows))
