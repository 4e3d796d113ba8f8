"""`overnight report` from end to end: where the file goes, what is refused, and what it says."""

import html
import os
import re
import tempfile
from pathlib import Path

import pytest

from tests.harness.failing_night import night_with_failures
from tests.harness.workplace import Workplace

QUICK = ("--resamples", "100")
NO_USE = "is for a page that is made: --check makes none; leave one of them out"


@pytest.fixture
def night(work: Workplace) -> Path:
    """A run of eight rows of which two fail."""
    return night_with_failures(work)


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


RUN_FILE = "is in a run folder, whose files are the run's: there the name of a report ends in .html"
NO_FILE = "exists and is no regular file; give another name with -o"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "night/responses.jsonl"), f"night/responses.jsonl: {RUN_FILE}"),
        (("-o", "night/heartbeat.json"), f"night/heartbeat.json: {RUN_FILE}"),
        (("-o", "night/tables/made.json"), f"night/tables/made.json: {RUN_FILE}"),
        (("-o", "m.jsonl"), "m.jsonl: exists and is no report; give another name with -o"),
        (("-o", "page.html"), "page.html: exists and is no report; give another name with -o"),
        (("-o", "night/pipe.html"), f"night/pipe.html: {NO_FILE}"),
        (("-o", "pipe"), f"pipe: {NO_FILE}"),
        (("-o", "link.html"), f"link.html: {NO_FILE}"),
        (("-o", "broken.html"), f"broken.html: {NO_FILE}"),
        (
            ("--figures", "night"),
            "night: is a run folder, whose files are the run's: give a folder of its own, such as night/figures",
        ),
        (("--figures", "m.jsonl"), "m.jsonl: is no folder; give another one with --figures"),
    ],
)
def test_nothing_but_an_earlier_report_is_replaced(
    work: Workplace, night: Path, arguments: tuple[str, ...], said: str
) -> None:
    """A run's own files, other people's, links and pipes: what is there stays as it is, and nothing is computed."""
    for pipe in (work.folder / "pipe", night / "pipe.html"):
        os.mkfifo(pipe)
    (night / "tables").mkdir(exist_ok=True)
    (work.folder / "page.html").write_text("<p>Mine.")
    (work.folder / "link.html").symlink_to("m.jsonl")
    (work.folder / "broken.html").symlink_to("nowhere")
    before = _all_files(work.folder)
    ended = work.overnight("report", "night", *arguments, *QUICK)
    assert (ended.code, ended.error) == (2, said)
    assert _all_files(work.folder) == before


def _all_files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))}


def test_an_earlier_report_is_replaced(work: Workplace, night: Path) -> None:
    """Under the same name, in the run's folder and elsewhere; figures go below the run's folder."""
    for where in ((), ("-o", "mine"), ("-o", "night/second.HTML", "--figures", "night/figures")):
        assert [work.overnight("report", "night", *where, *QUICK).code for _ in range(2)] == [0, 0]
    assert (night / "figures" / "index.md").exists()


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


def test_figures_are_written_beside_it(work: Workplace, night: Path) -> None:
    """With --figures each part of the page is a file too, from the same definitions."""
    said = work.overnight("report", "night", "--figures", "paper", "--json", *QUICK).json
    names = {Path(name).name for name in said["files"]}
    assert {"coverage.svg", "coverage.csv", "final_failures.pdf", "tokens.tex"} <= names
    assert all(Path(work.folder / name).exists() for name in said["files"])
