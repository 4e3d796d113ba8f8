"""`--first N`: a run of the beginning of its source, which a larger N, or none, lets grow."""

import json
from pathlib import Path

import pytest

from orchestrator import InputError, plan, run
from outputs.answers import iterate_items, read_answers
from outputs.journal import Log
from outputs.run_record import read_run_record
from tests.harness.chain import DEPTH, write_chain_spec
from tests.harness.workplace import Workplace, line

ITEMS = 6


def asked(folder: Path) -> dict[str, str]:
    """Every request of a run: its id and the fingerprint of its body."""
    read = [json.loads(one) for one in (folder / Log.REQUESTS.file_name).read_bytes().splitlines()]
    found = {one["custom_id"]: one["fingerprint"] for one in read}
    assert len(found) == len(read)
    return found


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec of the chain job over six items."""
    return write_chain_spec(tmp_path, ITEMS, monkeypatch)


def test_the_first_rows_of_a_manifest_and_then_the_rest(work: Workplace) -> None:
    """What was asked is not asked again, no word is needed to grow, and the record says how far it goes."""
    work.write([line(f"r{number}") for number in range(5)])
    assert work.run("--first", 2).code == 0
    assert work.provider.texts == ["r0", "r1"]
    assert read_run_record(work.run_folder).first == 2
    for first, new in (("3", ["r2"]), ("3", []), (None, ["r3", "r4"]), (None, [])):
        work.provider.forget()
        ended = work.run(*(() if first is None else ("--first", first)))
        assert (ended.code, work.provider.texts) == (0, new)
        assert read_run_record(work.run_folder).first == (None if first is None else int(first))
    assert {one.custom_id for one in read_answers(work.run_folder)} == {f"r{number}" for number in range(5)}


def test_less_than_before_wants_a_word(work: Workplace) -> None:
    """A smaller N takes rows out of the run only with --accept-changes; a larger one brings them back unasked."""
    work.write([line(f"r{number}") for number in range(5)])
    assert work.run().code == 0
    work.provider.forget()
    refused = work.run("--first", 2)
    says = "--first 2 asks for less than this run does (3 no longer asked for, 2 unchanged); give another --out, or "
    assert (refused.code, refused.error) == (2, f"{work.run_folder}: {says}--accept-changes")
    assert work.run("--first", 2, "--accept-changes", "--json").json["asked"] == 2
    again = work.run("--json").json
    assert (again["asked"], again["answered"], work.provider.calls) == (5, 5, [])


async def test_a_job_grows_with_its_derived_requests(spec: Path, tmp_path: Path) -> None:
    """New items are asked about to the end, old ones ask what they asked: as if all had been there from the start."""
    await run(spec, out=tmp_path / "whole", simulate=True)
    out = tmp_path / "run"
    first = await run(spec, out=out, simulate=True, first=2)
    assert (first.answered, first.asked) == (2 * DEPTH, 2 * DEPTH)
    before = asked(out)
    planned = plan(spec, out=out, simulate=True, first=4)
    assert (planned.rows, planned.expected, planned.changes) == (2 * DEPTH, 2 * (DEPTH - 1), "2 new, 2 unchanged")
    grown = await run(spec, out=out, simulate=True, first=4)
    assert (grown.exit_code, grown.sent, grown.answered) == (0, 2 * DEPTH, 4 * DEPTH)
    assert before.items() <= asked(out).items()
    assert [item.item for item in iterate_items(out)] == ["i0", "i1", "i2", "i3"]
    alone = await run(out)
    assert (alone.exit_code, alone.sent, read_run_record(out).first) == (0, 0, 4)
    whole = await run(spec, out=out, simulate=True)
    assert (whole.exit_code, whole.sent) == (0, 2 * DEPTH)
    assert asked(out) == asked(tmp_path / "whole")


async def test_a_changed_dataset_is_no_growth(spec: Path, tmp_path: Path) -> None:
    """A larger N over other items, or beside another spec, is refused as such a change is."""
    out = tmp_path / "run"
    await run(spec, out=out, simulate=True, first=2)
    dataset = tmp_path / "items.json"
    was = dataset.read_text()
    dataset.write_text(was.replace("Caption 1", "Another caption"))
    with pytest.raises(InputError, match="the dataset changed, or more of it changes what is asked"):
        await run(spec, out=out, simulate=True, first=4)
    dataset.write_text(was)
    spec.write_text(spec.read_text().replace("seed = 0", "seed = 1"))
    with pytest.raises(InputError, match="the spec changed since this run was made"):
        await run(spec, out=out, simulate=True, first=4)


@pytest.mark.parametrize("kept", [0, 1, 2])
async def test_a_growth_that_was_cut_short_is_taken_up(spec: Path, tmp_path: Path, kept: int) -> None:
    """A kill before all new rows, or before the record, were written: the same again writes the rest of them once."""
    out = tmp_path / "run"
    await run(spec, out=out, simulate=True, first=2)
    record, lengths = (out / "run.json").read_bytes(), {log: size(out, log) for log in Log}
    await run(spec, out=out, simulate=True, first=4)
    for log in Log:  # as they were when the first `kept` of the two new requests had been written
        lines = (out / log.file_name).read_bytes()[lengths[log] :].splitlines(keepends=True)
        keep = [one for one in lines if log is Log.ITEMS or b"asked_changed" in one]
        keep = keep if log in (Log.ITEMS, Log.EVENTS) else lines[:kept] if log is Log.REQUESTS else []
        with (out / log.file_name).open("r+b") as file:
            file.seek(lengths[log])
            file.truncate()
            file.writelines(keep)
    (out / "run.json").write_bytes(record)
    if kept < 2:
        with pytest.raises(InputError, match=r"an edit of its spec chain\.toml was cut short; run the spec"):
            await run(out)
    result = await run(spec, out=out, simulate=True, first=4)
    assert (result.exit_code, result.answered, read_run_record(out).first) == (0, 4 * DEPTH, 4)
    assert len(asked(out)) == 4 * DEPTH
    assert (await run(out)).sent == 0


def size(folder: Path, log: Log) -> int:
    return (folder / log.file_name).stat().st_size


def test_lost_lines_are_put_back_only_by_the_same_part(work: Workplace) -> None:
    """Requests go by their place: another --first would put others there."""
    work.write([line(f"r{number}") for number in range(5)])
    assert work.run("--first", 3).code == 0
    requests = work.run_folder / Log.REQUESTS.file_name
    requests.write_bytes(b"".join(requests.read_bytes().splitlines(keepends=True)[:2]))
    for arguments in ((), ("--first", 4)):
        refused = work.run(*arguments)
        assert (refused.code, "was made with another --first" in refused.error) == (2, True)
    assert work.run("--first", 3, "--json").json["answered"] == 3


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_run_folder_goes_on_with_its_own(work: Workplace, command: str) -> None:
    """`--first` and `--prompts` belong to what a run is made from, and `--first` is a number from 1 on."""
    work.write([line("r0")])
    assert work.run().code == 0
    for option, value in (("--first", 1), ("--prompts", ".")):
        refused = work.overnight(command, "out", option, value)
        says = f"out: {option}: is for a manifest or a spec: a run folder goes on with what it was made with"
        assert (refused.code, refused.error) == (2, says)
    assert work.overnight(command, "m.jsonl", "--first", 0).error == "--first: is 0; it must be at least 1"
    assert work.overnight(command, "m.jsonl", "--prompts", "nowhere").error == "nowhere: --prompts: no such folder"
    assert "is for a spec" in work.overnight(command, "m.jsonl", "--prompts", ".").error
