"""Runs by batch that are taken up again: edited, grown, retried, another way, and with what lies about damaged."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from orchestrator.asking import options_of
from orchestrator.opening import opened
from outputs.batches import Step
from outputs.fold import fold
from outputs.journal import Log
from prompts.input_error import InputError
from providers.batches.openai_files import OpenAIBatches
from providers.batches.wire import BatchCallError
from providers.simulator import Simulator, SimulatorSettings
from providers.wire import Billing, Failure, FailureKind
from tests.harness import log_view
from tests.harness.asking import body, write_manifest
from tests.harness.batch_runs import (
    billed,
    check_accounted,
    cost_usd,
    failures,
    hasten,
    run_batches,
    write_priced_catalog,
)
from tests.harness.batch_sessions import leave_at_provider, leave_when, session
from tests.harness.command import overnight, run_to_end
from tests.harness.scripted_openai import Says, Scripted

pytestmark = pytest.mark.long

ROWS = 12
QUICK: dict[str, Any] = {"answer_tokens": 8, "record": True, "latency_s": 0.002, "batch_s": 0.2}
SLOW = {**QUICK, "batch_s": 0.7}


@pytest.fixture(autouse=True)
def _hastened(monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)


# A batch that nobody knows any more


@pytest.mark.parametrize("via", ["batch", "auto"])
async def test_a_batch_that_its_provider_does_not_know_is_not_given_up_unasked(tmp_path: Path, via: str) -> None:
    """Exit code 6 and one line that names it and what helps; nothing is sent, and with the right account it goes on."""
    manifest = write_manifest(tmp_path / "m.jsonl", ROWS)
    run = tmp_path / "run"
    async with Simulator(SimulatorSettings(**SLOW)) as ours, Simulator(SimulatorSettings(**QUICK)) as another:
        catalog = write_priced_catalog(tmp_path / "lab.toml", ours.base_url)
        wrong = write_priced_catalog(tmp_path / "wrong.toml", another.base_url)
        assert (await session(manifest.path, run, catalog, leave_at_provider, via=via)).exit_code == 130
        lost = await session(manifest.path, run, wrong, via=via)
        assert lost.exit_code == 6
        (batch,) = fold(run).batches.all
        assert f"lab does not know the batch {batch.told.id}" in lost.reason
        assert "--allow-rebuy" in lost.reason
        assert (batch.open_rows, another.stats.billed) == (ROWS, 0)
        ended = await session(manifest.path, run, catalog, via=via)
        assert (ended.exit_code, ended.answered) == (0, ROWS)
        assert billed(ours).lines == ROWS
    check_accounted(run, ROWS)


@pytest.mark.parametrize("via", ["batch", "auto", "online"])
async def test_a_batch_that_is_gone_is_bought_again_where_that_is_allowed(tmp_path: Path, via: str) -> None:
    """Each of its rows counts as maybe billed, is sent once more the way that is asked for, and is shown as such."""
    manifest = write_manifest(tmp_path / "m.jsonl", ROWS)
    run = tmp_path / "run"
    async with Simulator(SimulatorSettings(**SLOW)) as ours, Simulator(SimulatorSettings(**QUICK)) as another:
        catalog = write_priced_catalog(tmp_path / "lab.toml", ours.base_url)
        await session(manifest.path, run, catalog, leave_at_provider)
        reserved = sum(fold(run).reserved_of)
        wrong = write_priced_catalog(tmp_path / "wrong.toml", another.base_url)
        ended = await session(manifest.path, run, wrong, via=via, allow_rebuy=True)
        assert (ended.exit_code, ended.answered, ended.rebought) == (0, ROWS, ROWS)
        server = billed(another)
    state = check_accounted(run, ROWS)
    assert server.batch_lines == (ROWS if via == "batch" else 0)
    assert server.lines == ROWS
    (lane,) = state.lanes
    assert (lane.failures, lane.maybe_billed) == ({"late": ROWS}, ROWS)
    assert lane.maybe_usd == pytest.approx(reserved)
    assert lane.cost_usd == pytest.approx(server.usd)
    assert log_view.answered(run) == dict.fromkeys(manifest.ids, 1)
    assert state.batches.all[0].told.lines == {"missing": ROWS}


async def test_results_that_are_gone_are_as_a_batch_that_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ended batch whose files the provider has had no more for long: exit code 6, and bought again where allowed."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"
    soon = {"longest_wait_s": 0.1}

    async def gone(*_: object) -> None:
        raise BatchCallError(Failure(FailureKind.ROW_REFUSED, Billing.UNBILLED, "No such File object", status=404))

    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        with monkeypatch.context() as patch:
            patch.setattr(OpenAIBatches, "download", gone)
            lost = await session(manifest.path, run, catalog, thresholds=soon)
            assert (lost.exit_code, lost.batches_open) == (6, 1)
            assert "(No such File object); --allow-rebuy sends its rows again" in lost.reason
            result = await session(manifest.path, run, catalog, via="online", allow_rebuy=True, thresholds=soon)
        assert (result.exit_code, result.answered, result.rebought) == (0, ROWS, ROWS)
        first, second = billed(simulator).batch_lines, billed(simulator).lines
        assert (first, second) == (ROWS, 2 * ROWS)
        state = check_accounted(run, ROWS)
        (lane,) = state.lanes
        assert lane.cost_usd <= billed(simulator).usd <= cost_usd(state)


async def test_a_batch_of_an_embedded_simulator_dies_with_it(tmp_path: Path) -> None:
    """A rehearsal that is killed has batches that nobody knows: it ends with 6, and with --allow-rebuy goes on."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"
    command = ("run", manifest.path, "--out", run, "--simulate", "--via", "batch", "--quiet")

    def created() -> bool:
        path = run / Log.ATTEMPTS.file_name
        return path.exists() and b'"step":"created"' in path.read_bytes()

    async with overnight(*command, folder=tmp_path) as child:
        assert await child.until(created), child.said()
        child.send(signal.SIGKILL)
        await child.exit_code()
    lost = await session(manifest.path, run, None, simulate=True)
    assert lost.exit_code == 6
    assert "does not know the batch" in lost.reason
    result = await session(manifest.path, run, None, simulate=True, allow_rebuy=True)
    assert (result.exit_code, result.answered, result.rebought) == (0, ROWS, ROWS)
    assert log_view.answered(run) == dict.fromkeys(manifest.ids, 1)


async def test_another_accounts_key_ends_the_session_and_loses_nothing(tmp_path: Path) -> None:
    """A batch whose provider refuses the key stays as it is: exit 6, one line, also with --allow-rebuy."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"
    refused = Says({"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}, 401)
    async with Simulator(SimulatorSettings(**SLOW)) as ours, Scripted(lambda _: refused) as other:
        catalog = write_priced_catalog(tmp_path / "lab.toml", ours.base_url)
        await session(manifest.path, run, catalog, leave_at_provider)
        wrong = write_priced_catalog(tmp_path / "wrong.toml", f"{other.url}/v1")
        result = await session(manifest.path, run, wrong, allow_rebuy=True)
        assert (result.exit_code, result.rebought) == (6, 0)
        assert result.reason == "lane lab/model-a stopped: key refused: Incorrect API key"
        assert len(other.asked) == 1
        assert (await session(manifest.path, run, catalog)).answered == ROWS
        assert billed(ours).lines == ROWS


# What lies in RUN/batches


def _remove(path: Path) -> None:
    path.unlink()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _spoil(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(b"\xff{[" * (len(data) // 3) + b"x" * (len(data) % 3))


def _remove_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


HARM: list[Callable[[Path], None]] = [_remove, _cut, _spoil, _remove_folder]


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("step", [Step.UPLOADING, Step.UPLOADED, Step.CREATING, Step.CREATED, Step.ENDED])
async def test_harmed_files_of_a_batch_cost_no_answer(tmp_path: Path, step: Step, harm: Callable[[Path], None]) -> None:
    """Whatever became of what was sent and of what came back, all rows end answered, and each is bought once."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"
    creates = step in (Step.CREATED, Step.ENDED)
    settings = SimulatorSettings(**QUICK, batch_create_refused_rate=0.0 if creates else 1.0)
    async with Simulator(settings) as simulator, Simulator(SimulatorSettings(**QUICK)) as later:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        leaves = None if step is Step.ENDED else leave_when(step if creates else Step.CREATING)
        await session(manifest.path, run, catalog, leaves)
        cut_logs_after(run, seq_of(run, step))
        (path,) = run.joinpath("batches").iterdir()
        harm(path)
        server = simulator if creates else later
        catalog = write_priced_catalog(tmp_path / "lab.toml", server.base_url)
        result = await session(manifest.path, run, catalog)
        assert (result.exit_code, result.answered) == (0, ROWS), result.reason
        assert billed(server).lines == ROWS
    state = check_accounted(run, ROWS)
    assert cost_usd(state) == pytest.approx(billed(server).usd)
    assert log_view.answered(run) == dict.fromkeys(manifest.ids, 1)


def seq_of(run: Path, step: Step) -> int:
    """Where a step stands in the log, the first time."""
    lines = (run / Log.ATTEMPTS.file_name).read_bytes().splitlines()
    return next(int(orjson.loads(line)["seq"]) for line in lines if b'"step":"%b"' % step.value.encode() in line)


def cut_logs_after(run: Path, last: int) -> None:
    """Leave the log as a cut of power just after a line (its seq) could."""
    for log in Log:
        lines = (run / log.file_name).read_bytes().splitlines(keepends=True)
        (run / log.file_name).write_bytes(b"".join(line for line in lines if orjson.loads(line)["seq"] <= last))


@pytest.mark.timeout(60)
async def test_a_log_that_is_cut_within_a_step_is_gone_on_with(tmp_path: Path) -> None:
    """Wherever the log breaks off once a batch may have been created, it is found: each row is billed once."""
    manifest, whole = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "whole"
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url, max_rows=ROWS // 2)
        assert (await session(manifest.path, whole, catalog)).exit_code == 0
        data = (whole / Log.ATTEMPTS.file_name).read_bytes()
        cuts = _places(data)
        for number, cut in enumerate(cuts):
            run = tmp_path / f"cut-{number}"
            shutil.copytree(whole, run)
            kept = data[:cut]
            whole_lines = kept[: kept.rindex(b"\n")].splitlines()
            cut_logs_after(run, orjson.loads(whole_lines[-1])["seq"])
            (run / Log.ATTEMPTS.file_name).write_bytes(kept)
            if number % 2:
                shutil.rmtree(run / "batches")
            result = await session(manifest.path, run, catalog)
            assert (result.exit_code, result.answered) == (0, ROWS), (cut, result.reason)
            assert cost_usd(check_accounted(run, ROWS)) == pytest.approx(billed(simulator).usd), cut
        assert billed(simulator).lines == ROWS


def _places(data: bytes) -> list[int]:
    """Bytes at which a log of two batches is cut: in and after each step's line from the last creation on."""
    places, at, creating = [], 0, data.rindex(b'"step":"creating"')
    random = Random(1)
    for line in data.splitlines(keepends=True):
        if at > creating and b'"step"' in line:
            within = sorted(random.sample(range(at + 2, at + len(line) - 2), 2))
            places += [at, at + 1, *within, at + len(line) - 1]
        at += len(line)
    return [*places, at]


# Another manifest, another way


def _ask(path: Path, questions: dict[str, str]) -> Path:
    lines = [
        {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body(text)}
        for name, text in questions.items()
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


async def test_equal_requests_are_in_a_batch_once(tmp_path: Path) -> None:
    """With --dedupe, the answer of one line is written for all rows that ask the same."""
    manifest = _ask(tmp_path / "m.jsonl", {f"r{n}": f"Question {n % 3}" for n in range(12)})
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        result = await session(manifest, tmp_path / "run", catalog, dedupe=True)
        assert (result.exit_code, result.answered, billed(simulator).batch_lines) == (0, 12, 3)
    (batch,) = fold(tmp_path / "run").batches.all
    assert batch.told.rows == 3


@pytest.mark.parametrize("via", ["batch", "online"])
async def test_rows_that_equal_one_in_a_batch_wait_for_it_at_a_resume(tmp_path: Path, via: str) -> None:
    """A session that finds the first of equal rows in a batch does not send the others."""
    manifest = _ask(tmp_path / "m.jsonl", {f"r{n}": f"Question {n % 3}" for n in range(12)})
    run = tmp_path / "run"
    async with Simulator(SimulatorSettings(**SLOW)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        await session(manifest, run, catalog, leave_at_provider, dedupe=True)
        result = await session(manifest, run, catalog, via=via)
        assert (result.exit_code, result.answered, billed(simulator).lines) == (0, 12, 3)
    check_accounted(run, 12)


@pytest.mark.parametrize(("fault", "code"), [("batch_drop_rate", "missing"), ("batch_torn_rate", "unreadable")])
async def test_lost_rows_go_again_when_a_retry_is_asked_for(tmp_path: Path, fault: str, code: str) -> None:
    """What was billed and lost is failed, and only what has failed is in the batch after `overnight retry`."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"
    async with Simulator(SimulatorSettings(**QUICK | {fault: 0.4})) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        assert (await session(manifest.path, run, catalog)).exit_code == 3
        before = billed(simulator).usd
    lost = failures(run)
    assert set(lost.values()) == {code}
    assert (await run_to_end("retry", run, folder=tmp_path))[0] == 0
    async with Simulator(SimulatorSettings(**QUICK)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        result = await session(run, run, catalog)
        assert (result.exit_code, result.answered, result.sent) == (0, ROWS, len(lost))
        server = billed(simulator)
    assert server.batch_lines == len(lost)
    assert cost_usd(check_accounted(run, ROWS)) == pytest.approx(before + server.usd)


async def test_a_manifest_is_edited_while_its_rows_are_in_a_batch(tmp_path: Path) -> None:
    """Changed rows are sent, answers for withdrawn ones are taken in, and taking the edit back sends nothing."""
    before = write_manifest(tmp_path / "m.jsonl", ROWS)
    after = write_manifest(tmp_path / "edited.jsonl", [*range(2, ROWS), 90], edited=[3, 4])
    run = tmp_path / "run"
    async with Simulator(SimulatorSettings(**SLOW)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        await session(before.path, run, catalog, leave_at_provider)
        result = await session(after.path, run, catalog, accept_changes=True)
        assert (result.exit_code, result.answered, result.sent) == (0, ROWS - 1, 3)
        assert [batch.told.rows for batch in fold(run).batches.all] == [ROWS, 3]
        assert billed(simulator).lines == ROWS + 3
        assert sum(log_view.answered(run).values()) == ROWS + 3
        result = await session(before.path, run, catalog, accept_changes=True)
        assert (result.exit_code, result.answered, result.sent) == (0, ROWS, 0)
        assert cost_usd(check_accounted(run, ROWS)) == pytest.approx(billed(simulator).usd)


async def test_rows_are_withdrawn_and_restored_while_they_are_in_a_batch(tmp_path: Path) -> None:
    """Whatever is asked for meanwhile, a batch's rows stay in it, and its answers serve the rows that are wanted."""
    before, none = write_manifest(tmp_path / "m.jsonl", ROWS), write_manifest(tmp_path / "other.jsonl", [90])
    run = tmp_path / "run"
    async with Simulator(SimulatorSettings(**QUICK | {"batch_s": 2.0})) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        await session(before.path, run, catalog, leave_at_provider)
        await session(none.path, run, catalog, leave_at_provider, accept_changes=True)
        result = await session(before.path, run, catalog, accept_changes=True)
        assert (result.exit_code, result.answered) == (0, ROWS)
        assert billed(simulator).lines <= ROWS + 1
        assert billed(simulator).lines_twice == 0
    assert log_view.answered(run).total() == billed(simulator).lines


async def test_a_larger_first_adds_to_what_is_in_batches(tmp_path: Path) -> None:
    """Rows that came into reach go into a batch of their own; those of the first are not sent again."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"
    async with Simulator(SimulatorSettings(**SLOW)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        await session(manifest.path, run, catalog, leave_at_provider, first=5)
        result = await session(manifest.path, run, catalog)
        assert (result.exit_code, result.answered) == (0, ROWS)
        assert [batch.told.rows for batch in fold(run).batches.all] == [5, ROWS - 5]
        assert (billed(simulator).lines, billed(simulator).lines_twice) == (ROWS, 0)


async def test_another_way_is_for_the_rows_that_are_in_no_batch(tmp_path: Path) -> None:
    """At a resume `--via online` sends the rest online and follows the batch; what was said last is remembered."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"
    async with Simulator(SimulatorSettings(**SLOW)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        await session(manifest.path, run, catalog, leave_at_provider, first=5)
        result = await session(manifest.path, run, catalog, first=9, via="online")
        assert (result.exit_code, result.answered, billed(simulator).batch_lines) == (0, 9, 5)
        assert (await session(manifest.path, run, catalog, via=None)).answered == ROWS
        assert (billed(simulator).batch_lines, billed(simulator).lines) == (5, ROWS)
        (lane,) = fold(run).lanes
        assert (lane.by_batch, fold(run).via) == (5, "online")
        assert cost_usd(check_accounted(run, ROWS)) == pytest.approx(billed(simulator).usd)


async def test_the_way_is_remembered(tmp_path: Path) -> None:
    """A run folder that is gone on with, without a word of the way, goes on by batch."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"
    async with Simulator(SimulatorSettings(**SLOW)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        await session(manifest.path, run, catalog, leave_at_provider, first=5)
        assert (await session(manifest.path, run, catalog, via=None)).answered == ROWS
        assert billed(simulator).batch_lines == ROWS


@pytest.mark.parametrize("lacks", ["table", "key"])
async def test_a_batch_that_cannot_be_followed_refuses_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    """Without its provider's batch API in the catalog, or its key: exit code 2 before a line is written or sent."""
    manifest, run = write_manifest(tmp_path / "m.jsonl", ROWS), tmp_path / "run"
    monkeypatch.setenv("LAB_KEY", "k")

    def logs() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in run.glob("*.jsonl")}

    async with Simulator(SimulatorSettings(**SLOW)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url, more='api_key_env = "LAB_KEY"')
        told = catalog.read_text()
        await session(manifest.path, run, catalog, leave_at_provider)
        before = logs()
        with monkeypatch.context() as patch:
            catalog.write_text(told.replace("[providers.lab.batch]", "") if lacks == "table" else told)
            if lacks == "key":
                patch.delenv("LAB_KEY")
            with pytest.raises(InputError, match="batch API in the catalog now" if lacks == "table" else "set LAB_KEY"):
                opened(run, options_of(config=catalog, via="online")).__enter__()
        assert logs() == before
        catalog.write_text(told)
        assert (await session(run, run, catalog)).answered == ROWS


async def test_a_file_that_was_cut_but_never_begun_is_removed(tmp_path: Path) -> None:
    """A session removes what one that was killed while it cut a shard has left, and nothing else."""
    manifest = write_manifest(tmp_path / "m.jsonl", 3)
    async with Simulator(SimulatorSettings(batch_s=0.1)) as simulator:
        catalog = write_priced_catalog(tmp_path / "lab.toml", simulator.base_url)
        batches = tmp_path / "run" / "batches"
        await run_batches(manifest.path, tmp_path / "run", catalog)
        (batches / "on-000000000000.sent.jsonl").write_bytes(b"{}\n")
        kept = {path.name for path in batches.iterdir() if path.name.endswith(".results.jsonl")}
        await run_batches(manifest.path, tmp_path / "run", catalog)
    assert {path.name for path in batches.iterdir()} == kept
