"""Runs by batch against a simulator: a priced provider, and what its server says that it billed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from orchestrator.asking import options_of
from orchestrator.batching import fetching, lane_batches, patience
from orchestrator.opening import opened
from orchestrator.session import Result, send
from outputs.fold import RunState, fold
from outputs.journal import Log
from outputs.log_reader import read_records
from outputs.records import ErrorLine
from providers.simulator import Simulator

INPUT, OUTPUT = 1.0, 2.0  # USD per million tokens; a batch costs half
PATIENT = {"batch_poll_s": 0.05, "batch_look_s": 0.3, "batch_queue_s": 0.2}  # what a test's time allows
_CATALOG = """
[providers.lab]
protocol = "{protocol}"
base_url = "{base_url}"
models = ["*"]
{more}
batch_discount = 0.5
[providers.lab.prices."*"]
input = {input}
output = {output}
[providers.lab.facts."*"]
max_output_tokens = 400
[providers.lab.batch]
{batch}
"""


@dataclass(frozen=True, slots=True)
class Billed:
    """What a simulator says that it was asked and has billed, by batch and online together, USD."""

    lines: int
    batch_lines: int
    lines_twice: int
    usd: float


def write_priced_catalog(path: Path, base_url: str, protocol: str = "openai", more: str = "", **batch: object) -> Path:
    """A catalog in which every model goes to the server, at prices, and at half of them by batch.

    `more` are further lines of the provider's table.
    """
    settings = "".join(f"{name} = {json.dumps(value)}\n" for name, value in batch.items())
    path.write_text(
        _CATALOG.format(protocol=protocol, base_url=base_url, more=more, input=INPUT, output=OUTPUT, batch=settings)
    )
    return path


async def run_batches(source: Path, folder: Path, catalog: Path, **said: object) -> Result:
    """Run a manifest, by batch unless it is said otherwise."""
    thresholds = {**PATIENT, **said.pop("thresholds", {})}  # type: ignore[dict-item]  # a mapping, if anything
    options = options_of(out=folder, config=catalog, thresholds=thresholds, **{"via": "batch", **said})  # type: ignore[arg-type]  # whatever the test says
    with opened(source, options) as run:
        return await send(run, options)


def billed(simulator: Simulator) -> Billed:
    """What the server billed so far: its online answers at full price, its batches' lines at half."""
    stats = simulator.stats
    tokens_in, tokens_out = stats.prompt_tokens, stats.completion_tokens
    by_batch = stats.batch_billed
    batch_in, batch_out = by_batch["prompt_tokens"], by_batch["completion_tokens"]
    usd = ((tokens_in - batch_in / 2) * INPUT + (tokens_out - batch_out / 2) * OUTPUT) / 1e6
    return Billed(stats.billed, by_batch["lines"], stats.batch_lines_seen_twice, usd)


async def batches_of(simulator: Simulator) -> list[dict[str, Any]]:
    """Every batch that a simulator has: id, rows, state and what of it is done."""
    url = simulator.base_url.removesuffix("/v1") + "/simulator/batches"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        found: list[dict[str, Any]] = await response.json()
    return found


def cost_usd(state: RunState) -> float:
    """What the log says that a run has cost, and maybe cost beside it, USD."""
    return sum(lane.cost_usd + lane.maybe_usd for lane in state.lanes)


def check_accounted(folder: Path, rows: int) -> RunState:
    """Each row is answered or has failed, no attempt is open, no batch is unfinished."""
    state = fold(folder)
    assert sum(lane.answered + lane.failed for lane in state.lanes) == rows
    assert not any(state.batch_of)
    assert not state.open_attempts
    assert not state.batches.unfinished
    return state


def hasten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the waits of this process: for more rows, between tries of a call, and for results to become whole."""
    monkeypatch.setattr(lane_batches, "_QUIET_S", 0.05)
    monkeypatch.setattr(patience, "_SLOWEST_RETRY_S", 0.05)
    monkeypatch.setattr(fetching, "_READ_AGAIN", 1)


def failures(folder: Path) -> dict[str, str]:
    """By custom_id why a row has failed."""
    return {line.custom_id: line.error.code for _, line in read_records(folder / Log.ERRORS.file_name, ErrorLine)}


def check_cost(state: RunState, usd: float) -> None:
    """A provider billed `usd`: what has settled is known to the billionth, and what is lost is counted at its most."""
    known, maybe = (sum(getattr(lane, name) for lane in state.lanes) for name in ("cost_usd", "maybe_usd"))
    if maybe:
        assert known - 1e-9 <= usd <= known + maybe
    else:
        assert known == pytest.approx(usd)
