"""Batches of which nobody knows for sure: whether they were taken, whether they are there, and whether calls come to an
end; and what of them must not be left in the run folder."""

import asyncio
import copy
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from orchestrator.batching import fetching, hiding
from orchestrator.batching.via import Via
from orchestrator.engine import StopKind
from orchestrator.secrets import Secrets
from orchestrator.thresholds import Thresholds
from outputs.fold import RunState, fold
from providers.batches.wire import BatchCallError, BatchView, Result, Shard
from providers.simulator import Simulator, SimulatorSettings
from providers.wire import Billing, Failure, FailureKind
from tests.harness import fake_batches
from tests.harness.asking import write_manifest
from tests.harness.batch_bench import Bench
from tests.harness.batch_nights import HOUR, bench, exit_codes, run
from tests.harness.batch_runs import check_accounted, hasten, run_batches, write_priced_catalog
from tests.harness.batch_sessions import leave_at_provider, session
from tests.harness.fake_batches import FakeClient, FakeProvider
from tests.harness.scripted_openai import Asked, Says, Scripted

EACH_ONCE = dict.fromkeys(range(4), 1)
SECRET = "sk-of-a-test-0123456789"
OVERLOADED = 529
QUICK: dict[str, Any] = {"answer_tokens": 8, "latency_s": 0.002, "batch_s": 0.2}


def perhaps(**said: Any) -> FakeProvider:
    """A provider that never answers the first creation, and can never say whether a batch is of it."""
    return FakeProvider({"create": ["never came"]}, perhaps=10**6, **said)


# Batches that may not be there


@pytest.mark.parametrize(
    ("looks", "gone"),
    [
        (["down", "down", "unknown"], False),
        (["unknown", "unknown", "down", "down", "down", "down", "unknown", "unknown"], False),
        (["down", "down"], True),
    ],
)
def test_only_not_being_known_time_after_time_means_that_a_batch_is_gone(
    tmp_path: Path, looks: list[str], gone: bool
) -> None:
    """Three times in a row, with no other failure between them; else it is followed, and nothing is bought twice."""
    of = bench(tmp_path, FakeProvider({"poll": looks}, gone={"batch_1"} if gone else set())).ask(4)
    rebought: list[int] = []

    async def main() -> None:
        engine = await of.session(allow_rebuy=True)
        rebought.append(engine.batching.rebought)

    run(main())
    assert (rebought, len(of.provider.batches)) == (([4], 2) if gone else ([0], 1))
    assert fold(of.folder).lanes[0].answered == 4


def test_a_batch_that_is_perhaps_there_does_not_stop_the_others(tmp_path: Path) -> None:
    """Its rows wait in it; all other shards are cut, created and answered meanwhile."""
    of = bench(tmp_path, perhaps(), uploads=False).ask(40)

    async def main() -> None:
        async with of.engine() as engine:
            going = asyncio.ensure_future(engine.run())
            await asyncio.sleep(HOUR)
            (lane,) = engine.state.lanes
            assert (lane.answered, lane.in_batches, len(of.provider.batches)) == (36, 4, 9)
            engine.drain(StopKind.INTERRUPTED)
            await going

    run(main())


@pytest.mark.parametrize("allowed", [True, False])
def test_rows_of_a_batch_that_is_perhaps_there_go_online_where_that_is_allowed(tmp_path: Path, allowed: bool) -> None:
    """Near the deadline, once its end was wanted; unasked they stay in it past the deadline."""
    of = bench(tmp_path, perhaps(), uploads=False).ask(4)
    states: list[RunState] = []

    async def main() -> None:
        engine = await of.session(via=Via.AUTO, deadline=time.time() + 1000, allow_rebuy=allowed)
        states.append(engine.state)

    run(main())
    ((lane,),) = (state.lanes for state in states)
    assert (lane.answered, lane.in_batches) == ((4, 0) if allowed else (0, 4))
    assert of.provider.online == (EACH_ONCE if allowed else {})


# How long calls may fail


@pytest.mark.parametrize("call", ["poll", "upload", "create"])
def test_a_wait_beyond_the_longest_ends_the_lane_at_once(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With exit code 6 as online: nobody waits a year for a batch."""
    year = Failure(FailureKind.THROTTLED, Billing.UNBILLED, "slow down", 429, None, 366 * 86400.0)
    monkeypatch.setitem(fake_batches._FAULTS, "year", year)
    of = bench(tmp_path, FakeProvider({call: ["year"]})).ask(4)

    async def main() -> None:
        begun = time.monotonic()
        engine = await of.session()
        assert (exit_codes(engine), of.provider.calls[call]) == ([6], 1)
        assert time.monotonic() - begun < HOUR

    run(main())


@pytest.mark.parametrize("call", ["upload", "create"])
def test_failed_submissions_end_a_lane_by_their_number(tmp_path: Path, call: str) -> None:
    """With exit code 7 after twenty: nothing is at the provider that would be worth more patience."""
    of = bench(tmp_path, FakeProvider({call: ["down"] * 1000}), thresholds=Thresholds()).ask(4)

    async def main() -> None:
        engine = await of.session()
        assert (exit_codes(engine), of.provider.calls[call]) == ([7], 20)

    run(main())


@pytest.mark.parametrize("outage_s", [0.9 * HOUR, 3 * HOUR])
def test_failed_looks_end_a_lane_only_after_the_longest_wait(tmp_path: Path, outage_s: float) -> None:
    """Twenty are soon had in an outage: within the hour the batch is followed to its end, later it ends with 7."""
    of = bench(tmp_path, FakeProvider(), thresholds=Thresholds()).ask(4)

    async def main() -> None:
        begun = time.monotonic()
        of.provider.script["poll"] = ["down"] * 100_000
        async with of.engine() as engine:
            going = asyncio.ensure_future(engine.run())
            while time.monotonic() - begun < outage_s and not going.done():
                await asyncio.sleep(10)
            lasted = time.monotonic() - begun
            of.provider.script = {}
            await going
        assert of.provider.calls["poll"] > 20
        assert exit_codes(engine) == ([] if outage_s < HOUR else [7])
        assert HOUR <= lasted < 1.1 * HOUR or outage_s < HOUR

    run(main())
    assert fold(of.folder).lanes[0].answered == (4 if outage_s < HOUR else 0)


# What was taken, whatever the answer says


def unsure(status: int) -> Failure:
    """What a gateway says of a call that it has passed on."""
    kind = FailureKind.ROW_REFUSED if status == 409 else FailureKind.TRANSIENT
    return Failure(kind, Billing.UNBILLED, "it went wrong", status, None, 1.0 if status == 503 else None)


@pytest.mark.parametrize("status", [409, 500, 503, OVERLOADED])
@pytest.mark.parametrize("uploads", [True, False])
def test_a_batch_that_was_taken_and_answered_with_an_error_is_bought_once(
    tmp_path: Path, status: int, uploads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows what a conflict or a gateway's error means: file and batch are looked for before another try."""
    upload, create = FakeClient.upload, FakeClient.create
    answers = {"upload": 1, "create": 1}

    def answered(call: str) -> None:
        if answers[call]:
            answers[call] -= 1
            raise BatchCallError(unsure(status))

    async def uploading(self: FakeClient, shard: Shard) -> str:
        id_ = await upload(self, shard)
        answered("upload")
        return id_

    async def creating(self: FakeClient, shard: Shard) -> BatchView:
        view = await create(self, shard)
        answered("create")
        return view

    monkeypatch.setattr(FakeClient, "upload", uploading)
    monkeypatch.setattr(FakeClient, "create", creating)
    of = bench(tmp_path, FakeProvider(), uploads=uploads).ask(4)
    run(of.session())
    assert (len(of.provider.files), len(of.provider.batches)) == (int(uploads), 1)
    of.check(4)


@pytest.mark.parametrize("call", ["upload", "create"])
def test_a_refusal_that_is_always_the_same_comes_to_an_end(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conflict that was none of ours is looked for and tried again, and ends the lane by its number."""
    monkeypatch.setitem(fake_batches._FAULTS, "conflict", unsure(409))
    of = bench(tmp_path, FakeProvider({call: ["conflict"] * 1000}), thresholds=Thresholds()).ask(4)

    async def main() -> None:
        engine = await of.session()
        assert (exit_codes(engine), of.provider.calls[call]) == ([7], 20)
        assert of.provider.calls["find_upload" if call == "upload" else "find"] >= 19

    run(main())


@dataclass(slots=True)
class Taking:
    """OpenAI's form of batches: `call` (`files` or `batches`) is taken the first time, and answered with an error."""

    call: str
    error: Says
    files: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    names: dict[str, tuple[str, int]] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)

    def __call__(self, asked: Asked) -> Says:
        self.calls[f"{asked.method} {asked.path}"] += 1
        match asked.method, asked.path.split("/")[1:]:
            case "POST", ["v1", "files"]:
                return self._taken("files", self._file(asked))
            case "POST", ["v1", "batches"]:
                return self._taken("batches", self._batch(orjson.loads(asked.body)))
            case "GET", ["v1", "files"]:
                return _listed([self._shown(id_) for id_ in self.files])
            case "GET", ["v1", "batches"]:
                return _listed(list(self.batches.values()))
            case "GET", ["v1", "batches", id_]:
                return Says(self._ended(self.batches[id_]))
            case "GET", ["v1", "files", id_, "content"]:
                return Says(b"".join(orjson.dumps(_line(line)) + b"\n" for line in self.files[id_]))
        return Says({"error": {"message": "not here"}}, 404)

    def _taken(self, call: str, answer: dict[str, Any]) -> Says:
        return self.error if call == self.call and self.calls[f"POST /v1/{call}"] == 1 else Says(answer)

    def _file(self, asked: Asked) -> dict[str, Any]:
        name = re.search(rb'filename="([^"]+)"', asked.body)
        assert name is not None
        lines = [line for line in asked.body.splitlines() if line.startswith(b'{"')]
        id_ = f"file-{len(self.files)}"
        self.names[id_] = name[1].decode(), sum(len(line) + 1 for line in lines)
        self.files[id_] = [orjson.loads(line) for line in lines]
        return self._shown(id_)

    def _shown(self, id_: str) -> dict[str, Any]:
        name, size = self.names[id_]
        return {"id": id_, "object": "file", "filename": name, "bytes": size, "created_at": int(time.time())}

    def _batch(self, asked: dict[str, Any]) -> dict[str, Any]:
        id_ = f"batch_{len(self.batches)}"
        told = {"id": id_, "object": "batch", "status": "in_progress", "created_at": int(time.time())}
        self.batches[id_] = {**asked, **told}
        return self.batches[id_]

    def _ended(self, batch: dict[str, Any]) -> dict[str, Any]:
        count = len(self.files[batch["input_file_id"]])
        counts = {"total": count, "completed": count, "failed": 0}
        return batch | {"status": "completed", "output_file_id": batch["input_file_id"], "request_counts": counts}


def _listed(items: list[dict[str, Any]]) -> Says:
    return Says({"object": "list", "data": items, "has_more": False})


def _line(asked: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    body = {"id": "c", "object": "chat.completion", "model": "model-a", "choices": [choice], "usage": usage}
    return {"custom_id": asked["custom_id"], "response": {"status_code": 200, "body": body}, "error": None}


@pytest.mark.parametrize("status", [409, 500, 503, OVERLOADED])
@pytest.mark.parametrize("call", ["files", "batches"])
async def test_over_http_what_was_taken_is_looked_for_before_another_try(
    tmp_path: Path, call: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file and one batch are made of each shard, though the call that made it was answered with an error."""
    hasten(monkeypatch)
    manifest = write_manifest(tmp_path / "m.jsonl", 3)
    error = Says({"error": {"message": "try later"}}, status, {"Retry-After": "1"} if status == 503 else {})
    async with Scripted(taking := Taking(call, error)) as server:
        catalog = write_priced_catalog(tmp_path / "lab.toml", f"{server.url}/v1")
        result = await run_batches(manifest.path, tmp_path / "run", catalog)
    assert (result.exit_code, result.answered) == (0, 3), result.reason
    assert (taking.calls["POST /v1/files"], taking.calls["POST /v1/batches"]) == (1, 1)
    check_accounted(tmp_path / "run", 3)


# What must not be left in the run folder


@pytest.fixture
def echoed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A run at a provider that echoes a secret header in every answer, in files that hold it as it is."""
    plain = fake_batches.answer_body
    echo = b"answer, asked with " + SECRET.encode()
    monkeypatch.setattr(fake_batches, "answer_body", lambda row: plain(row).replace(b"answer", echo))

    async def download(self: FakeClient, batch: BatchView, path: Path) -> None:
        self.provider.fault("download")
        results = self.provider.batches[batch.id].results
        path.write_bytes(b"".join(b"%b %b\n" % ((one.id or "").encode(), one.body) for one in results))

    def read(self: FakeClient, path: Path) -> Iterator[Result]:
        for line in path.read_bytes().splitlines():
            id_, _, body = line.partition(b" ")
            yield Result(id_.decode(), 200, body)

    monkeypatch.setattr(FakeClient, "download", download)
    monkeypatch.setattr(FakeClient, "results", read)
    said = f'{{ max_rows = 4 }}\nheaders = {{ "X-Api-Token" = "{SECRET}" }}'
    return bench(tmp_path, FakeProvider(), said).ask(4)


def holding_secrets(folder: Path) -> list[str]:
    """The files below a folder in which the secret is."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.name for path in files if SECRET.encode() in path.read_bytes())


def test_a_secret_that_results_echo_is_in_no_file(echoed: Bench) -> None:
    """The answers are taken in without it, and the file of what came back is kept without it."""
    run(echoed.session())
    (results,) = (echoed.folder / "batches").iterdir()
    assert results.read_bytes().count(b"asked with [key]") == 4
    assert holding_secrets(echoed.folder) == []
    echoed.check(4)


def test_a_secret_is_in_no_file_after_a_kill_before_it_was_hidden(
    tmp_path: Path, echoed: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A download that was not cleared has another name, is swept away, and the results are got again."""
    killed = tmp_path / "killed"
    providers: list[FakeProvider] = []

    def hide_in_file(path: Path, secrets: Secrets) -> None:
        if not killed.exists():
            shutil.copytree(echoed.folder, killed)
            providers.append(copy.deepcopy(echoed.provider))
        hiding.hide_in_file(path, secrets)

    monkeypatch.setattr(fetching, "hide_in_file", hide_in_file)
    run(echoed.session())
    (raw,) = holding_secrets(killed)
    assert not raw.endswith(".results.jsonl")
    left = Bench(killed, providers[0], echoed.catalog, thresholds=echoed.thresholds)

    async def main() -> None:
        async with left.engine() as engine:
            engine.batching.sweep()
            assert holding_secrets(killed) == []
            await engine.run()

    run(main())
    assert holding_secrets(killed) == []
    assert providers[0].calls["download"] == 2
    left.check(4)


async def test_what_a_killed_session_has_left_half_done_is_swept_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start, but for results, the file of a batch that goes on, and what is none of ours."""
    hasten(monkeypatch)
    manifest, folder = write_manifest(tmp_path / "m.jsonl", 4), tmp_path / "run"
    async with Simulator(SimulatorSettings(**QUICK | {"batch_s": 3600.0})) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        await session(manifest.path, folder, catalog, leave_at_provider)
        (sent,) = (folder / "batches").iterdir()
        ended = "on-000000000000.results.jsonl"
        half = [f"{ended}.raw", f"{ended}.part", f"{ended}.raw.part", f"{ended}.raw.clean", "on-0.looked"]
        for name in [ended, *half, "on-111111111111.sent.jsonl"]:
            (folder / "batches" / name).write_bytes(b"{}\n")
        (folder / "batches" / "notes").mkdir()
        await session(manifest.path, folder, catalog, leave_at_provider)
    assert {path.name for path in (folder / "batches").iterdir()} == {ended, "notes", sent.name}
