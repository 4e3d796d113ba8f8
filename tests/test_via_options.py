"""How rows travel, as a user says it: options, what a run tells of its batches, and stopping with and without them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator import InputError, api
from orchestrator.asking import options_of
from orchestrator.batching.via import Via, parse_via
from orchestrator.control import Command, Stop
from orchestrator.session import Result
from orchestrator.showing import result_json, show_result, steered_line
from outputs.batches import Step
from outputs.fold import LaneTotals, fold
from outputs.journal import Log
from providers.simulator import Simulator, SimulatorSettings
from tests.harness.attended import Attended, attended
from tests.harness.batch_runs import write_priced_catalog
from tests.harness.command import run_to_end
from tests.harness.log_writing import LogWriter
from tests.harness.workplace import Workplace, line

QUICK = ("--threshold", "batch_poll_s=0.2")


@pytest.mark.parametrize("via", ["online", "batch", "auto", " Auto "])
def test_each_way_has_its_word(via: str) -> None:
    """The three words, in any case, are the three ways."""
    assert options_of(via=via).via is Via(via.strip().lower())


def test_where_nothing_is_said_nothing_is_chosen() -> None:
    """A run goes on as before where no way is named, and buys nothing twice where that was not allowed."""
    options = options_of()
    assert (options.via, options.allow_rebuy, options.cancel_batches) == (None, False, False)
    assert options_of(allow_rebuy=True).allow_rebuy


def test_a_wrong_way_is_bad_input(work: Workplace) -> None:
    """Exit 2, one line that names the option and the word that may have been meant, and nothing left behind."""
    work.write([line("a")])
    ended = work.run("--via", "bach")
    assert (ended.code, ended.error) == (2, "--via: unknown way 'bach': did you mean 'batch'?")
    assert work.files() == set()
    with pytest.raises(InputError, match="known here: auto, batch, online"):
        parse_via("post")


@pytest.mark.parametrize("command", ["run", "resume"])
def test_the_help_has_an_example(work: Workplace, command: str) -> None:
    """Both commands take the options; `run` shows how half the price is had by morning."""
    text = " ".join(work.overnight(command, "--help").out.split())
    assert "--via" in text
    assert "--allow-rebuy" in text
    assert command == "resume" or "overnight run m.jsonl --via auto --until 07:00" in text


async def test_the_library_takes_them_too(work: Workplace) -> None:
    """From Python a wrong way is the same error, and a right one reaches the run's log."""
    work.write([line("a")])
    with pytest.raises(InputError, match="unknown way 'letter'"):
        await api.run("m.jsonl", via="letter")
    async with Simulator(SimulatorSettings(batch_s=0.1)) as simulator:
        catalog = write_priced_catalog(work.folder / "lab.toml", simulator.base_url)
        result = await api.run(
            "m.jsonl", out="out", config=catalog, via="batch", allow_rebuy=True, thresholds={"batch_poll_s": 0.1}
        )
    assert (result.exit_code, result.lanes[0].by_batch) == (0, 1)
    assert fold(Path("out")).via == "batch"


def test_a_stop_that_cancels_is_a_command_of_its_own() -> None:
    """A plain stop is the line that it always was, so that a run of an older version takes it."""
    assert msgspec.json.encode(Stop()) == b'{"command":"stop"}'
    text = msgspec.json.encode(Stop(cancel_batches=True))
    assert msgspec.json.decode(text, type=Command) == Stop(cancel_batches=True)


# What a session says at its end


def _result(**changes: Any) -> Result:
    lane = LaneTotals("openai", "m", 9, 4, 0, 9, 1, 1, 0.5)
    return Result(Path("out"), 130, "interrupted", 9, 4, 0, 9, (lane,), {}, simulated=False, **changes)


@pytest.mark.parametrize(
    ("count", "says"),
    [
        (1, "1 batch goes on at the provider: overnight run out fetches it"),
        (2, "2 batches go on at the provider: overnight run out fetches them"),
        (0, "go on with: overnight run out"),
    ],
)
def test_the_end_says_what_goes_on_without_us(capsys: pytest.CaptureFixture[str], count: int, says: str) -> None:
    """Batches that are left at the provider are named with the command that fetches them."""
    show_result(_result(batches_open=count))
    assert capsys.readouterr().out.splitlines()[-1] == says
    assert result_json(_result(batches_open=count))["batches_open"] == count


def test_what_was_bought_twice_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Rows that went online beside their batch, as was allowed, are counted for the user."""
    show_result(_result(rebought=3))
    says = "3 rows were sent again although their batch may have answered them too (--allow-rebuy)"
    assert says in capsys.readouterr().out
    show_result(_result())
    assert "rebuy" not in capsys.readouterr().out


def test_a_steered_run_says_how_many_rows_are_in_batches(tmp_path: Path) -> None:
    """The line after `pause` and its like counts them beside the calls in flight."""
    answer = {
        "state": "paused", "in_flight": 2, "in_batches": 3200, "held": 0, "stages_paused": [], "spent_usd": 0.0,
        "maybe_usd": 0.0, "cap_usd": None, "deadline": None,
    }  # fmt: skip
    assert "paused, 2 in flight, 3,200 in batches, $0.00 spent" in steered_line(tmp_path, answer)
    assert "batches" not in steered_line(tmp_path, {**answer, "in_batches": 0})


# Stopping a run that nobody works on


def left(work: Workplace, *steps: Step) -> Path:
    """A run folder of two rows in one batch that is as far as these steps say."""
    log = LogWriter(work.run_folder).record(requests=2)
    rows = [log.request(), log.request()]
    begun = log.step(Step.BEGUN, key="on-1", provider="lab", model="lab-1", rows=2)
    for row in rows:
        log.attempt(row, batch=begun)
    for step in steps:
        log.step(step, begun, id="batch_1")
    return work.run_folder


def test_a_dead_run_tells_of_the_batches_that_go_on(work: Workplace) -> None:
    """Exit 2 as for any run that nobody works on, with what goes on without us and both things to do about it."""
    folder = left(work, Step.CREATING, Step.CREATED)
    ended = work.overnight("stop", folder)
    assert ended.code == 2
    assert ended.error == (
        f"{folder}: no process works on it, but 1 batch goes on at the provider: `overnight run {folder}` fetches what "
        f"comes, `overnight stop {folder} --cancel-batches` cancels"
    )


@pytest.mark.parametrize("steps", [(Step.UPLOADING, Step.UPLOADED), (Step.CREATED, Step.SETTLED), (Step.DROPPED,)])
def test_a_dead_run_without_batches_at_a_provider_is_as_ever(work: Workplace, steps: tuple[Step, ...]) -> None:
    """What was not submitted, is accounted for or was dropped goes on nowhere."""
    folder = left(work, *steps)
    assert work.overnight("stop", folder).error == f"{folder}: no process works on it"


def test_nothing_is_cancelled_where_nothing_is_open(work: Workplace) -> None:
    """Asked to cancel the batches of a run that has none, the command says so and starts no session."""
    folder = left(work, Step.CREATED, Step.SETTLED)
    ended = work.overnight("stop", folder, "--cancel-batches")
    assert (ended.code, ended.error) == (2, f"{folder}: no process works on it, and no batch is open")
    assert (folder / Log.EVENTS.file_name).read_bytes() == b""


def test_stop_wants_a_run_folder(work: Workplace) -> None:
    """A folder that is no run is bad input, with the flag too."""
    assert work.overnight("stop", work.folder, "--cancel-batches").code == 2


# With batches that do not end by themselves


@pytest.fixture
async def endless(work: Workplace) -> AsyncIterator[Simulator]:
    """A provider whose batches end when they are cancelled, and not before; the catalog is of that."""
    async with Simulator(SimulatorSettings(batch_hold=True, batch_s=0.1)) as simulator:
        write_priced_catalog(work.folder / "overnight.toml", simulator.base_url)
        work.write([line(f"r{number}") for number in range(6)])
        yield simulator


async def in_batches(run: Attended, rows: int) -> dict[str, Any]:
    """Wait until all rows are in batches that the provider has."""
    return await run.says(lambda beat: [one["id"] is not None for one in beat.get("batches", ())] == [True] * rows)


async def test_stop_leaves_batches_unless_it_is_asked(work: Workplace, endless: Simulator) -> None:
    """A plain stop leaves them at the provider, says so, and the next session follows them and sends nothing again."""
    async with attended(work, "--via", "batch", *QUICK) as run:
        beat = await in_batches(run, 1)
        assert (beat["in_batches"], beat["in_flight"]) == (6, 0)
        status = run.done("status")
        assert (status["in_batches"], status["in_flight"], len(status["batches"])) == (6, 0, 1)
        assert run.done("stop")["in_batches"] == 6
        assert await run.child.exit_code() == 130
        assert "1 batch goes on at the provider" in run.child.said()
    assert work.overnight("stop", work.run_folder).error.startswith(f"{work.run_folder}: no process works on it, but 1")
    async with attended(work, *QUICK) as run:
        await in_batches(run, 1)
        assert run.done("stop", "--cancel-batches")["state"] == "draining"
        assert await run.child.exit_code() == 130
        assert "6 rows are in 1 batch from before: followed, not sent again" in run.child.said()
    (batch,) = fold(work.run_folder).batches.all
    assert batch.over
    assert batch.cancelling


async def test_a_dead_runs_batches_are_cancelled(work: Workplace, endless: Simulator) -> None:
    """With nobody at work, --cancel-batches has them cancelled, waits until they have ended and takes in what came."""
    async with attended(work, "--via", "batch", *QUICK) as run:
        await in_batches(run, 1)
        run.done("stop")
        assert await run.child.exit_code() == 130
    code, said = await run_to_end("stop", work.run_folder, "--cancel-batches", folder=work.folder)
    assert code in (0, 130), said
    state = fold(work.run_folder)
    assert not state.batches.open
    assert sum(lane.in_batches for lane in state.lanes) == 0
    assert "go on at the provider" not in said
    document = json.loads((await run_to_end("status", work.run_folder, "--json", folder=work.folder))[1])
    assert document["batches"][0]["cancelling"]
