"""A run folder of which something is gone: no table is made of the rest."""

import re
from pathlib import Path

import pytest

from outputs.journal import Log
from outputs.run_record import Source
from outputs.tables.loading import load_run
from prompts.input_error import InputError
from tests.harness.log_writing import LogWriter
from tests.harness.workplace import Workplace, line


@pytest.fixture
def log(tmp_path: Path) -> LogWriter:
    """A run that was made with an item and two requests, of which one was sent and answered."""
    log = LogWriter(tmp_path / "night").record(requests=2, items=1)
    log.raw(Log.ITEMS, b'"item":"1"}')
    row = log.request()
    log.request()
    log.attempt(row)
    log.answer(row)
    return log


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (Log.REQUESTS, "the run was made with 2 requests: run the manifest m.jsonl again to put it back"),
        (Log.ITEMS, "the run was made with 1 items: run the manifest m.jsonl again to put it back"),
        (Log.RESPONSES, "attempts.jsonl is not empty: put it back"),
        (Log.ATTEMPTS, "responses.jsonl is not empty: put it back"),
        (Log.ERRORS, "attempts.jsonl is not empty: put it back"),
        (Log.EVENTS, "attempts.jsonl is not empty: put it back"),
    ],
)
def test_a_log_file_that_is_gone_is_named(log: LogWriter, file: Log, says: str) -> None:
    """Any file of the log is missed, also where tables were made while it was there."""
    load_run(log.folder)
    (log.folder / file.file_name).unlink()
    with pytest.raises(InputError, match=f"{file.file_name}: is gone, but {re.escape(says)}$"):
        load_run(log.folder)


def test_requests_that_are_gone_are_counted(log: LogWriter) -> None:
    """A requests.jsonl that ends too early is not taken for all that was asked."""
    path = log.folder / Log.REQUESTS.file_name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"requests\.jsonl: 1 requests are left of the 2 that the run was made with"):
        load_run(log.folder)


def test_an_import_cannot_be_run_again(log: LogWriter) -> None:
    """What was imported is not said to come back by running it."""
    log.record(requests=2, source=Source("import", "out.jsonl", "0" * 64))
    (log.folder / Log.REQUESTS.file_name).unlink()
    with pytest.raises(InputError, match=r"2 requests: put it back$"):
        load_run(log.folder)


@pytest.mark.parametrize("made", range(5))
def test_a_run_that_is_about_to_begin_lacks_nothing(log: LogWriter, made: int) -> None:
    """Between its making and its first line a run has any number of its log files, which are empty."""
    for number, file in enumerate((Log.ATTEMPTS, Log.RESPONSES, Log.ERRORS, Log.EVENTS)):
        (log.folder / file.file_name).unlink()
        if number < made:
            (log.folder / file.file_name).touch()
    counts = load_run(log.folder).counts
    assert (counts.asked, counts.answered) == (2, 0)


@pytest.mark.parametrize("command", ["tables", "analyze"])
def test_commands_say_so_in_one_line(work: Workplace, command: str) -> None:
    """Of a real run without its requests no command says that nothing was asked."""
    work.write([line("a")])
    assert work.run().code == 0
    assert work.overnight(command, "out").code == 0
    (work.run_folder / Log.REQUESTS.file_name).unlink()
    ended = work.overnight(command, "out")
    what = "is gone, but the run was made with 1 requests: run the manifest m.jsonl again to put it back"
    assert (ended.code, ended.out, ended.error) == (2, "", f"out/requests.jsonl: {what}")
