"""Evaluations by batch: they ask the same and find the same as online, with few batches, and through kills."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import Image

from outputs.fold import fold
from outputs.journal import Log
from providers.simulator import Simulator, SimulatorSettings
from tests.harness import log_view
from tests.harness.asking import body
from tests.harness.batch_runs import billed, cost_usd, failures, hasten, write_priced_catalog
from tests.harness.batch_sessions import session
from tests.harness.command import run_to_end
from tests.harness.media_files import make_clip
from tests.harness.pictures import encoded, shown
from tests.harness.workplace import jsonl
from tests.test_batch_kills import kill_once
from tests.test_evaluations_killed import ICE, judgements, requests, write_rse

pytestmark = pytest.mark.long

EXAMPLES = Path(__file__).resolve().parents[1] / "jobs" / "examples"
SEED = 11
KILLS = 10
QUICK: dict[str, Any] = {"seed": SEED, "answer_tokens": 12, "latency_s": 0.002, "batch_s": 0.1}
SOLO = """
[providers.solo]
protocol = "openai"
base_url = "{base_url}"
models = {models}
[providers.solo.prices."*"]
input = 1.0
output = 2.0
"""


def _ice(folder: Path) -> Path:
    spec = folder / "ice.toml"
    spec.write_text(ICE)
    return spec


def _example(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        shutil.copytree(EXAMPLES, folder / "examples")
        spec = folder / "examples" / f"{name}.toml"
        spec.write_text(spec.read_text().replace('"simulator/', '"lab/'))
        return spec

    return write


SPECS = {
    "rse": (write_rse, 3),
    "ice": (_ice, 3),
    "gveval": (_example("gveval_ref_only"), 0),
    "gveval that sees": (_example("gveval_ref_free"), 0),
    "ask": (_example("ask"), 0),
    "judge": (_example("judge"), 0),
}


def _same_output(folder: Path, other: Path) -> None:
    """Both runs ask the same, have the same answers and failures, and read the same scores."""
    assert requests(folder) == requests(other)
    found = judgements(folder)
    assert found
    assert found == judgements(other)
    assert failures(folder) == failures(other)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", SPECS)
async def test_an_evaluation_by_batch_finds_what_it_finds_online(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Derived requests, scores and failures are the same, by batch and with `auto`; nothing goes online."""
    hasten(monkeypatch)
    write, code = SPECS[name]
    spec = write(tmp_path)
    for via in ("online", "batch", "auto"):
        async with Simulator(SimulatorSettings(**QUICK)) as simulator:
            catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
            result = await session(spec, tmp_path / via, catalog, via=via)
            assert result.exit_code == code, result.reason
            server = billed(simulator)
        assert server.batch_lines == (0 if via == "online" else server.lines)
        state = fold(tmp_path / via)
        assert cost_usd(state) == pytest.approx(server.usd)
        assert not state.batches.unfinished
    _same_output(tmp_path / "batch", tmp_path / "online")
    _same_output(tmp_path / "auto", tmp_path / "online")


def _with_solo(catalog: Path, base_url: str, solo: list[str], lab: list[str]) -> Path:
    """The catalog with a second provider, without a batch API, for the models `solo`."""
    text = catalog.read_text().replace('models = ["*"]', f"models = {json.dumps(lab)}")
    catalog.write_text(text + SOLO.format(base_url=base_url, models=json.dumps(solo)))
    return catalog


@pytest.mark.timeout(60)
async def test_a_judge_without_a_batch_api_is_asked_online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `auto`, models go by batch and their judge online, and the scores are those of a run online."""
    hasten(monkeypatch)
    spec = write_rse(tmp_path)
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        _with_solo(catalog, simulator.base_url, ["judge-*"], ["alpha", "beta", "gamma-*", "omega"])
        assert (await session(spec, tmp_path / "online", catalog, via="online")).exit_code == 3
        assert (await session(spec, tmp_path / "auto", catalog, via="auto")).exit_code == 3
    _same_output(tmp_path / "auto", tmp_path / "online")
    by_lane = {lane.provider: (lane.by_batch, lane.answered) for lane in fold(tmp_path / "auto").lanes}
    assert by_lane["solo"][0] == 0
    assert by_lane["lab"][0] == by_lane["lab"][1] > 0


def _many_prompts(folder: Path, count: int) -> Path:
    (folder / "prompts.jsonl").write_text(
        "".join(json.dumps({"id": f"p{n}", "prompt": f"Q {n}?"}) + "\n" for n in range(count))
    )
    spec = folder / "rse.toml"
    models = '["solo/alpha", "solo/beta"]'
    spec.write_text(
        f'job = "rse"\nreference = "solo/omega"\nmodels = {models}\njudges = ["lab/judge-1"]\n'
        '[[datasets]]\npath = "prompts.jsonl"\n'
    )
    return spec


@pytest.mark.timeout(60)
async def test_rows_that_trickle_in_are_gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that are asked online, few at a time, make the judge's rows one by one: they go in a few batches."""
    hasten(monkeypatch)
    spec = _many_prompts(tmp_path, 100)
    async with Simulator(SimulatorSettings(**QUICK | {"latency_s": 0.03})) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        _with_solo(catalog, simulator.base_url, ["alpha", "beta", "omega"], ["judge-*"])
        result = await session(spec, tmp_path / "run", catalog, via="auto", concurrency=4)
        assert result.exit_code == 0, result.reason
        assert billed(simulator).batch_lines >= 200
    state = fold(tmp_path / "run")
    assert len(state.batches.all) <= 3
    assert {lane.provider: lane.by_batch for lane in state.lanes}["solo"] == 0


@pytest.mark.timeout(60)
async def test_a_cap_that_is_raised_from_session_to_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under each cap an evaluation goes as far as its money lasts, by batch, and ends with the scores of one online."""
    hasten(monkeypatch)
    spec, run = write_rse(tmp_path), tmp_path / "run"
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        for cap in (0.001, 0.01):
            assert (await session(spec, run, catalog, budget=cap)).exit_code == 4
            assert billed(simulator).usd <= cap
        assert (await session(spec, run, catalog, budget="none")).exit_code == 3
        assert cost_usd(fold(run)) == pytest.approx(billed(simulator).usd)
        await session(spec, tmp_path / "calm", catalog, via="online")
    _same_output(run, tmp_path / "calm")


@pytest.mark.timeout(60)
async def test_a_judge_that_cannot_be_read_pauses_its_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no batch has yet is not sent: exit code 7, and with another threshold the rest goes."""
    hasten(monkeypatch)
    spec = _many_prompts(tmp_path, 60)
    spec.write_text(spec.read_text().replace("solo/", "lab/").replace("judge-1", "judge-garbles-100"))
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url, max_rows=50, queued_tokens=20_000)
        result = await session(spec, tmp_path / "run", catalog)
        assert (result.exit_code, result.batches_open) == (7, 0)
        assert "stage judge of lab/judge-garbles-100 paused" in result.reason
        assert result.unsent > 0
        result = await session(spec, tmp_path / "run", catalog, thresholds={"min_readable_share": 0})
        assert (result.exit_code, result.answered) == (0, result.asked)
        assert billed(simulator).lines_twice == 0


@pytest.mark.timeout(120)
async def test_an_evaluation_by_batch_survives_its_kills(tmp_path: Path) -> None:
    """Killed ten times, it ends with the scores of a run online, and pays for each answer once."""
    random, spec = Random(SEED), write_rse(tmp_path)
    slow = SimulatorSettings(**QUICK | {"batch_s": 0.3}, record=True)
    async with Simulator(slow) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url, max_rows=5)
        quick = ("--threshold", "batch_poll_s=0.05", "--threshold", "batch_look_s=0.3", "--quiet")
        command = ("run", spec, "--out", tmp_path / "run", "--config", catalog, "--via", "batch", *quick)
        for kill in range(KILLS):
            assert await kill_once(tmp_path / "run", command, random) is not None, kill
        code, said = await run_to_end(*command, folder=tmp_path)
        assert code == 3, said
        server = billed(simulator)
        assert (server.lines, server.lines_twice) == (server.batch_lines, 0)
    assert server.lines == log_view.answered(tmp_path / "run").total()
    assert cost_usd(fold(tmp_path / "run")) == pytest.approx(server.usd)
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "calm.toml", simulator.base_url)
        assert (await session(spec, tmp_path / "calm", catalog, via="online")).exit_code == 3
    _same_output(tmp_path / "run", tmp_path / "calm")


# Rows of all kinds


def _row(name: str, content: object, url: str = "/v1/chat/completions") -> dict[str, Any]:
    return {"custom_id": name, "method": "POST", "url": url, "body": body(content)}


async def test_pictures_go_by_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row's picture, or a clip's frames, are in its line; one that cannot be read fails its row, and no other."""
    hasten(monkeypatch)
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(encoded(Image.new("RGB", (40 + number, 30), "red")))
    torn = encoded(Image.effect_noise((640, 480), 50), "JPEG", quality=95)
    (tmp_path / "torn.jpg").write_bytes(torn[:2000])
    names = ["0.png", "1.png", "torn.jpg", "2.png", "3.png"]
    rows = [_row(f"row-{name}", [{"type": "text", "text": name}, shown(name, "high")]) for name in names]
    make_clip(tmp_path / "clip.mp4", 12)
    clip = {"type": "video_url", "video_url": {"url": "clip.mp4", "frames": 3, "layout": "strip"}}
    source = tmp_path / "m.jsonl"
    source.write_bytes(jsonl([*rows, _row("clip", [clip]), _row("plain", "no picture")]))
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        for via in ("batch", "online"):
            result = await session(source, tmp_path / via, catalog, via=via)
            assert (result.exit_code, result.answered, result.failed) == (3, 6, 1), result.reason
            assert failures(tmp_path / via) == {"row-torn.jpg": "bad_medium"}
        assert billed(simulator).batch_lines == 6
    by_batch, online = (said(tmp_path / via) for via in ("batch", "online"))
    assert by_batch == online
    assert all(f"{40 + number} x 30 pixels" in by_batch[f"row-{number}.png"] for number in range(4))


def said(folder: Path) -> dict[str, str]:
    """What each row was answered."""
    lines = [json.loads(line) for line in (folder / Log.RESPONSES.file_name).read_bytes().splitlines()]
    return {line["custom_id"]: line["response"]["body"]["choices"][0]["message"]["content"] for line in lines}


@pytest.mark.parametrize("via", ["batch", "auto"])
async def test_a_row_larger_than_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, via: str) -> None:
    """By batch it fails alone, and says what would help; with `auto` it goes online."""
    hasten(monkeypatch)
    texts = ["a", "b", "long " * 400, "c"]
    source = tmp_path / "m.jsonl"
    source.write_bytes(jsonl(_row(f"r{number}", text) for number, text in enumerate(texts)))
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url, max_bytes=1000)
        result = await session(source, tmp_path / "run", catalog, via=via)
        server = billed(simulator)
    if via == "auto":
        assert (result.exit_code, result.answered, server.lines, server.batch_lines) == (0, 4, 4, 3)
        return
    assert (result.exit_code, result.answered, server.lines) == (3, 3, 3)
    (line,) = [json.loads(text) for text in (tmp_path / "run" / Log.ERRORS.file_name).read_bytes().splitlines()]
    assert (line["custom_id"], line["error"]["code"]) == ("r2", "row_refused")
    assert "larger than a batch of lab may be; --via auto sends it online" in line["error"]["message"]


async def test_rows_of_several_endpoints_are_in_batches_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch has one endpoint. Where the provider refuses one of them, what the other brings is taken in all the same,
    and the session says why it ends."""
    hasten(monkeypatch)
    urls = ["/v1/chat/completions", "/v1/responses"]
    rows = [_row(f"r{number}", f"Question {number}", urls[number % 2]) for number in range(12)]
    for row in rows[1::2]:
        row["body"] = {"model": "model-a", "input": row["custom_id"], "max_output_tokens": 20}
    source = tmp_path / "m.jsonl"
    source.write_bytes(jsonl(rows))
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        result = await session(source, tmp_path / "run", catalog)
    groups = {batch.told.group: batch.told.rows for batch in fold(tmp_path / "run").batches.all}
    assert groups == dict.fromkeys(urls, 6)
    assert (result.exit_code, result.answered, result.unsent, result.batches_open) == (6, 6, 6, 0)
    assert result.reason.startswith("lane lab/model-a stopped: the batch was refused: ")
