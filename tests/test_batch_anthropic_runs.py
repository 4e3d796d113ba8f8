"""Whole runs by Anthropic's message batches, against a simulator whose batches go wrong in every way that is known.

The API says nothing of what a whole batch used, and keeps no key of ours with it: what was lost is counted at the most
that it can have cost, and a batch whose creation was not answered is known by its results alone.
"""

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from outputs.batches import Step
from outputs.fold import RunState, fold
from providers.simulator import Simulator, SimulatorSettings
from tests.harness import log_view
from tests.harness.asking import write_manifest
from tests.harness.batch_runs import (
    batches_of,
    billed,
    check_accounted,
    check_cost,
    cost_usd,
    failures,
    hasten,
    run_batches,
    write_priced_catalog,
)
from tests.harness.command import run_to_end
from tests.harness.recorder import Recorder
from tests.test_batch_kills import kill_once

ROWS = 60
KILLS = 5
QUICK: dict[str, Any] = {"answer_tokens": 12, "record": True, "latency_s": 0.002, "batch_s": 0.1}

# What befalls batches, and how many rows may end without an answer then; those must say why.
FAULTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": ({}, set()),
    "lines in another order": ({"batch_reorder": True}, set()),
    "lines that are lost, though billed": ({"batch_drop_rate": 0.2}, {"missing"}),
    "lines that never had a turn": ({"batch_skip_rate": 0.2}, set()),
    "lines that stand twice": ({"batch_duplicate_rate": 0.3}, set()),
    "lines that are cut off": ({"batch_torn_rate": 0.2}, {"unreadable", "missing"}),
    "lines that fail": ({"batch_error_rate": 0.3}, {"transient"}),
    "lines that are throttled": ({"batch_throttle_rate": 0.3}, set()),
    "a half that expires": ({"batch_expire_share": 0.5}, {"batch_ended"}),
    "lines that nobody asked for": ({"batch_unknown": 5}, set()),
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
            "batch_create_lost": 0.3,
            "batch_create_refused_rate": 0.2,
            "batch_poll_error_rate": 0.2,
            "batch_download_torn": 0.5,
        },
        {"missing", "unreadable", "transient", "batch_ended"},
    ),
}


def write_catalog(folder: Path, simulator: Simulator, max_rows: int = 50_000) -> Path:
    return write_priced_catalog(
        folder / "lab.toml", simulator.base_url.removesuffix("/v1"), "anthropic", max_rows=max_rows
    )


@pytest.fixture(autouse=True)
def hastened(monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("what", FAULTS)
async def test_every_row_ends_answered_or_explained_and_none_is_bought_twice(tmp_path: Path, what: str) -> None:
    """Whatever befalls its batches, each answer is bought once and its cost is the server's; only what came back
    unreadable, or not at all, is counted as maybe billed."""
    faults, may_fail = FAULTS[what]
    manifest = write_manifest(tmp_path / "m.jsonl", ROWS)
    async with Simulator(SimulatorSettings(**QUICK, **faults)) as simulator:
        catalog = write_catalog(tmp_path, simulator)
        result = await run_batches(manifest.path, tmp_path / "run", catalog, thresholds={"transient_attempts": 20})
        server = billed(simulator)
    state, failed = check_accounted(tmp_path / "run", ROWS), failures(tmp_path / "run")
    assert set(failed.values()) <= may_fail
    assert result.exit_code == (3 if failed else 0), result.reason
    assert result.answered == ROWS - len(failed)
    assert (server.lines, server.lines_twice) == (server.batch_lines, 0)
    check_cost(state, server.usd)
    lost = {code for code in failed.values() if code in ("missing", "unreadable")}
    assert bool(sum(lane.maybe_usd for lane in state.lanes)) == bool(lost)


def check_batches(state: RunState, there: list[dict[str, Any]]) -> None:
    """Every batch of the server is one of the log's, and is read to its last line."""
    read = {batch.told.id: batch.told.lines for batch in state.batches.all if batch.step is Step.SETTLED}
    assert {batch["id"]: {"answered": batch["rows"]} for batch in there} == read


async def test_batches_of_one_size_whose_creations_are_lost_are_told_apart(tmp_path: Path) -> None:
    """Ten batches of six rows, most of whose creations are not answered, are each found again by what they answer."""
    manifest = write_manifest(tmp_path / "m.jsonl", ROWS)
    async with Simulator(SimulatorSettings(**QUICK, batch_create_lost=0.7)) as simulator:
        catalog = write_catalog(tmp_path, simulator, max_rows=6)
        result = await run_batches(manifest.path, tmp_path / "run", catalog)
        server, there = billed(simulator), await batches_of(simulator)
    state = check_accounted(tmp_path / "run", ROWS)
    assert (result.answered, server.batch_lines, server.lines_twice, len(there)) == (ROWS, ROWS, 0, 10)
    check_batches(state, there)
    check_cost(state, server.usd)


async def test_a_lost_batch_is_known_though_its_results_are_odd(tmp_path: Path) -> None:
    """No creation is answered, results begin with lines of nobody, and lines are missing that the batch does not count:
    each batch is found again all the same."""
    manifest = write_manifest(tmp_path / "m.jsonl", ROWS)
    settings = SimulatorSettings(**QUICK, batch_create_lost=1.0, batch_skip_rate=0.3, batch_unknown=20)
    async with Simulator(settings) as simulator:
        catalog = write_catalog(tmp_path, simulator, max_rows=20)
        result = await run_batches(manifest.path, tmp_path / "run", catalog, thresholds={"transient_attempts": 20})
        server, there = billed(simulator), await batches_of(simulator)
    state = check_accounted(tmp_path / "run", ROWS)
    assert (result.answered, server.batch_lines, server.lines_twice) == (ROWS, ROWS, 0)
    assert {batch.told.id for batch in state.batches.all} == {batch["id"] for batch in there}
    check_cost(state, server.usd)


async def test_a_row_that_fails_alone_uses_up_its_attempts(tmp_path: Path) -> None:
    """A row whose line always fails is given up by its own attempts; its lane is not stopped for it."""
    manifest = write_manifest(tmp_path / "m.jsonl", 1)
    async with Simulator(SimulatorSettings(**QUICK, batch_error_rate=1.0)) as simulator:
        result = await run_batches(manifest.path, tmp_path / "run", write_catalog(tmp_path, simulator))
    state = check_accounted(tmp_path / "run", 1)
    assert (result.exit_code, failures(tmp_path / "run"), len(state.batches.all)) == (3, {"row-0": "transient"}, 5)
    assert cost_usd(state) == 0


@pytest.mark.timeout(120)
async def test_lost_creations_are_found_again_after_kills(tmp_path: Path) -> None:
    """Killed five times meanwhile, the run ends the same: each row is bought once, and no batch is forgotten."""
    random, killed = Random(7), 0
    manifest = write_manifest(tmp_path / "m.jsonl", ROWS)
    options = ("--via", "batch", "--quiet", "--threshold", "batch_poll_s=0.05", "--threshold", "batch_look_s=0.4")
    settings = SimulatorSettings(answer_tokens=8, batch_s=1.5, batch_create_lost=0.6, batch_download_torn=0.3)
    async with Simulator(settings) as simulator:
        catalog = write_catalog(tmp_path, simulator, max_rows=6)
        command = ("run", manifest.path, "--out", tmp_path / "run", "--config", catalog, *options)
        while killed < KILLS:
            assert await kill_once(tmp_path / "run", command, random) is not None, f"it ended after {killed} kills"
            killed += 1
        code, said = await run_to_end(*command, folder=tmp_path)
        assert code == 0, said
        server, there = billed(simulator), await batches_of(simulator)
    state = check_accounted(tmp_path / "run", ROWS)
    assert log_view.answered(tmp_path / "run") == Counter(manifest.ids)
    assert (server.batch_lines, server.lines, server.lines_twice) == (ROWS, ROWS, 0)
    check_batches(state, there)
    assert cost_usd(state) == pytest.approx(server.usd)


async def test_rows_with_a_temperature_go_in_batches_of_their_own(tmp_path: Path) -> None:
    """Rows that the current version of the API refuses go out under the version that takes them, the others under
    the current one, each in batches of one version."""
    path = tmp_path / "m.jsonl"
    asked = write_manifest(path, 8)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines[::3]:
        line["body"]["temperature"] = 0.5
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        async with Recorder(simulator.base_url.removesuffix("/v1")) as recorder:
            catalog = write_priced_catalog(tmp_path / "lab.toml", recorder.url, "anthropic")
            result = await run_batches(path, tmp_path / "run", catalog)
        created = [one for one in recorder.exchanges if (one.method, one.target) == ("POST", "/v1/messages/batches")]
    assert (result.answered, len(asked.ids)) == (8, 8)
    sent = {one.headers["anthropic-version"]: [row["params"] for row in one.json["requests"]] for one in created}
    assert {version: ["temperature" in row for row in rows] for version, rows in sent.items()} == {
        "2023-06-01": [True] * 3,
        "2026-10-21": [False] * 5,
    }
    groups = {batch.told.group: batch.told.lines for batch in fold(tmp_path / "run").batches.all}
    assert groups == {"2023-06-01": {"answered": 3}, "2026-10-21": {"answered": 5}}
