"""Whole runs by batch against llmock, a server that others wrote: its batches of OpenAI's, Groq's and Anthropic's form.

Its texts follow from model and prompt, so that a batch answers as a call does; batches take a second here.
"""

import json
import signal
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from outputs.answers import read_answers, read_responses
from outputs.batches import Step
from outputs.fold import fold
from tests.harness import log_view
from tests.harness.asking import write_manifest
from tests.harness.batch_runs import INPUT, OUTPUT, check_accounted, hasten, run_batches, write_priced_catalog
from tests.harness.command import overnight, run_to_end
from tests.harness.llmock import LLMock

ROWS, SHARD = 12, 5
SHARDS = [2, 5, 5]
OPTIONS = ("--quiet", "--threshold", "batch_poll_s=0.2", "--threshold", "batch_look_s=0.5")


@dataclass(frozen=True, slots=True)
class Api:
    """One of llmock's forms of batches."""

    protocol: str
    root: str
    batches: str  # their path behind the server's address


APIS = {
    "openai": Api("openai", "/v1", "/v1/batches"),
    "groq": Api("openai", "/groq/openai/v1", "/groq/openai/v1/batches"),
    "anthropic": Api("anthropic", "/anthropic", "/anthropic/v1/messages/batches"),
}


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLMock]:
    with LLMock(tmp_path_factory.mktemp("llmock") / "log", batch_s=1.0) as server:
        yield server


@pytest.fixture(autouse=True)
def hastened(monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)


@pytest.fixture(params=APIS)
def api(request: pytest.FixtureRequest) -> Api:
    return APIS[request.param]


def get(url: str, body: bytes | None = None) -> bytes:
    with urllib.request.urlopen(url, body, timeout=10) as response:
        answer: bytes = response.read()
    return answer


def on_server(mock: LLMock, api: Api) -> dict[str, dict[str, Any]]:
    """Every batch that the server has of this form, by id."""
    listed = json.loads(get(f"{mock.url}{api.batches}?limit=1000"))
    return {batch["id"]: batch for batch in listed["data"]}


def results_of(mock: LLMock, api: Api, batch: dict[str, Any]) -> list[dict[str, Any]]:
    """The bodies that a batch was answered with, as the server has them."""
    if api.protocol == "anthropic":
        lines = get(f"{mock.url}{api.batches}/{batch['id']}/results").splitlines()
        return [json.loads(line)["result"]["message"] for line in lines]
    lines = get(f"{mock.url}{api.root}/files/{batch['output_file_id']}/content").splitlines()
    return [json.loads(line)["response"]["body"] for line in lines]


def usd(bodies: list[dict[str, Any]], share: float = 0.5) -> float:
    """What these answers cost by what they say that they used."""
    total = 0.0
    for usage in (body["usage"] for body in bodies):
        total += usage.get("prompt_tokens", usage.get("input_tokens")) * INPUT
        total += usage.get("completion_tokens", usage.get("output_tokens")) * OUTPUT
    return total * share / 1e6


def write_catalog(folder: Path, mock: LLMock, api: Api, max_rows: int = 50_000) -> Path:
    return write_priced_catalog(folder / "lab.toml", mock.url + api.root, api.protocol, max_rows=max_rows)


async def test_a_manifest_goes_by_batch_and_comes_back_as_online(tmp_path: Path, mock: LLMock, api: Api) -> None:
    """Every row is answered, one batch a shard, at half the price; texts, finish reasons and usage are those of an
    online run. Ids and times differ with every answer there."""
    manifest, before = write_manifest(tmp_path / "m.jsonl", ROWS), on_server(mock, api)
    catalog = write_catalog(tmp_path, mock, api, max_rows=SHARD)
    by_batch = await run_batches(manifest.path, tmp_path / "batch", catalog)
    there = {id_: batch for id_, batch in on_server(mock, api).items() if id_ not in before}
    online = await run_batches(manifest.path, tmp_path / "online", catalog, via="online")
    assert on_server(mock, api).keys() == before.keys() | there.keys()
    assert (by_batch.answered, online.answered, by_batch.exit_code, online.exit_code) == (ROWS, ROWS, 0, 0)
    state = check_accounted(tmp_path / "batch", ROWS)
    assert {batch.told.id for batch in state.batches.all} == set(there)
    bodies = {id_: results_of(mock, api, batch) for id_, batch in there.items()}
    assert sorted(map(len, bodies.values())) == SHARDS
    billed = usd([body for answers in bodies.values() for body in answers])
    assert by_batch.lanes[0].cost_usd == pytest.approx(billed)
    assert online.lanes[0].cost_usd == pytest.approx(2 * billed)
    assert answers_of(tmp_path / "batch") == answers_of(tmp_path / "online")


def answers_of(folder: Path) -> dict[str, Any]:
    """By custom_id what an answer says and used."""
    said = {answer.custom_id: msgspec.to_builtins(answer.completion) for answer in read_answers(folder)}
    used = {line.custom_id: (line.model, line.usage) for line in read_responses(folder)}
    assert len(said) == ROWS
    return {id_: (said[id_], used[id_]) for id_ in said}


async def test_a_kill_between_creation_and_download_loses_nothing(tmp_path: Path, mock: LLMock, api: Api) -> None:
    """The command is killed outright once its batches are there; started again it reads those, and makes no others."""
    manifest, before = write_manifest(tmp_path / "m.jsonl", ROWS), on_server(mock, api)
    run, catalog = tmp_path / "run", write_catalog(tmp_path, mock, api, max_rows=SHARD)
    command = ("run", manifest.path, "--out", run, "--config", catalog, "--via", "batch", *OPTIONS)
    async with overnight(*command, folder=tmp_path) as child:
        assert await child.until(lambda: len(on_server(mock, api)) == len(before) + len(SHARDS))
        child.send(signal.SIGKILL)
        assert await child.exit_code() == -signal.SIGKILL
    assert log_view.answered(run).total() == 0
    code, said = await run_to_end(*command, folder=tmp_path)
    assert code == 0, said
    state = check_accounted(run, ROWS)
    there = on_server(mock, api).keys() - before.keys()
    assert {batch.told.id for batch in state.batches.all if batch.step is Step.SETTLED} == there
    assert (len(there), set(log_view.answered(run).values())) == (len(SHARDS), {1})


async def test_what_somebody_cancelled_goes_online(tmp_path: Path, mock: LLMock, api: Api) -> None:
    """With `--via auto` the rows of a batch that somebody else cancelled before it answered anything are answered
    online, at the full price, and nothing of it counts as maybe billed."""
    manifest, before = write_manifest(tmp_path / "m.jsonl", 4), on_server(mock, api)
    run, catalog = tmp_path / "run", write_catalog(tmp_path, mock, api)
    command = ("run", manifest.path, "--out", run, "--config", catalog, "--via", "auto", *OPTIONS)
    async with overnight(*command, folder=tmp_path) as child:
        assert await child.until(lambda: len(on_server(mock, api)) > len(before))
        [id_] = on_server(mock, api).keys() - before.keys()
        get(f"{mock.url}{api.batches}/{id_}/cancel", b"")
        assert await child.exit_code() == 0, child.said()
    state = check_accounted(run, 4)
    [batch] = state.batches.all
    assert (batch.told.id, batch.told.lines) == (id_, {"expired": 4})
    assert [(lane.answered, lane.maybe_usd) for lane in state.lanes] == [(4, 0)]
    assert {line.batch for line in read_responses(run)} == {None}
    assert on_server(mock, api).keys() == before.keys() | {id_}
    bodies = [json.loads(line)["response"]["body"] for line in (run / "responses.jsonl").read_bytes().splitlines()]
    assert sum(lane.cost_usd for lane in fold(run).lanes) == pytest.approx(usd(bodies, share=1.0))
