"""`overnight report` from end to end: where the file goes, what is refused, and whether its numbers are the logs'."""

import html
import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.harness.loopback import Call, Reply
from tests.harness.workplace import Workplace, jsonl, line

QUICK = ("--resamples", "100")
NO_USE = "is for a page that is made: --check makes none; leave one of them out"


def answered_at_times(call: Call) -> Reply:
    return Reply(b'{"error": {"message": "no such thing"}}', status=400) if "bad" in call.text else Reply(GOOD)


GOOD = (
    b'{"id": "c", "object": "chat.completion", "model": "lab-1", "choices": [{"index": 0, "message": {"role": '
    b'"assistant", "content": "yes <b>"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3, '
    b'"completion_tokens": 2, "total_tokens": 5}}'
)


@pytest.fixture
def night(work: Workplace) -> Path:
    """A run of eight rows of which two fail."""
    work.provider.reply = answered_at_times
    rows = [line(f"row-{number}", "bad" if number < 2 else "good", metadata={"dataset": "d"}) for number in range(8)]
    (work.folder / "m.jsonl").write_bytes(jsonl(rows))
    assert work.overnight("run", "m.jsonl", "--out", "night", "--quiet").code == 3
    return work.folder / "night"


def test_the_report_of_a_run_goes_into_its_folder(work: Workplace, night: Path) -> None:
    """Of one run it is RUN/report.html, of several ./report.html, and -o says otherwise; it says what is in it."""
    ended = work.overnight("report", "night", *QUICK)
    assert ended.code == 0
    assert re.match(r"written: night/report.html \(\d+ tables, \d+ figures, 8 rows, 0.\d MB\)", ended.out)
    work.overnight("run", "m.jsonl", "--out", "other", "--quiet")
    assert work.overnight("report", "night", "other", *QUICK).code == 0
    assert (work.folder / "report.html").exists()
    said = work.overnight("report", "night", "-o", "mine.html", "--rows", "3", "--json", *QUICK).json
    assert (said["report"], said["rows"], said["rows_in_all"]) == ("mine.html", 3, 8)
    assert said["bytes"] == (work.folder / "mine.html").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "nowhere: no such run folder"),
        (("night", "-o", "missing/report.html"), "missing: there is no such folder to write it to"),
        (("night", "-o", "."), ".: is a folder; give the name of a file with -o"),
        (("night", "--pair", "a,b"), "--pair: is for runs of ice, and there is none among these"),
        (("night", "--check", "m.jsonl"), "m.jsonl: is no report that overnight made, or not a whole one"),
        (("night", "--check", "m.jsonl", "-o", "x.html"), f"-o: {NO_USE}"),
        (("night", "--check", "m.jsonl", "--figures", "x"), f"--figures: {NO_USE}"),
        (("night", "--check", "m.jsonl", "--rows", "600"), f"--rows: {NO_USE}"),
        (("night", "--check", "none.html"), "none.html: cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(work: Workplace, night: Path, arguments: tuple[str], said: str) -> None:
    """What is wrong is named, the exit code is 2, and nothing is written."""
    before = sorted(work.folder.rglob("*.html*"))
    ended = work.overnight("report", *arguments)
    assert (ended.code, ended.error) == (2, said)
    assert sorted(work.folder.rglob("*.html*")) == before


def test_a_run_that_cannot_be_written_has_a_report(
    work: Workplace, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tables are made elsewhere and go again; without a file to write to, that is said before any work."""
    may = os.access

    def may_not_write(place: Path, mode: int) -> bool:
        return may(place, mode) and not (mode & os.W_OK and Path(place).resolve() == night)

    monkeypatch.setattr(os, "access", may_not_write)
    kept, before = sorted(night.rglob("*")), set(Path(tempfile.gettempdir()).glob("overnight-report-*"))
    assert work.overnight("report", "night", "-o", "r.html", *QUICK).code == 0
    assert sorted(night.rglob("*")) == kept
    assert set(Path(tempfile.gettempdir()).glob("overnight-report-*")) <= before
    ended = work.overnight("report", "night", *QUICK)
    assert (ended.code, ended.error) == (2, "night/report.html: cannot be written; give another file with -o")


def test_the_page_names_the_commands_as_they_were_given(work: Workplace, night: Path) -> None:
    """The file and the folders stand in them as on the command line, fit for a shell."""
    (work.folder / "my pages").mkdir()
    work.overnight("report", str(night), "-o", "my pages/-r.html", *QUICK)
    page = html.unescape((work.folder / "my pages" / "-r.html").read_text())
    assert f"overnight report --check 'my pages/-r.html' {night}</code>" in page
    assert f"<code>overnight view {night}</code>" in page


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


def test_figures_are_written_beside_it(work: Workplace, night: Path) -> None:
    """With --figures each part of the page is a file too, from the same definitions."""
    said = work.overnight("report", "night", "--figures", "paper", "--json", *QUICK).json
    names = {Path(name).name for name in said["files"]}
    assert {"coverage.svg", "coverage.csv", "final_failures.pdf", "tokens.tex"} <= names
    assert all(Path(work.folder / name).exists() for name in said["files"])
