"""`overnight tables`: it makes the tables and says what is in them."""

import json
from pathlib import Path

import polars as pl
import pytest

from outputs.tables import parquet
from outputs.tables.columns import TABLES
from outputs.tables.loading import load_run
from tests.harness.log_writing import LogWriter, chat
from tests.harness.workplace import Workplace


@pytest.fixture
def log(work: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LogWriter:
    """A run of one judged row in the working folder, and a terminal of 100 columns."""
    monkeypatch.setenv("COLUMNS", "100")
    log, told = LogWriter(tmp_path / "night").judged()
    log.answer(log.request("a", told), chat("no score"))
    return log


def test_the_tables_are_listed_with_what_a_row_is(work: Workplace, log: LogWriter) -> None:
    """Each table has its line: name, what a row is, rows and size; the path is not broken."""
    ended = work.overnight("tables", "night")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("night: night/tables/TABLE.parquet\n")
    for name in TABLES:
        assert f" {name} " in ended.out
    assert max(map(len, ended.out.splitlines())) <= 100


def test_what_the_analysis_computed_is_listed_too(work: Workplace, log: LogWriter) -> None:
    """A table that lies beside those of the log is listed, with its columns."""
    work.overnight("tables", "night")
    pl.DataFrame({"model": ["x"], "tau": [0.5]}).write_parquet(log.folder / "tables" / "tau.parquet")
    [run] = json.loads(work.overnight("tables", "night", "--json").out)
    listed = {table["name"]: table for table in run["tables"]}
    assert list(listed) == [*TABLES, "tau"]
    assert (listed["tau"]["rows"], [column["type"] for column in listed["tau"]["columns"]]) == (
        1,
        ["String", "Float64"],
    )
    assert "Float64" in work.overnight("tables", "night", "--columns", "tau").out


def test_columns_are_told_with_type_unit_and_meaning(work: Workplace, log: LogWriter) -> None:
    """Every column of a table is explained within the width of a terminal."""
    ended = work.overnight("tables", "night", "--columns", "responses")
    assert ended.code == 0
    for name in TABLES["responses"].columns:
        assert f" {name} " in ended.out
    assert "seconds" in ended.out
    assert max(map(len, ended.out.splitlines())) <= 100


def test_a_table_that_there_is_none_of_is_an_input_error(work: Workplace, log: LogWriter) -> None:
    """An unknown name is answered with the names that there are."""
    ended = work.overnight("tables", "night", "--columns", "nope")
    assert (ended.code, ended.out) == (2, "")
    assert "there are requests, responses, attempts, batches, outcomes, scores" in ended.err


def test_json_tells_programs_the_same(work: Workplace, log: LogWriter) -> None:
    """Names, rows, paths, types, units and meanings are there as JSON; the paths lead to the tables."""
    [run] = json.loads(work.overnight("tables", "night", "--json", "--out", "elsewhere").out)
    assert (run["run"], run["simulated"]) == ("night", False)
    for table in run["tables"]:
        frame = pl.read_parquet(table["path"])
        assert frame.height == table["rows"]
        assert frame.columns == [column["name"] for column in table["columns"]]
        assert Path(table["path"]).parent == Path("elsewhere/night")
    times = [column for table in run["tables"] for column in table["columns"] if column["type"] == "Datetime"]
    assert {column["unit"] for column in times} == {"UTC"}


def test_several_runs_are_listed_one_after_the_other(work: Workplace, log: LogWriter, tmp_path: Path) -> None:
    """Two runs of one name have names, and folders in --out, of their own."""
    other = LogWriter(tmp_path / "b" / "night").record()
    other.request()
    runs = json.loads(work.overnight("tables", "night", "b/night", "--out", "both", "--json").out)
    assert len({run["run"] for run in runs}) == len({run["tables"][0]["path"] for run in runs}) == 2
    assert len(list((tmp_path / "both").iterdir())) == 2


def test_what_is_no_run_is_refused(work: Workplace) -> None:
    """A folder that is not there, or holds no run, is named."""
    ended = work.overnight("tables", "nope")
    assert (ended.code, ended.err) == (2, "overnight: nope: no such run folder\n")


def test_hostile_names_are_shown_and_not_obeyed(work: Workplace, tmp_path: Path) -> None:
    """A run's name that would steer a terminal or leave the place is printed as escapes and stays inside."""
    LogWriter(tmp_path / "x").record(name="../\x1b[31m[bold]")
    ended = work.overnight("tables", "x", "--out", "out")
    assert ended.code == 0
    assert "\x1b" not in ended.out
    assert [path.parent.name for path in tmp_path.rglob("made.json")] == [
        path.name for path in (tmp_path / "out").iterdir()
    ]


@pytest.mark.parametrize("name", ["[ab]", "a*", "?", "[", "~", "k=1"])
def test_a_folder_is_no_pattern(work: Workplace, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is in a path, tables are made, listed and scanned of that run, not of those whose names would match."""
    monkeypatch.setattr(parquet, "PART_ROWS", 2)
    for folder, many in (("a", 3), ("ab", 4), (name, 5)):
        log = LogWriter(work.folder / "gl" / folder).record()
        for _ in range(many):
            log.answer(log.request())
        work.overnight("tables", f"gl/{folder}")
    run = load_run(Path("gl") / name)
    run.scan("requests").collect().write_parquet(work.folder / "gl" / name / "tables" / "own.parquet")
    ended = work.overnight("tables", f"gl/{name}", "--json")
    assert (ended.code, ended.err) == (0, "")
    rows = {table["name"]: table["rows"] for table in ended.json[0]["tables"]}
    assert (rows["requests"], rows["responses"], rows["own"]) == (5, 5, 5)
    assert set(run.scan("requests").collect()["run"]) == {name}


@pytest.mark.parametrize("command", [("tables",), ("analyze",), ("compare", "other")])
def test_tables_do_not_go_into_another_run(work: Workplace, log: LogWriter, command: tuple[str, ...]) -> None:
    """A run folder as --out is refused and left as it is; where it is the only run itself, nothing else is meant."""
    for name in ("other", "third"):
        LogWriter(work.folder / name).record()
    before = work.files()
    ended = work.overnight(*command, "night", "--out", "third")
    what = "is a run folder, which keeps tables of that run alone: give another --out"
    assert (ended.code, ended.error, work.files()) == (2, f"third: {what}", before)
    if command != ("compare", "other"):
        assert work.overnight(*command, "night", "--out", "night").code == 0
        assert not (log.folder / "night").exists()
        assert (log.folder / "tables" / "scores.parquet").exists()
