"""Evaluations whose process is killed outright twenty times and resumed: they end as if nobody had touched them."""

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from outputs.answers import read_answers
from outputs.journal import Log
from outputs.log_reader import read_records
from outputs.records import RequestLine
from outputs.run_record import read_run_record
from outputs.tables.score_reading import readers_of
from prompts.records import Parsed
from providers.simulator import Simulator, SimulatorSettings
from tests.harness import log_view
from tests.harness.asking import Manifest, write_catalog
from tests.harness.command import run_to_end
from tests.harness.killing import Kills, Phase, Scene

pytestmark = pytest.mark.long

KILLS = 20
SEED = 11
WITH_FAILED_ROWS = 3  # the exit code
RSE = """job = "rse"
reference = "omega"
models = ["alpha", "beta", "gamma-fails-20"]
judges = ["judge-garbles-10"]
[[datasets]]
path = "prompts.jsonl"
"""
ICE = """job = "ice"
targets = ["alpha-claims-40-20", "beta-claims-60-30-fails-10"]
helper = "helper"
judge = "judge-garbles-10"
fields = ["team"]
iterations = 3
"""


def write_rse(folder: Path) -> Path:
    """The spec of a run over twelve prompts, every third of two turns."""
    turns = [[f"Question {n}?", *([f"And then, {n}?"] if n % 3 == 0 else [])] for n in range(12)]
    rows = [{"id": f"p{n}", "turns": asked} for n, asked in enumerate(turns)]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = folder / "rse.toml"
    spec.write_text(RSE)
    return spec


def requests(folder: Path) -> dict[str, Any]:
    """The body of every request of a run by its id."""
    lines = [line for _, line in read_records(folder / Log.REQUESTS.file_name, RequestLine)]
    found = {orjson.loads(bytes(line.custom_id)): orjson.loads(bytes(line.body)) for line in lines}
    assert len(found) == len(lines), "an id stands twice"
    return found


def judgements(folder: Path) -> dict[str, Parsed]:
    """What every judge's answer says by the id of its request; none was bought twice."""
    assert set(log_view.answered(folder).values()) == {1}
    readers = readers_of(read_run_record(folder), folder)
    judged = [answer for answer in read_answers(folder) if answer.metadata.get("prompt_sha256") in readers]
    return {answer.custom_id: readers[answer.metadata["prompt_sha256"]](answer.completion) for answer in judged}


async def undisturbed(spec: Path, folder: Path, code: int) -> None:
    """The run of a spec from its start to its end, with another concurrency and other latencies."""
    async with Simulator(SimulatorSettings(seed=SEED, latency_s=0.005, answer_tokens=12)) as simulator:
        catalog = write_catalog(folder.parent / "calm.toml", simulator.base_url)
        options = ("--config", catalog, "--concurrency", 16, "--quiet")
        ended, said = await run_to_end("run", spec, "--out", folder, *options, folder=folder.parent)
    assert ended == code, said


async def killed(spec: Path, folder: Path, code: int, calls_per_life: int, concurrency: int) -> Kills:
    """The run of a spec, killed again and again while calls are under way or the log is read back."""
    random = Random(SEED)
    aims = [Phase.SENDING] * (KILLS - 3) + [Phase.OPENING] * 2
    random.shuffle(aims)
    async with Simulator(SimulatorSettings(seed=SEED, latency_s=0.05, answer_tokens=12)) as simulator:
        scene = Scene(
            simulator=simulator,
            manifest=Manifest(spec, {}),
            catalog=write_catalog(folder.parent / "lab.toml", simulator.base_url),
            folder=folder,
            random=random,
            concurrency=concurrency,
            calls_per_life=calls_per_life,
            ends_with=code,
        )
        for aim in (Phase.SENDING, *aims):
            await scene.kill_once(aim)
        ended, said = await scene.run_to_end()
    assert ended == code, said
    print(scene.kills.report())  # noqa: T201
    return scene.kills


def check(kills: Kills, folder: Path) -> None:
    """Twenty kills, which judgements and other calls were lost by, and both runs are one."""
    run, calm = folder / "run", folder / "calm"
    assert kills.count == KILLS
    assert kills.with_calls_in_flight >= KILLS // 2
    found, lost = judgements(run), {row for row, _ in log_view.killed(run)}
    assert lost & set(found)
    assert lost - set(found)
    assert requests(run) == requests(calm)
    assert found == judgements(calm)
    assert {parsed.outcome for parsed in found.values()} == {"ok", "unparseable"}


@pytest.mark.timeout(120)
async def test_rse_killed_twenty_times_ends_with_the_same_scores(tmp_path: Path) -> None:
    """With refused rows, garbled judgements and dialogues, it asks and finds what an undisturbed run does."""
    spec = write_rse(tmp_path)
    await undisturbed(spec, tmp_path / "calm", WITH_FAILED_ROWS)
    kills = await killed(spec, tmp_path / "run", WITH_FAILED_ROWS, calls_per_life=13, concurrency=2)
    check(kills, tmp_path)


@pytest.mark.timeout(120)
async def test_ice_killed_twenty_times_grows_the_same_trees(tmp_path: Path) -> None:
    """An identity search asks the same of the same templates, and finds the same, as an undisturbed one."""
    spec = tmp_path / "ice.toml"
    spec.write_text(ICE)
    await undisturbed(spec, tmp_path / "calm", WITH_FAILED_ROWS)
    kills = await killed(spec, tmp_path / "run", WITH_FAILED_ROWS, calls_per_life=13, concurrency=4)
    check(kills, tmp_path)
    stages = Counter(key.split("-")[1] for key in requests(tmp_path / "run"))
    assert (stages["mutate"], stages["ask"]) == (6, 60)
    assert stages["strict"] > 10
