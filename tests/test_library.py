"""The same runs from Python."""

import asyncio
import json
from pathlib import Path

import pytest

from orchestrator import InputError, plan, read_status, responses, run


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "m.jsonl"
    with path.open("w") as file:
        for number in range(12):
            body = {"model": "m", "messages": [{"role": "user", "content": f"row {number}"}], "max_tokens": 8}
            line = {"custom_id": f"r{number}", "url": "/v1/chat/completions", "body": body}
            file.write(json.dumps(line) + "\n")
    return path


async def test_run_returns_how_it_ended(manifest: Path) -> None:
    """A finished run says its exit code and its counts, and its folder has a status."""
    result = await run(manifest, out=manifest.parent / "run", simulate=True)
    assert (result.exit_code, result.asked, result.answered, result.simulated) == (0, 12, 12, True)
    status = read_status(result.folder)
    assert (status.answered, status.pid, status.exit_code) == (12, None, 0)


async def test_responses_yields_each_answer_once_as_it_lands(manifest: Path) -> None:
    """The iterator yields the answers of this session and, given the folder again, those of earlier ones."""
    first = [answer.custom_id async for answer in responses(manifest, out=manifest.parent / "run", simulate=True)]
    assert sorted(first) == sorted(f"r{number}" for number in range(12))
    again = [answer async for answer in responses(manifest.parent / "run")]
    assert [answer.custom_id for answer in again] == first
    assert again[0].body["choices"][0]["message"]["content"]


async def test_leaving_the_loop_early_loses_nothing(manifest: Path) -> None:
    """What was in flight when the loop was left is on disk, and the next call goes on from there."""
    out = manifest.parent / "run"
    stream = responses(manifest, out=out, simulate=True, concurrency=2)
    async for _ in stream:
        break
    await stream.aclose()
    status = read_status(out)
    assert 0 < status.answered < 12
    assert status.in_flight == 0
    rest = await run(out)
    assert (rest.answered, rest.sent) == (12, 12 - status.answered)


async def test_cancelling_drains(manifest: Path) -> None:
    """A cancelled run awaits its calls in flight before the cancellation goes on."""
    out = manifest.parent / "run"
    task = asyncio.create_task(run(manifest, out=out, simulate=True, concurrency=2))
    while not (out / "attempts.jsonl").exists() or not (out / "attempts.jsonl").stat().st_size:
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    status = read_status(out)
    assert status.answered >= 1
    assert (status.maybe_billed, status.exit_code) == (0, 130)


def test_plan_sends_nothing_and_makes_nothing(manifest: Path) -> None:
    """A plan counts rows by lane and leaves no folder behind."""
    planned = plan(manifest, out=manifest.parent / "run", simulate=True)
    assert (planned.rows, planned.lanes[0].provider, planned.is_new) == (12, "simulator", True)
    assert not (manifest.parent / "run").exists()


async def test_bad_input_is_one_error(manifest: Path) -> None:
    """What is wrong with a manifest is an InputError that names file, line and field."""
    manifest.write_text(manifest.read_text() + '{"custom_id": "x", "body": {}}\n')
    with pytest.raises(InputError) as caught:
        await run(manifest, out=manifest.parent / "run", simulate=True)
    assert (caught.value.line, caught.value.field) == (13, "url")
