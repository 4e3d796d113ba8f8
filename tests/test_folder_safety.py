"""A run folder is never made over anything, and never stands in for another run."""

import json
from pathlib import Path

import pytest

from orchestrator import InputError, read_status, responses, run
from orchestrator.engine import Engine


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "m.jsonl"
    _write(path, 8)
    return path


def _write(path: Path, rows: int, models: int = 1) -> None:
    with path.open("w") as file:
        for number in range(rows):
            content = [{"role": "user", "content": f"row {number}"}]
            body = {"model": f"m{number % models}", "messages": content, "max_tokens": 8}
            line = {"custom_id": f"r{number}", "url": "/v1/chat/completions", "body": body}
            file.write(json.dumps(line) + "\n")


async def test_files_of_the_user_with_our_names_are_left_alone(manifest: Path) -> None:
    """A folder that holds files named like a log's is not made into a run, and nothing in it is touched."""
    folder = manifest.parent / "mine"
    folder.mkdir()
    (folder / "requests.jsonl").write_bytes(manifest.read_bytes())
    (folder / "items.jsonl").write_text("data")
    with pytest.raises(InputError, match="not empty"):
        await run(folder / "requests.jsonl", out=folder, simulate=True)
    assert (folder / "requests.jsonl").read_bytes() == manifest.read_bytes()
    assert (folder / "items.jsonl").read_text() == "data"


async def test_a_run_without_its_record_is_not_made_anew(manifest: Path) -> None:
    """A lost run.json is an error, not a reason to buy everything again."""
    out = manifest.parent / "run"
    await run(manifest, out=out, simulate=True)
    record, answers = (out / "run.json").read_bytes(), (out / "responses.jsonl").read_bytes()
    (out / "run.json").unlink()
    with pytest.raises(InputError, match=r"without its run\.json"):
        await run(manifest, out=out, simulate=True)
    assert (out / "responses.jsonl").read_bytes() == answers
    (out / "run.json").write_bytes(record)
    assert (await run(manifest, out=out, simulate=True)).sent == 0


async def test_a_lost_log_file_is_an_error(manifest: Path) -> None:
    """Answers that are gone are not bought again unasked."""
    out = manifest.parent / "run"
    await run(manifest, out=out, simulate=True)
    (out / "responses.jsonl").unlink()
    with pytest.raises(InputError, match="is gone, but calls were made"):
        await run(manifest, out=out, simulate=True)


async def test_an_unfinished_making_is_made_anew(manifest: Path) -> None:
    """What a kill left of a folder that was being made is in nobody's way."""
    out = manifest.parent / "run"
    out.mkdir()
    (out / "making").touch()
    (out / "requests.jsonl.new").write_text('{"seq":1,')
    result = await run(manifest, out=out, simulate=True)
    assert (result.exit_code, result.answered) == (0, 8)
    assert not (out / "making").exists()


async def test_a_rehearsal_does_not_stand_in_for_the_run(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same manifest without --simulate is not answered by the simulated folder."""
    out = manifest.parent / "run"
    await run(manifest, out=out, simulate=True)
    with pytest.raises(InputError, match="rehearsal"):
        await run(manifest, out=out)
    assert (await run(out)).sent == 0  # the folder itself says what it is


async def test_leaving_the_loop_at_the_first_old_answer_drains(manifest: Path) -> None:
    """A resumed iterator that is left at once sends no more than what was in flight."""
    out = manifest.parent / "run"
    _write(manifest, 400)
    stream = responses(manifest, out=out, simulate=True, concurrency=2)
    async for _ in stream:
        break
    await stream.aclose()
    before = read_status(out).attempts
    again = responses(out, concurrency=2)
    async for _ in again:
        break
    await again.aclose()
    assert read_status(out).attempts - before <= 2


@pytest.mark.parametrize("concurrency", [0, -1, 5000])
async def test_a_senseless_concurrency_is_bad_input(manifest: Path, concurrency: int) -> None:
    """It is said at once, rather than waited for."""
    with pytest.raises(InputError, match="concurrency"):
        await run(manifest, out=manifest.parent / "run", simulate=True, concurrency=concurrency)


async def test_a_lane_has_no_more_workers_than_rows(manifest: Path) -> None:
    """Many models with few rows each cost few workers each."""
    _write(manifest, 40, models=20)
    engines: list[Engine] = []
    await run(manifest, out=manifest.parent / "run", simulate=True, on_engine=engines.append)
    assert {lane.workers for lane in engines[0].lanes.values()} == {2}


async def test_the_lock_holds_although_its_file_was_deleted(manifest: Path) -> None:
    """Whoever deletes the lock of a live run does not open it to a second writer."""
    out = manifest.parent / "run"
    _write(manifest, 200)
    stream = responses(manifest, out=out, simulate=True, concurrency=2)
    async for _ in stream:
        break
    (out / "lock").unlink()
    with pytest.raises(InputError, match="in use by a live process"):
        await run(out)
    await stream.aclose()
