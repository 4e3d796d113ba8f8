"""Whatever a provider says, and for however long: a run by batch ends, its rows accounted for or left for a reason."""

import asyncio
import time
from pathlib import Path

import msgspec
import pytest

from orchestrator import lateness
from orchestrator.batching.via import Via
from orchestrator.budget import Caps
from orchestrator.deadline import Deadline
from orchestrator.engine import StopKind
from outputs.fold import fold
from providers.batches.finding import finding_of
from providers.batches.wire import BatchView, Phase
from tests.harness.batch_nights import HOUR, bench, exit_codes, run, until
from tests.harness.fake_batches import FakeBatch, FakeClient, FakeProvider

EACH_ONCE = dict.fromkeys(range(4), 1)


@pytest.fixture(autouse=True)
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine looks at its deadline every 20 seconds, so that hours pass soon."""
    monkeypatch.setattr(lateness, "_LOOK_S", 20.0)


@pytest.mark.parametrize("fault", ["down", "unknown", "never came"])
@pytest.mark.parametrize("call", ["poll", "download"])
def test_answers_that_are_there_are_taken_in_when_the_rest_cannot_be_had_for_an_hour(
    tmp_path: Path, call: str, fault: str
) -> None:
    """A line was torn, and then nothing can be asked any more: what was read is kept, the torn row fails."""
    script = {call: ["ok"] * (2 if call == "poll" else 1) + [fault] * 10_000}
    of = bench(tmp_path, FakeProvider(script, fates={1: ["torn"]})).ask(4)

    async def main() -> None:
        begun = time.monotonic()
        engine = await of.session()
        assert exit_codes(engine) == []
        assert HOUR <= time.monotonic() - begun < 1.1 * HOUR

    run(main())
    assert of.failed() == {1: "unreadable"}
    of.check(4, exact=False)


def test_one_failed_look_after_the_hour_does_not_end_the_lane(tmp_path: Path) -> None:
    """The last look at results that stay unreadable fails: its rows are accounted for all the same."""
    provider = FakeProvider(fates={row: ["nameless"] for row in range(4)}, tells_usage=False, tells_counts=False)
    of = bench(tmp_path, provider).ask(4)

    async def main() -> None:
        async with of.engine() as engine:
            going = asyncio.ensure_future(engine.run())
            await until(lambda: provider.calls["download"] > 0)
            await asyncio.sleep(0.99 * HOUR)
            provider.script["poll"] = ["down"] * 10
            await going
        assert exit_codes(engine) == []

    run(main())
    assert of.failed() == dict.fromkeys(range(4), "missing")


def test_batches_that_end_together_do_not_hasten_each_others_downloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that is there after eight seconds is waited for, though other batches end in the same moment."""
    whole, begun = FakeClient.download, []

    async def download(self: FakeClient, batch: BatchView, path: Path) -> None:
        await whole(self, batch, path)
        if batch.id == "batch_1":
            begun.append(time.monotonic())
            if time.monotonic() < begun[0] + 8:
                results = self.provider.batches[batch.id].results[1:]
                path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in results))

    monkeypatch.setattr(FakeClient, "download", download)
    of = bench(tmp_path, FakeProvider(polls=6), uploads=False).ask(20)
    run(of.session())
    assert of.failed() == {}
    of.check(20)


class NamesOtherLines(FakeProvider):
    """Says which line is bad by a number that no line has."""

    def view(self, batch: FakeBatch) -> BatchView:
        view = FakeProvider.view(self, batch)
        return msgspec.structs.replace(view, bad_lines={99: "bad"}) if view.bad_lines else view


def test_a_refusal_that_names_no_line_of_ours_is_not_tried_again_and_again(tmp_path: Path) -> None:
    """The lane ends with 6 after one batch."""
    of = bench(tmp_path, NamesOtherLines(bad_rows=frozenset({0}))).ask(4)

    async def main() -> None:
        engine = await of.session()
        assert exit_codes(engine) == [6]

    run(main())
    assert len(of.provider.batches) == 1


def test_a_lane_that_has_ended_submits_nothing_more(tmp_path: Path) -> None:
    """A batch that waits for room in the queue is dropped when its lane stops, and the run ends."""
    provider = FakeProvider({"poll": ["ok"] * 12 + ["key refused"]}, polls=1e9, queue=4)
    of = bench(tmp_path, provider, uploads=False).ask(5)

    async def main() -> None:
        async with of.engine() as engine:
            going = asyncio.ensure_future(engine.run())
            await until(lambda: bool(exit_codes(engine)))
            provider.queue = None
            async with asyncio.timeout(HOUR):
                await going
        assert exit_codes(engine) == [6]

    run(main())
    assert [len(one.lines) for one in provider.batches.values()] == [4]


@pytest.mark.parametrize("fault", ["unknown", "refused"])
def test_a_search_that_fails_is_tried_again(tmp_path: Path, fault: str) -> None:
    """Whatever the list answers once, it says nothing of the batch: no lane ends, and nothing is bought twice."""
    of = bench(tmp_path, FakeProvider({"create": ["never came"], "find": [fault]}), uploads=False).ask(4)

    async def main() -> None:
        engine = await of.session()
        assert exit_codes(engine) == []

    run(main())
    assert of.provider.bought == EACH_ONCE
    of.check(4)


@pytest.mark.parametrize("via", [Via.BATCH, Via.AUTO])
def test_a_deadline_that_is_moved_after_it_came_lets_the_run_go_on(tmp_path: Path, via: Via) -> None:
    """A run that is paused lives past its deadline; with a later one, and money, its rows are answered by batch."""
    of = bench(tmp_path, FakeProvider(polls=60), caps=Caps(models={"n": 0.00001}))
    of.ask(4).ask(2, first=4, model=b"n")

    async def main() -> None:
        async with of.engine(via=via, deadline=time.time() + 6000) as engine:
            going = asyncio.ensure_future(engine.run())
            await until(lambda: engine.batching.held > 0)
            engine.pause(True)
            await asyncio.sleep(2 * HOUR)
            engine.set_deadline(Deadline(time.time() + 10 * HOUR))
            engine.set_caps(Caps(run=1.0))
            engine.pause(False)
            await going
        assert engine.budget.reserved_usd == 0

    run(main())
    assert (of.provider.bought, of.provider.online) == (dict.fromkeys(range(6), 1), {})


@pytest.mark.parametrize("moved", [True, False])
def test_a_batch_that_was_left_at_a_deadline_is_followed_again_when_it_is_moved(tmp_path: Path, moved: bool) -> None:
    """Its money comes back with its end; without a later deadline it stays at its provider."""
    of = bench(tmp_path, provider := FakeProvider(polls=1e9), caps=Caps(run=0.001, models={"n": 0.00001}))
    of.ask(4).ask(1, first=4, model=b"n")

    async def main() -> None:
        async with of.engine(deadline=time.time() + 600) as engine:
            going = asyncio.ensure_future(engine.run())
            await until(lambda: engine.batching.held > 0 and bool(provider.batches))
            engine.pause(True)
            await asyncio.sleep(HOUR)
            provider.batches["batch_1"].polls_left = 1
            if moved:
                engine.set_deadline(None)
                await until(lambda: not engine.state.batches.unfinished)
                assert engine.budget.reserved_usd == 0
            engine.drain(StopKind.INTERRUPTED)
            await going

    run(main())
    assert bool(fold(of.folder).batches.unfinished) is not moved


# Whose batch it is


def view(id_: str, status: str = "in_progress", created_at: float = 5.0) -> BatchView:
    """A batch of a search."""
    phase = Phase.ENDED if status == "cancelled" else Phase.RUNNING
    return BatchView(id_, phase, status, created_at=created_at)


def test_of_twins_the_one_that_runs_on_counts() -> None:
    """Whatever the order of the list, and whichever of them is older."""
    for listed in ([view("a"), view("b")], [view("b"), view("a")]):
        found = finding_of(listed)
        assert found.batch is not None
        assert (found.batch.id, found.others) == ("a", ("b",))
    for listed in ([view("b", "cancelled"), view("a")], [view("b", "cancelling", 4.0), view("a")]):
        found = finding_of(listed)
        assert found.batch is not None
        assert (found.batch.id, found.others) == ("a", ())
    assert finding_of([view("b", "cancelled")]).batch == view("b", "cancelled")
