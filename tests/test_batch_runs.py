"""Whole runs by batch, against a simulator whose batches go wrong in every way that is known."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from outputs.answers import read_responses
from outputs.batches import Step
from outputs.fold import fold
from outputs.journal import Log
from outputs.log_reader import read_records
from outputs.records import AttemptLine, ErrorLine
from providers.simulator import Simulator, SimulatorSettings
from tests.harness.asking import write_manifest
from tests.harness.batch_runs import billed, check_accounted, cost_usd, hasten, run_batches, write_priced_catalog

ROWS = 60
QUICK: dict[str, Any] = {"answer_tokens": 12, "record": True, "latency_s": 0.002, "batch_s": 0.2}

# What befalls batches, and how many rows may end without an answer then; those must say why.
FAULTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": ({}, set()),
    "lines in another order": ({"batch_reorder": True}, set()),
    "lines that are lost, though billed": ({"batch_drop_rate": 0.2}, {"missing"}),
    "lines that never had a turn": ({"batch_skip_rate": 0.2}, set()),
    "lines that stand twice": ({"batch_duplicate_rate": 0.3}, set()),
    "lines that are cut off": ({"batch_torn_rate": 0.2}, {"unreadable"}),
    "lines that fail": ({"batch_error_rate": 0.3}, {"transient"}),
    "lines that are throttled": ({"batch_throttle_rate": 0.3}, set()),
    "a half that expires": ({"batch_expire_share": 0.5}, {"batch_ended"}),
    "lines that nobody asked for": ({"batch_unknown": 5}, set()),
    "uploads whose answer is lost": ({"batch_upload_lost": 0.7}, set()),
    "creations whose answer is lost": ({"batch_create_lost": 0.7}, set()),
    "creations that fail": ({"batch_create_refused_rate": 0.7}, set()),
    "looks that fail": ({"batch_poll_error_rate": 0.4}, set()),
    "downloads that are cut off": ({"batch_download_torn": 1.0}, set()),
    "a queue that is full": ({"batch_queue_tokens": 150}, set()),
    "everything at once": (
        {
            "batch_drop_rate": 0.05,
            "batch_skip_rate": 0.05,
            "batch_duplicate_rate": 0.1,
            "batch_torn_rate": 0.05,
            "batch_error_rate": 0.1,
            "batch_throttle_rate": 0.1,
            "batch_expire_share": 0.2,
            "batch_unknown": 2,
            "batch_upload_lost": 0.3,
            "batch_create_lost": 0.3,
            "batch_create_refused_rate": 0.2,
            "batch_poll_error_rate": 0.2,
            "batch_download_torn": 0.5,
        },
        {"missing", "unreadable", "transient", "batch_ended"},
    ),
}


def failures(folder: Path) -> dict[str, str]:
    """By custom_id why a row has failed."""
    return {line.custom_id: line.error.code for _, line in read_records(folder / Log.ERRORS.file_name, ErrorLine)}


@pytest.fixture(autouse=True)
def _hastened(monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("what", FAULTS)
async def test_every_row_ends_answered_or_explained_and_none_is_bought_twice(tmp_path: Path, what: str) -> None:
    """Whatever befalls its batches, the run's cost is what the server billed, and each answer is bought once."""
    faults, may_fail = FAULTS[what]
    manifest = write_manifest(tmp_path / "m.jsonl", ROWS)
    async with Simulator(SimulatorSettings(**QUICK, **faults)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        result = await run_batches(manifest.path, tmp_path / "run", catalog, thresholds={"transient_attempts": 20})
        server = billed(simulator)
    state = check_accounted(tmp_path / "run", ROWS)
    failed = failures(tmp_path / "run")
    assert set(failed.values()) <= may_fail
    assert result.exit_code == (3 if failed else 0), result.reason
    assert result.answered == ROWS - len(failed)
    assert server.lines == server.batch_lines
    assert server.lines_twice == 0
    assert cost_usd(state) == pytest.approx(server.usd, rel=1e-6, abs=len(failed) * 1e-9)
    assert sum(lane.maybe_usd for lane in state.lanes) == 0


async def test_batch_and_online_give_the_same_output(tmp_path: Path) -> None:
    """The lines of a run by batch equal those of the same run online but for ids, times, prices and the batch.

    The bodies are equal as JSON: online they came with line breaks, which a line of results cannot have.
    """
    manifest = write_manifest(tmp_path / "m.jsonl", ROWS, refused=[7])
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        for via in ("batch", "online"):
            result = await run_batches(manifest.path, tmp_path / via, catalog, via=via)
            assert (result.answered, result.failed) == (ROWS - 1, 1)
    by_batch, online = (_comparable(tmp_path / via) for via in ("batch", "online"))
    assert by_batch == online
    assert len(by_batch) == ROWS


def _comparable(folder: Path) -> dict[str, Any]:
    """The lines of answers and errors by custom_id, without ids, times, prices and which batch it was."""
    found = {}
    for name in ("responses.jsonl", "errors.jsonl"):
        for text in (folder / name).read_bytes().splitlines():
            line = orjson.loads(text)
            for key in ("seq", "request", "id", "at", "latency_s", "cost_usd", "batch", "attempts"):
                line.pop(key, None)
            line.pop("body_sha256", None)
            line["response"].pop("request_id")
            if (raw := line["response"]["body"].get("raw")) is not None:
                line["response"]["body"] = orjson.loads(raw)
            found[line["custom_id"]] = line
    return found


async def test_what_came_back_is_kept_as_it_came(tmp_path: Path) -> None:
    """Each answer's line names its batch, whose results lie in the run folder, byte for byte as the provider gave them;
    what was sent is removed."""
    manifest = write_manifest(tmp_path / "m.jsonl", 5)
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        await run_batches(manifest.path, tmp_path / "run", catalog)
    state = fold(tmp_path / "run")
    (batch,) = state.batches.all
    assert {answer.batch for answer in read_responses(tmp_path / "run")} == {batch.seq}
    (results,) = (tmp_path / "run" / "batches").iterdir()
    assert results.name == f"{batch.told.key}.results.jsonl"
    assert len(results.read_bytes().splitlines()) == 5
    assert (batch.told.lines, batch.step) == ({"answered": 5}, Step.SETTLED)


async def test_each_step_is_on_disk_before_what_it_announces(tmp_path: Path) -> None:
    """The intents of all rows stand before the upload's line, and each batch's steps in their order."""
    manifest = write_manifest(tmp_path / "m.jsonl", 10)
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url, max_rows=4)
        await run_batches(manifest.path, tmp_path / "run", catalog)
    found = [line for _, line in read_records(tmp_path / "run" / Log.ATTEMPTS.file_name, AttemptLine)]
    batches = {line.seq: line.told.rows for line in found if line.step is Step.BEGUN and line.told is not None}
    assert sorted(batches.values()) == [2, 4, 4]  # type: ignore[type-var]  # a begun batch says how many
    for seq, rows in batches.items():
        steps = [line for line in found if line.batch == seq and line.step is not None]
        uploading = next(line.seq for line in steps if line.step is Step.UPLOADING)
        intents = [line.seq for line in found if line.batch == seq and line.step is None]
        assert len(intents) == rows
        assert seq < min(intents) <= max(intents) < uploading
        named = [line.step for line in steps if line.step is not Step.POLLED]
        assert named == [Step.UPLOADING, Step.UPLOADED, Step.CREATING, Step.CREATED, Step.ENDED, Step.SETTLED]


async def test_the_cap_holds_by_batch_and_what_it_has_no_room_for_waits(tmp_path: Path) -> None:
    """Rows are submitted as far as their most fits the cap, and others as settlements make room, never beyond it."""
    manifest = write_manifest(tmp_path / "m.jsonl", ROWS)
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        result = await run_batches(manifest.path, tmp_path / "run", catalog, budget="0.006")
        server = billed(simulator)
    assert result.exit_code in (0, 4)
    assert len(fold(tmp_path / "run").batches.all) > 1
    assert server.usd <= 0.006
    assert sum(lane.cost_usd for lane in result.lanes) == pytest.approx(server.usd)


async def test_a_provider_without_a_batch_api_is_refused_unless_auto(tmp_path: Path) -> None:
    """`--via batch` names the provider and sends nothing; `--via auto` sends its rows online."""
    from prompts.input_error import InputError

    manifest = write_manifest(tmp_path / "m.jsonl", 5)
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        catalog.write_text(catalog.read_text().replace("[providers.lab.batch]", ""))
        with pytest.raises(InputError, match="lab has no batch API") as told:
            await run_batches(manifest.path, tmp_path / "run", catalog)
        assert (told.value.line, str(told.value.file)) == (1, str(manifest.path))
        assert not (tmp_path / "run").exists()
        result = await run_batches(manifest.path, tmp_path / "run", catalog, via="auto")
    assert (result.answered, simulator.stats.batch_billed["lines"]) == (5, 0)
