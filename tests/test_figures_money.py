"""How a report opens, and what it says of money, time and failures: each number is that of the rows it names."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import polars as pl
import pytest
from rich.console import Console
from rich.text import Text

from outputs.answers import RowCounts
from outputs.figures.drawing import svg
from outputs.figures.failures import failures_section
from outputs.figures.money import money_section
from outputs.figures.opening import opening_section
from outputs.figures.parts import Analysis, Part, Section
from outputs.figures.sections import sections_of
from outputs.report import Report
from outputs.run_record import Source
from outputs.run_summary import coverage_table, summarise, summary_page
from outputs.tables.loading import LoadedRun
from tests.harness.table_runs import table_run

EVENING = datetime(2025, 3, 1, 22, tzinfo=UTC)
HOSTILE = "</text><script>alert(1)</script>\u202e\x00"


def analysis(*runs: LoadedRun) -> Analysis:
    coverage = pl.concat([coverage_table(run) for run in runs])
    return Analysis(runs, Report({"coverage": coverage}, {}, Text()))


def part_of(section: Section | None, name: str) -> Part:
    assert section is not None
    return next(part for part in section.parts if part.name == name)


def answer(number: int, model: str = "m", usd: float | None = 0.5, **told: Any) -> dict[str, Any]:
    at = EVENING + timedelta(minutes=number)
    about = {"request": number, "provider": "lab", "model": model, "stage": "ask", "counts": True}
    return {"seq": 100 + number, **about, "landed_at": at, "cost_usd": usd, "latency_s": float(number), **told}


def attempt(number: int, settled: str | None = "answered", **told: Any) -> dict[str, Any]:
    about = {"seq": number, "request": number, "provider": "lab", "model": "m", "settled": settled}
    return {**about, "began_at": EVENING + timedelta(seconds=number), **told}


def outcome(number: int, state: str = "answered", **told: Any) -> dict[str, Any]:
    about = {"request": number, "provider": "lab", "model": "m", "stage": "ask", "dataset": ""}
    return {**about, "item": str(number), "state": state, "cost_usd": 0.0, **told}


@pytest.fixture
def night(tmp_path: Path) -> LoadedRun:
    """Three answers, one of them unpriced, an attempt that was billed for nothing and two that maybe were."""
    lost = [
        attempt(4, "billed", kind="unreadable", cost_usd=0.25, settled_at=EVENING + timedelta(minutes=9)),
        attempt(5, "maybe", kind="time-out", reserved_usd=2.0),
        attempt(6, "maybe", kind="time-out", reserved_usd=None, status=504),
    ]
    ended = [
        *(outcome(number) for number in (1, 2)),
        outcome(3, outcome="refused", reason="I will not"),
        outcome(4, "failed", failure="unreadable", failure_message="not JSON"),
        *(outcome(number, "failed", failure="time-out", failure_message="no answer") for number in (5, 6)),
        outcome(7, "open"),
    ]
    responses = [answer(1), answer(2, usd=None), answer(3, model="n", batch=9, duplicate_of=1)]
    attempts = [*(attempt(number) for number in (1, 2, 3)), *lost]
    return table_run(tmp_path / "night", {"responses": responses, "attempts": attempts, "outcomes": ended})


def test_what_it_cost_keeps_the_settled_the_maybe_and_the_unpriced_apart(night: LoadedRun) -> None:
    """Billed attempts count as settled; what nobody knows, and what has no price, is in no sum."""
    row = part_of(opening_section(analysis(night)), "cost").frame.row(0, named=True)
    assert (row["settled_usd"], row["maybe_usd"], row["maybe"], row["unpriced"]) == (1.25, 2.0, 2, 1)
    assert (row["billed_unanswered"], row["by_batch"], row["duplicates"]) == (1, 1, 1)


def test_a_cost_of_which_nothing_is_known_is_not_nothing(tmp_path: Path) -> None:
    """Where no answer has a price, and no attempt a reservation, the amounts are not defined."""
    attempts = [attempt(1), attempt(2, "maybe")]
    run = table_run(tmp_path / "r", {"responses": [answer(1, usd=None)], "attempts": attempts})
    row = part_of(opening_section(Analysis([run], Report({}, {}, Text()))), "cost").frame.row(0, named=True)
    assert (row["settled_usd"], row["maybe_usd"]) == (None, None)


def test_cost_by_model_adds_up_to_what_the_run_cost(night: LoadedRun) -> None:
    """Each lane has its sums, the dearest first, and leads to its rows."""
    found = analysis(night)
    part = part_of(money_section(found), "cost_by_model")
    assert part.frame.select("lane", "settled_usd").rows() == [("lab/m", 0.75), ("lab/n", 0.5)]
    assert part.filters == [{"lane": "lab/m"}, {"lane": "lab/n"}]
    assert part.frame["per_thousand_usd"].to_list() == [750.0, None]
    assert part.frame["settled_usd"].sum() == part_of(opening_section(found), "cost").frame["settled_usd"].sum()


def test_spend_over_the_night_ends_where_the_night_did(night: LoadedRun) -> None:
    """Answers and USD rise to all there were; the last line is the attempt that was billed at the end."""
    part = part_of(money_section(analysis(night)), "over_time")
    assert part.frame["all_answers"].to_list() == [0, 1, 2, 3, 3]
    assert part.frame["all_usd"].to_list() == [0.0, 0.5, 0.5, 1.0, 1.25]
    assert part.frame["until"][-1] == "2025-03-01 22:09:05"
    assert part.frame["usd"].to_list() == [0.0, 0.5, None, 0.5, 0.25]
    assert part.frame["all_unpriced"].to_list() == [0, 0, 1, 1, 1]
    assert "USD settled, which come to 1.25, without 1 that have no known price" in part.alt
    assert "Unpriced:" in part.note
    assert "leads to no rows: overnight view, sorted by landed_at, lists them" in part.note


def imported(number: int, **told: Any) -> dict[str, Any]:
    """An answer that came elsewhere, at no time that is known: its line has that of the import."""
    return answer(number, attempts=0, landed_at=EVENING + timedelta(days=9), **told)


def test_an_import_has_no_night(tmp_path: Path) -> None:
    """Nothing is drawn of it over time, which a note says; and the time of its import is not that of an answer."""
    run = table_run(tmp_path / "r", {"responses": [imported(1), imported(2)], "outcomes": [outcome(1), outcome(2)]})
    run = replace(run, record=msgspec.structs.replace(run.record, source=Source("import", "old.jsonl", "")))
    found = analysis(run)
    section = money_section(found)
    assert section is not None
    assert not [part for part in section.parts if "time" in part.name]
    assert section.notes == ["Over time: r is not drawn; it was imported, and when its answers came is not known."]
    dates = part_of(opening_section(found), "dates")
    assert dates.frame.select("began", "ended", "took").row(0) == ("n/a", "n/a", "n/a")
    assert "not known" in dates.note


def test_a_night_is_of_the_answers_that_came_in_it(tmp_path: Path) -> None:
    """Those that the run was imported with are left out of it, and counted in a note; a duplicate came in it."""
    copy = answer(3, attempts=0, duplicate_of=2)
    tables = {"responses": [imported(1), answer(2, attempts=1), copy], "attempts": [attempt(2)]}
    found = analysis(table_run(tmp_path / "r", tables))
    section = money_section(found)
    assert section is not None
    assert part_of(section, "over_time").frame["all_answers"].to_list() == [0, 1, 2]
    assert section.notes == ["Over time: without 1 of the answers of r, which were imported."]
    assert part_of(opening_section(found), "dates").frame["ended"].to_list() == ["2025-03-01 22:03:00"]
    assert part_of(opening_section(found), "dates").note == ""


def test_nights_that_are_not_drawn_are_counted(tmp_path: Path) -> None:
    """Of many runs the first twelve that have a night have a part; imports are none of them."""
    tables = {"responses": [answer(1)]}
    there = [table_run(tmp_path / f"r{number:02}", tables) for number in range(14)]
    section = money_section(analysis(table_run(tmp_path / "i", {"responses": [imported(1)]}), *there))
    assert section is not None
    assert len([part for part in section.parts if "over_time" in part.name]) == 12
    assert section.parts[1].title.endswith("r00")
    assert section.notes[1:] == ["Over time: the first 12 of 14 runs are drawn, the other 2 left out."]


def test_spend_of_which_nothing_is_known_is_no_line(tmp_path: Path) -> None:
    """Without any price USD are n/a throughout, in the table, the words and the sums of coverage; no line is at 0."""
    tables = {
        "responses": [answer(1, usd=None), answer(2, usd=None)],
        "attempts": [attempt(1), attempt(2)],
        "outcomes": [outcome(1, cost_usd=None), outcome(2, cost_usd=None), outcome(3, "failed", stage="judge")],
    }
    found = analysis(table_run(tmp_path / "r", tables))
    part = part_of(money_section(found), "over_time")
    assert set(part.frame["usd"]) | set(part.frame["all_usd"]) == {None}
    assert "n/a" in part.alt
    assert "n/a" in part.note
    assert part.chart is not None
    assert "USD" not in svg(part.chart)
    assert found.table("coverage").select("stage", "cost_usd", "unpriced").rows() == [("ask", None, 2), ("judge", 0, 0)]


def test_spend_is_not_known_until_something_has_a_price(tmp_path: Path) -> None:
    """While only answers without a price are there, USD in all are n/a; the line begins with the first price."""
    run = table_run(tmp_path / "r", {"responses": [answer(1, usd=None), answer(2)], "attempts": [attempt(1)]})
    part = part_of(money_section(analysis(run)), "over_time")
    assert part.frame["all_usd"].to_list() == [0.0, None, 0.5]


def test_attempts_that_have_not_settled_are_maybe_billed(tmp_path: Path) -> None:
    """Cut off by a kill, or under way: they are in the sums, as the viewer counts them, and the notes say how many."""
    cut_off = [attempt(number, None, reserved_usd=0.25) for number in (2, 3)]
    tables = {
        "responses": [answer(1)],
        "attempts": [attempt(1), *cut_off, attempt(4, "maybe", kind="time-out", reserved_usd=1.0)],
        "outcomes": [outcome(1)],
    }
    found = analysis(table_run(tmp_path / "r", tables))
    for section, name in ((opening_section(found), "cost"), (money_section(found), "cost_by_model")):
        part = part_of(section, name)
        assert part.frame.select("maybe", "maybe_usd").rows() == [(3, 1.5)]
        assert part.note.endswith("Unsettled attempts (under way, or cut off) count as maybe billed: 2.")
    failures = failures_section(found)
    assert part_of(failures, "failed_attempts").frame["attempts"].to_list() == [1]
    assert failures is not None
    assert failures.notes[1] == "Unsettled attempts (under way, or cut off) are not among those that failed: 2."


def test_a_duplicate_took_no_time_and_told_no_tokens_because_nobody_was_called(tmp_path: Path) -> None:
    """It is no answer that was measured, nor one that did not tell its tokens."""
    copies = [answer(number, duplicate_of=1, latency_s=0.0) for number in (2, 3)]
    told = [answer(1, input_tokens=7, latency_s=4.0), *copies]
    section = money_section(analysis(table_run(tmp_path / "r", {"responses": told})))
    assert part_of(section, "latency").frame.select("measured", "median_s").rows() == [(1, 4.0)]
    assert part_of(section, "tokens").frame.select("answers", "input_tokens", "untold").rows() == [(3, 7, 0)]


def test_tokens_that_nobody_told_are_not_none(tmp_path: Path) -> None:
    """A lane whose answers told no usage has n/a tokens; another has the sum of those that did."""
    told = [answer(2, model="n", input_tokens=7), answer(3, model="n")]
    run = table_run(tmp_path / "r", {"responses": [answer(1), *told]})
    frame = part_of(money_section(analysis(run)), "tokens").frame.sort("lane")
    columns = frame.select("lane", "input_tokens", "output_tokens", "untold")
    assert columns.rows() == [("lab/m", None, None, 1), ("lab/n", 7, None, 1)]


def test_latency_is_of_calls_and_not_of_batches(night: LoadedRun) -> None:
    """Median and 95th percentile are those of the answers that somebody measured and no batch brought."""
    frame = part_of(money_section(analysis(night)), "latency").frame
    assert frame.select("lane", "measured", "median_s", "p95_s").rows() == [("lab/m", 2, 1.5, 1.95)]


def test_failures_are_counted_by_class_and_lead_to_their_rows(night: LoadedRun) -> None:
    """Attempts, final failures, outcomes and reasons each add up to what is in the tables."""
    section = failures_section(analysis(night))
    failed = part_of(section, "failed_attempts").frame
    assert failed.select("kind", "status", "attempts", "billed", "maybe").rows() == [
        ("time-out", "504", 2, 0, 2),
        ("unreadable", "", 1, 1, 0),
    ]
    assert list(part_of(section, "failed_attempts").filters) == [
        {"lane": lane, "attempt_failure": kind} for kind, lane in failed.select("kind", "lane").iter_rows()
    ]
    final = part_of(section, "final_failures")
    assert final.frame.select("failure", "requests", "message").rows() == [
        ("time-out", 2, "no answer"),
        ("unreadable", 1, "not JSON"),
    ]
    assert final.filters[0] == {"state": "failed", "failure": "time-out", "lane": "lab/m", "stage": "ask"}
    unread = part_of(section, "outcomes_not_ok")
    assert unread.frame.select("outcome", "answers", "share").rows() == [("refused", 1, 1.0)]
    assert part_of(section, "reasons").filters == [{"outcome": "refused", "reason": "I will not"}]


def test_a_night_without_faults_has_no_section_of_failures(tmp_path: Path) -> None:
    """Where nothing failed there is nothing to show, and where nothing was asked there is no cost."""
    run = table_run(tmp_path / "r", {"responses": [answer(1)], "attempts": [attempt(1)], "outcomes": [outcome(1)]})
    assert failures_section(analysis(run)) is None
    assert money_section(analysis(table_run(tmp_path / "empty", {}))) is None
    assert opening_section(analysis(table_run(tmp_path / "other", {}))).parts[0].name == "asked"


def test_a_very_long_reason_is_cut_and_leads_nowhere(tmp_path: Path) -> None:
    """A reason that quotes a whole answer stands by its beginning, which no row has as its reason."""
    told = outcome(1, outcome="unparseable", reason="x" * 1_000_000)
    part = part_of(failures_section(analysis(table_run(tmp_path / "r", {"outcomes": [told]}))), "reasons")
    assert (len(part.frame["reason"][0]), part.filters) == (300, [None])


def test_coverage_shows_how_every_request_ended(night: LoadedRun) -> None:
    """The shares of a bar add up to one, and the line of a stage and model leads to its rows."""
    part = part_of(opening_section(analysis(night)), "coverage")
    assert part.filters == [{"stage": "ask", "lane": "lab/m"}]
    assert part.chart is not None
    shares = [value["share"] for value in part.chart.to_dict()["data"]["values"]]
    assert shares == pytest.approx([2 / 7, 1 / 7, 3 / 7, 1 / 7])
    assert "14.3" not in part.alt


def test_coverage_of_an_unfinished_run_is_of_what_was_asked_so_far(night: LoadedRun, tmp_path: Path) -> None:
    """Requests that follow from answers are not asked yet, so that it must not look like that of the whole run."""
    part = part_of(opening_section(analysis(night)), "coverage")
    assert "The lowest coverage, of the requests asked so far, is " in part.alt
    assert "asked so far" in part.note
    done = table_run(tmp_path / "done", {"outcomes": [outcome(1)]})
    ended = part_of(opening_section(analysis(done)), "coverage")
    assert "so far" not in ended.alt + ended.note


def test_the_first_page_says_whether_coverage_is_of_what_was_asked_so_far(night: LoadedRun) -> None:
    """Below its table, where a request is neither answered nor given up."""
    for answered, so_far in ((3, True), (4, False)):
        run = replace(night, counts=RowCounts(7, answered, 3))
        console = Console(file=io.StringIO(), width=120, color_system=None)
        console.print(summary_page(summarise(run, coverage_table(run))))
        assert isinstance(console.file, io.StringIO)
        assert ("of those asked for so far;" in console.file.getvalue()) is so_far


def test_several_runs_name_theirs_in_every_line(night: LoadedRun, tmp_path: Path) -> None:
    """The filter of a line says of which run its rows are, where there are two."""
    other = table_run(tmp_path / "other", {"responses": [answer(1)], "outcomes": [outcome(1)]})
    found = analysis(night, other)
    for section in (opening_section(found), money_section(found), failures_section(found)):
        assert section is not None
        filters = [of for part in section.parts for of in part.filters if of is not None]
        assert filters
        assert all("run" in of for of in filters)
    assert [part.name for part in (money_section(found) or Section("", "", ())).parts if "time" in part.name] == [
        "over_time",
        "over_time_2",
    ]


def test_what_is_simulated_constructed_or_imported_is_said_first(tmp_path: Path) -> None:
    """Each stands in a note of its own that begins with the word, and in the table of runs."""
    run = table_run(tmp_path / "r", {"outcomes": [outcome(1)]}, simulated=True)
    (tmp_path / "r" / "items.jsonl").write_text('{"seq":1,"item":"a","ratings_kind":"constructed"}\n')
    brought = table_run(tmp_path / "s", {}, job="scores")
    section = opening_section(analysis(run, brought))
    assert section.simulated
    assert [note.split(":")[0] for note in section.notes[:3]] == ["SIMULATED", "CONSTRUCTED", "IMPORTED"]
    assert section.parts[0].frame["answers"].to_list() == ["simulated", "imported"]


def test_hostile_names_are_texts_of_the_drawings(tmp_path: Path) -> None:
    """A model whose name is markup is a text in every chart, and nothing else."""
    failed = attempt(2, "maybe", kind=HOSTILE, reserved_usd=1.0, model=HOSTILE)
    tables = {
        "responses": [answer(1, model=HOSTILE)],
        "attempts": [attempt(1, model=HOSTILE), failed],
        "outcomes": [outcome(1, model=HOSTILE), outcome(2, "failed", failure=HOSTILE, model=HOSTILE)],
    }
    found = analysis(table_run(tmp_path / "r", tables))
    sections = (opening_section(found), money_section(found), failures_section(found))
    charts = [part.chart for section in sections if section is not None for part in section.parts if part.chart]
    assert len(charts) == 6
    for chart in charts:
        drawn = ElementTree.fromstring(svg(chart))
        assert not [one for one in drawn.iter() if "script" in str(one.tag)]
        assert "<script>" not in svg(chart)


def test_a_run_whose_items_name_no_dataset_says_where_they_are_from(night: LoadedRun) -> None:
    """The file that the spec names, else what it was made from; how many items there are is that of items.jsonl."""
    lines = b"".join(b'{"seq":%d,"item":"%d"}\n' % (place, place) for place in range(1, 4))
    (night.folder / "items.jsonl").write_bytes(lines)
    for spec, named in (('[data]\npath = "captions.json"', "captions.json"), (None, night.record.source.name)):
        run = replace(night, record=msgspec.structs.replace(night.record, spec_text=spec))
        part = part_of(opening_section(analysis(run)), "datasets")
        assert part.frame.select("dataset", "items", "asked").rows() == [(named, 3, run.counts.asked)]
        assert "dataset" not in (part.filters[0] or {})


def test_sections_of_imported_runs_say_so(night: LoadedRun) -> None:
    """As they say of simulated answers: each of them, for a reader may begin anywhere."""
    source = Source("import", "x.jsonl", "0" * 64)
    brought = replace(night, record=msgspec.structs.replace(night.record, source=source))
    for run, said in ((night, False), (brought, True)):
        assert {section.imported for section in sections_of(analysis(run))} == {said}
