"""When tables are made and when they are taken as they are; and what happens where they cannot be written."""

import errno
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import polars as pl
import pytest

import outputs.tables.all_answers as all_answers
import outputs.tables.making as making
import outputs.tables.parquet as parquet
import outputs.tables.second_reader as second_reader
from outputs.disk import OsDisk
from outputs.journal import Log
from outputs.run_record import FILE_NAME
from outputs.tables.columns import TABLES
from outputs.tables.loading import folder_name, load_run
from outputs.tables.made import MADE
from outputs.tables.replay import replay
from prompts.input_error import InputError
from tests.harness.broken_disks import FullDisk
from tests.harness.log_writing import LogWriter, chat


@pytest.fixture
def log(tmp_path: Path) -> LogWriter:
    """A run of two rows, one of them answered."""
    log = LogWriter(tmp_path / "night").record()
    log.answer(log.request())
    log.request()
    return log


def stamps(log: LogWriter) -> set[tuple[str, int]]:
    """Which files the tables are: the number of a file that is gone may be given again."""
    return {(path.name, path.stat().st_mtime_ns) for path in (log.folder / "tables").iterdir()}


def test_tables_are_made_once(log: LogWriter) -> None:
    """The second look at a folder takes the tables as they are, with the same counts."""
    first = load_run(log.folder)
    made = stamps(log)
    second = load_run(log.folder)
    assert stamps(log) == made
    assert (first.counts, first.tables, first.record) == (second.counts, second.tables, second.record)
    assert {path.name for path in (log.folder / "tables").iterdir()} == {MADE, *(f"{name}.parquet" for name in TABLES)}


def test_simulated_is_remembered(log: LogWriter) -> None:
    """That an event said so is known also where the tables are taken as they are."""
    log.event("simulated")
    assert load_run(log.folder).record.simulated
    assert load_run(log.folder).record.simulated


@pytest.mark.parametrize("change", ["log", "record", "edit", "missing", "cut", "made", "format"])
def test_tables_are_made_anew_where_anything_changed(
    log: LogWriter, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More log, another record, an edited line, a table that is gone or cut, another format: they are made again."""
    load_run(log.folder)
    before, place = stamps(log), log.folder / "tables"
    match change:
        case "log":
            log.request()
        case "record":
            path = log.folder / FILE_NAME
            path.write_bytes(path.read_bytes() + b"\n")
        case "edit":
            path = log.folder / Log.RESPONSES.file_name
            path.write_bytes(path.read_bytes().replace(b"yes", b"not"))
            os.utime(path, ns=(1, 1))
        case "missing":
            (place / "scores.parquet").unlink()
        case "cut":
            (place / "scores.parquet").write_bytes(b"PAR1")
        case "made":
            (place / MADE).write_bytes(b'{"format": "x"')
        case "format":
            record = msgspec.json.decode((place / MADE).read_bytes())
            (place / MADE).write_bytes(msgspec.json.encode(record | {"format": 0}))
    run = load_run(log.folder)
    assert not stamps(log) & before
    assert set(run.scan("requests").collect()["run"]) == {"night"}
    assert run.scan("responses").collect()["text"].to_list() == ["not" if change == "edit" else "yes"]


def test_a_run_that_is_called_otherwise_keeps_its_tables(log: LogWriter) -> None:
    """Another name stands in what is read; the files keep the run's own, and are not made again for it."""
    load_run(log.folder)
    before = stamps(log)
    run = load_run(log.folder, name="another")
    assert stamps(log) == before
    assert set(run.scan("requests").collect()["run"]) == {run.name} == {"another"}
    assert set(pl.read_parquet(run.tables["requests"])["run"]) == {"night"}


def test_tables_may_go_elsewhere(log: LogWriter, tmp_path: Path) -> None:
    """With a place of their own the run folder stays as it is; two runs of one name have a folder each."""
    before = {path.name for path in log.folder.iterdir()}
    one = load_run(log.folder, tmp_path / "out", name="a")
    two = load_run(log.folder, tmp_path / "out", name="b")
    assert {path.name for path in log.folder.iterdir()} == before
    assert (one.name, two.name) == ("a", "b")
    assert one.tables["scores"].parent == tmp_path / "out" / "a"
    assert two.scan("requests").collect()["run"].to_list() == ["b", "b"]


@pytest.mark.parametrize("name", ["../../up", "a/b", "..", "", "a b", "\x00", "x" * 300, ".", "a_b"])
def test_a_run_of_any_name_has_a_folder_in_its_place(name: str) -> None:
    """What a record calls its run leads nowhere else, and no two names lead to one folder."""
    made = folder_name(name)
    assert made not in ("", ".", "..")
    assert not set(made) & set("/\x00 ")
    assert len(made) < 120
    assert made == name or made != folder_name(made + "?")
    assert (made == name) == (name == "a_b")


def test_a_place_that_cannot_be_written_is_an_input_error(log: LogWriter, tmp_path: Path) -> None:
    """A file where the folder should be, or a folder that may not be written, is named with the way out."""
    (log.folder / "tables").write_bytes(b"")
    with pytest.raises(InputError, match="--out") as caught:
        load_run(log.folder)
    assert caught.value.file == str(log.folder / "tables")
    assert load_run(log.folder, tmp_path / "out").counts.asked == 2


def test_a_log_that_may_not_be_read_is_named(log: LogWriter) -> None:
    """A log file that cannot be opened is an input error of its own, not one of the tables."""
    (log.folder / Log.ERRORS.file_name).unlink()
    (log.folder / Log.ERRORS.file_name).mkdir()
    with pytest.raises(InputError, match=r"errors\.jsonl: cannot be read"):
        load_run(log.folder)


@pytest.mark.parametrize("room", [0, 3000, 20_000])
def test_a_full_disk_is_told_and_leaves_nothing(log: LogWriter, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Wherever the disk is full, its error comes out, the tables that were there stay, and no rest of new ones does."""
    monkeypatch.setattr(parquet, "PART_ROWS", 2)
    for _ in range(20):
        log.answer(log.request(), chat("x" * 100))
    load_run(log.folder)
    before = stamps(log)
    log.request()
    monkeypatch.setattr(making, "OsDisk", lambda: FullDisk(log.folder / "reserve", room, 0))
    with pytest.raises(OSError, match="space") as caught:
        load_run(log.folder)
    assert caught.value.errno == errno.ENOSPC
    assert stamps(log) == before
    monkeypatch.setattr(making, "OsDisk", OsDisk)
    assert load_run(log.folder).scan("requests").collect().height == 23


@pytest.mark.parametrize(("rows", "size"), [(1, 10**9), (7, 10**9), (65_536, 200), (65_536, 10**9)])
def test_a_table_is_the_same_in_any_number_of_parts(
    log: LogWriter, monkeypatch: pytest.MonkeyPatch, rows: int, size: int
) -> None:
    """Rows keep their order and their types however few of them are in memory at a time."""
    monkeypatch.setattr(parquet, "PART_ROWS", rows)
    monkeypatch.setattr(parquet, "PART_BYTES", size)
    for number in range(30):
        log.answer(log.request(metadata={"item": number}), chat(f"answer {number}" if number % 3 else None))
    run = load_run(log.folder)
    responses = run.scan("responses").collect()
    assert dict(responses.schema) == TABLES["responses"].schema
    assert responses["seq"].is_sorted()
    assert responses["text"].to_list()[1:] == [f"answer {n}" if n % 3 else None for n in range(30)]
    assert run.scan("requests").select(pl.col("item").drop_nulls()).collect()["item"].to_list() == [
        str(number) for number in range(30)
    ]
    assert not list((log.folder / "tables").glob("*.arrow"))


def test_lines_that_land_meanwhile_are_in_no_table(log: LogWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is appended once the tables are begun waits for the next time, in all of them alike."""
    folding = replay

    def grown(folder: Path, ends: Any) -> Any:
        found = folding(folder, ends)
        row = log.request()
        log.attempt(row)
        log.answer(row)
        log.answer(min(log.requests))
        return found

    monkeypatch.setattr(making, "replay", grown)
    run = load_run(log.folder)
    heights = {name: run.scan(name).collect().height for name in TABLES}
    assert heights == {"requests": 2, "responses": 1, "attempts": 0, "batches": 0, "outcomes": 2, "scores": 0}
    monkeypatch.setattr(making, "replay", folding)
    assert load_run(log.folder).scan("responses").collect()["counts"].to_list() == [False, True, True]


def _many(log: LogWriter) -> LogWriter:
    """Forty judged rows, some of whose answers hold no score."""
    made, told = LogWriter(log.folder, log.seq, log.requests).judged()
    for number in range(40):
        text = (
            "no score" if number % 3 else "Accuracy: [[9]]\nCompleteness: [[8]]\nConciseness: [[7]]\nRelevance: [[6]]"
        )
        made.answer(made.request(metadata=told | {"item": f"i{number}"}), chat(text))
    return made


@pytest.mark.parametrize("python", ["", "/nowhere/python", "/bin/false"])
def test_a_second_process_reads_what_one_would(log: LogWriter, monkeypatch: pytest.MonkeyPatch, python: str) -> None:
    """A long log is read by two processes, or by this one where the other cannot be had: the tables are the same."""
    _many(log)
    monkeypatch.setattr(all_answers, "usable_cores", lambda: 2)
    alone = load_run(log.folder)
    frames = {name: alone.scan(name).collect() for name in TABLES}
    assert set(frames["outcomes"]["outcome"]) == {None, "ok", "unparseable"}
    monkeypatch.setattr(all_answers, "LONG", 0)
    if python:
        monkeypatch.setattr(second_reader, "sys", SimpleNamespace(executable=python))
    together = load_run(log.folder, log.folder.parent / "out")
    for name, frame in frames.items():
        assert together.scan(name).collect().equals(frame)


def test_a_line_that_the_second_process_cannot_read_is_named(log: LogWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged line far down the file has its own number, whoever came across it."""
    _many(log)
    log.raw(Log.RESPONSES, b'"request":1,"attempts":1}')
    monkeypatch.setattr(all_answers, "usable_cores", lambda: 2)
    monkeypatch.setattr(all_answers, "LONG", 0)
    with pytest.raises(InputError, match="damaged") as caught:
        load_run(log.folder)
    assert (caught.value.file, caught.value.line) == (str(log.folder / Log.RESPONSES.file_name), 42)


def test_what_a_killed_process_left_is_cleared_away(log: LogWriter) -> None:
    """The rests of tables whose process is gone go with the next making; those of a living one stay."""
    place = log.folder / "tables"
    gone = subprocess.Popen(["true"])
    gone.wait()
    for pid in (gone.pid, os.getpid()):
        (place / f".making-{pid}-x").mkdir(parents=True)
    load_run(log.folder)
    assert [path.name for path in place.glob(".making-*")] == [f".making-{os.getpid()}-x"]


@pytest.mark.parametrize("how", ["answered twice", "withdrawn"])
def test_answers_that_do_not_count_are_not_read_as_if_they_did(
    log: LogWriter, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A second process that began before the log was folded took each answer for one that counts: it begins again."""
    made = _many(log)
    if how == "withdrawn":
        made.event("asked_changed", withdrawn=[max(made.requests)])
    else:
        made.answer(max(made.requests), chat("no score"))
    monkeypatch.setattr(all_answers, "usable_cores", lambda: 2)
    alone = load_run(log.folder)
    frames = {name: alone.scan(name).collect() for name in TABLES}
    assert not frames["responses"]["counts"].all()
    monkeypatch.setattr(all_answers, "LONG", 0)
    together = load_run(log.folder, log.folder.parent / "out")
    for name, frame in frames.items():
        assert together.scan(name).collect().equals(frame)
