"""`overnight report --check`: whether all that a page shows is what the logs come to."""

import re
import shutil
from pathlib import Path

import pytest

from outputs.analysis_options import Options
from outputs.report_page import making
from outputs.report_page.checking import check_report
from tests.harness.failing_night import night_with_failures
from tests.harness.workplace import Workplace, jsonl, line

QUICK = ("--resamples", "100")


@pytest.fixture
def night(work: Workplace) -> Path:
    """A run of eight rows of which two fail."""
    return night_with_failures(work)


def test_a_report_is_what_the_logs_come_to(work: Workplace, night: Path) -> None:
    """All tables and figures are computed anew, with the options of the report, and no table of the folder is used."""
    work.overnight("report", "night", "--seed", "7", "-o", "r.html", *QUICK)
    shutil.rmtree(night / "tables")
    ended = work.overnight("report", "--check", "r.html", "night")
    assert (ended.code, ended.err) == (0, "")
    assert re.fullmatch(r"\d+ tables and figures recomputed from the logs: all equal\n", ended.out)
    assert not (night / "tables").exists()


def test_another_number_in_the_page_is_found(work: Workplace, night: Path) -> None:
    """A cell, a kept number or a bar that is not what the logs come to is named, with exit code 3."""
    work.overnight("report", "night", "-o", "r.html", *QUICK)
    page = (work.folder / "r.html").read_text()
    for was, now, part in (
        (">75.0 %<", ">95.0 %<", "coverage"),
        ('"part":"asked","lines":1', '"part":"asked","lines":2', "asked"),
        ("2 in all, by class", "0 in all, by class", "final_failures"),
        ('fill="#d55e00"', 'fill="#0072b2"', "coverage"),
    ):
        assert was in page
        (work.folder / "r.html").write_text(page.replace(was, now))
        ended = work.overnight("report", "--check", "r.html", "night", "--json")
        assert ended.code == 3
        assert not ended.json["equal"]
        assert any(one.startswith(f"{part}:") for one in ended.json["differences"]), ended.json


def test_a_log_that_has_changed_is_found(work: Workplace, night: Path) -> None:
    """An answer that is taken out of the log shows in every part that counted it."""
    work.overnight("report", "night", "-o", "r.html", *QUICK)
    lines = (night / "responses.jsonl").read_bytes().splitlines(keepends=True)
    (night / "responses.jsonl").write_bytes(b"".join(lines[:-1]))
    ended = work.overnight("report", "--check", "r.html", "night")
    assert ended.code == 3
    assert "asked, line 1, answered: 6 in the report, 5 in the logs" in ended.out


def test_a_report_of_other_runs_is_refused(work: Workplace, night: Path) -> None:
    """Runs that the report is not of are not compared with it."""
    work.overnight("report", "night", "-o", "r.html", *QUICK)
    (work.folder / "n.jsonl").write_bytes(jsonl([line("else", "good")]))
    work.overnight("run", "n.jsonl", "--out", "other", "--quiet")
    ended = work.overnight("report", "--check", "r.html", "other")
    assert (ended.code, ended.error) == (2, "r.html: is of other runs, or of these in another order")


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("All 8 rows of the runs", "8 of 80 rows of the runs", "the page beside its parts:"),
        ('"badges">', '"badges"><strong class="badge">simulated</strong> ', "the page beside its parts:"),
        ("</h2>", ' <strong class="badge">simulated</strong></h2>', "the page beside its parts:"),
        ("<style>", "<style>h1 { display: none }", "the page beside its parts:"),
        ("Made 2", "Made in 2", "the page beside its parts:"),
        ("</section>", "<!--begin notes-cost-->none<!--end notes-cost--></section>", "the page beside its parts:"),
        ('"total":8', '"total":9', "the rows it carries: total 9 in the report, 8 in the logs"),
        ('"yes \\u003cb\\u003e"', '"no"', "the rows it carries: row 3, excerpt:"),
        ('"state=failed', '"state=open', "the rows it carries: how many rows its numbers lead to"),
    ],
)
def test_what_was_changed_by_hand_beside_the_tables_is_found(
    work: Workplace, night: Path, was: str, now: str, said: str
) -> None:
    """Badges, sentences, rows and totals are those of a page made anew, else they are named."""
    work.overnight("report", "night", "-o", "r.html", *QUICK)
    page = (work.folder / "r.html").read_text()
    assert was in page
    (work.folder / "r.html").write_text(page.replace(was, now, 1))
    ended = work.overnight("report", "--check", "r.html", "night", "--json")
    assert ended.code == 3
    assert any(one.startswith(said) for one in ended.json["differences"]), ended.json


def test_a_folder_that_moved_and_another_hour_are_no_difference(work: Workplace, night: Path) -> None:
    """The minute of a page and the commands in it may be others."""
    work.overnight("report", "night", "-o", "r.html", *QUICK)
    page = (work.folder / "r.html").read_text()
    (work.folder / "p.html").write_text(re.sub(r"Made [-0-9: ]+ UTC", "Made 1999-12-31 23:59 UTC", page))
    night.rename(work.folder / "a folder elsewhere")
    assert work.overnight("report", "--check", "p.html", "a folder elsewhere").code == 0


def test_a_page_without_room_for_all_rows_is_checked_with_those_it_carries(
    work: Workplace, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many fitted depends on the names of folders too; the rows are the first of those that were drawn."""
    whole = making.make_report([night], making.Wanted(Options(resamples=100)))
    monkeypatch.setattr(making, "MOST_BYTES", len(whole.page) - 1)
    made = making.make_report([night], making.Wanted(Options(resamples=100)))
    assert 0 < made.rows < whole.rows
    (work.folder / "r.html").write_bytes(made.page)
    night.rename(work.folder / ("a-name-that-is-longer-" * 8))
    moved = work.folder / ("a-name-that-is-longer-" * 8)
    assert check_report(work.folder / "r.html", [moved]).differences == []
