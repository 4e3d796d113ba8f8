"""Batches at a deadline, behind a full queue, or with an end that is told late, and what goes online in their place."""

import asyncio
import itertools
import time
from pathlib import Path

import msgspec
import pytest

from orchestrator.batching.via import Via
from orchestrator.thresholds import Thresholds
from outputs.batches import Step
from outputs.fold import RunState, fold
from providers.batches.wire import BatchCallError, BatchView, Counts, Phase, Shard
from providers.wire import Billing, Failure, FailureKind
from tests.harness.batch_nights import HOUR, bench, exit_codes, lane_batches, left_after, left_at, run, until
from tests.harness.fake_batches import FakeBatch, FakeClient, FakeProvider

NIGHT_S = 1000.0
EACH_ONCE = dict.fromkeys(range(4), 1)


def deadline() -> float:
    """In a quarter of an hour: a batch is begun, and soon cancelled."""
    return time.time() + NIGHT_S


# Rows that are bought again


def test_a_batch_that_ended_before_the_session_is_settled_and_not_bought_again(tmp_path: Path) -> None:
    """However close the deadline is: a batch is bought again only where it was seen to run on."""
    of = bench(tmp_path, FakeProvider()).ask(4)

    async def main() -> None:
        await left_at(of, Step.CREATED)
        of.provider.work(of.provider.batches["batch_1"])
        of.provider.work(of.provider.batches["batch_1"])
        engine = await of.session(via=Via.AUTO, deadline=time.time() + 30, allow_rebuy=True)
        assert engine.batching.rebought == 0

    run(main())
    assert (of.provider.bought, of.provider.online) == (EACH_ONCE, {})
    of.check(4)


def test_withdrawn_rows_of_a_late_batch_are_not_bought_again(tmp_path: Path) -> None:
    """Only those that still want an answer go online, and only they count as rebought."""
    of = bench(tmp_path, FakeProvider(polls=1e9, cancels=False)).ask(4)

    async def main() -> None:
        await left_at(of, Step.CREATED, Step.POLLED)
        async with of.engine(via=Via.AUTO, deadline=deadline(), allow_rebuy=True) as engine:
            for row in (0, 1):
                engine.state.withdraw(row)
            await engine.run()
        assert engine.batching.rebought == 2

    run(main())
    assert of.provider.online == {2: 1, 3: 1}


@pytest.mark.parametrize("via", [Via.AUTO, Via.BATCH])
def test_a_withdrawn_row_that_is_too_large_for_a_batch_goes_nowhere(tmp_path: Path, via: Via) -> None:
    """Withdrawn while its batch was on its way, it is neither sent online nor failed."""
    of = bench(tmp_path, FakeProvider({"create": ["too large"]})).ask(1)
    of.on_effect = lambda: of.state.withdraw(0)
    run(of.session(via=via))
    assert (of.provider.calls["create"], of.provider.online, of.failed()) == (1, {}, {})


@pytest.mark.parametrize("via", Via)
def test_a_batch_that_was_bought_again_is_settled_by_the_session_that_finds_it_ended(tmp_path: Path, via: Via) -> None:
    """It has no rows any more: what it brought is kept in its file, and its last line is in the log."""
    of = bench(tmp_path, FakeProvider(polls=1e9, cancels=False)).ask(4)

    async def main() -> None:
        await of.session(via=Via.AUTO, deadline=deadline(), allow_rebuy=True)
        assert [batch.open_rows for batch in fold(of.folder).batches.unfinished] == [0]
        of.provider.batches["batch_1"].polls_left = 1
        await of.session(via=via)

    run(main())
    assert fold(of.folder).batches.unfinished == []
    assert [path.name.endswith(".results.jsonl") for path in (of.folder / "batches").iterdir()] == [True]
    assert of.provider.online == EACH_ONCE


def test_a_batch_that_was_bought_again_can_be_cancelled(tmp_path: Path) -> None:
    """A session that only cancels waits for its end, though none of its rows is open."""
    of = bench(tmp_path, FakeProvider(polls=1e9, cancels=False)).ask(4)

    async def main() -> None:
        await of.session(via=Via.AUTO, deadline=deadline(), allow_rebuy=True)
        of.provider.cancels = True
        async with of.engine() as engine:
            await engine.run(cancelling=True)

    run(main())
    assert [one.status for one in of.provider.batches.values()] == ["cancelled"]
    assert fold(of.folder).batches.unfinished == []


# What is told late, or not at all


class CountsEarly(FakeProvider):
    """Counts all lines while a batch runs, and nothing any more once it has ended."""

    def view(self, batch: FakeBatch) -> BatchView:
        view = FakeProvider.view(self, batch)
        counts = Counts(len(batch.lines), 0, 0) if view.phase is Phase.RUNNING else None
        return msgspec.structs.replace(view, counts=counts, usage=None)


def test_counts_of_an_earlier_look_do_not_stand_in_for_those_of_the_end(tmp_path: Path) -> None:
    """That nothing was done then does not say that a row without a line was not billed: it fails, and is kept."""
    of = bench(tmp_path, CountsEarly(fates={1: ["dropped"]}, polls=3)).ask(4)
    run(of.session())
    assert of.failed() == {1: "missing"}
    of.check(4, exact=False)


class NamesFilesLate(FakeProvider):
    """Names the file of an ended batch's results only after it was looked at so often."""

    unnamed: int = 0

    def view(self, batch: FakeBatch) -> BatchView:
        view = FakeProvider.view(self, batch)
        if view.phase is not Phase.ENDED or not self.unnamed:
            return view
        self.unnamed -= 1
        return msgspec.structs.replace(view, results=())


@pytest.mark.parametrize("looks", [1, 2, 7])
def test_results_that_are_named_after_the_end_are_fetched(
    tmp_path: Path, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers that are counted are waited for, be it for longer than lines that are missing."""
    whole = FakeClient.download

    async def download(self: FakeClient, batch: BatchView, path: Path) -> None:
        if batch.results:
            await whole(self, batch, path)
        else:
            path.write_bytes(b"")

    monkeypatch.setattr(FakeClient, "download", download)
    of = bench(tmp_path, provider := NamesFilesLate()).ask(4)
    provider.unnamed = looks
    run(of.session())
    assert (of.failed(), provider.bought, provider.unnamed) == ({}, EACH_ONCE, 0)
    of.check(4)


def test_results_that_stay_unreadable_are_waited_for_an_hour_and_then_accounted_for(tmp_path: Path) -> None:
    """The rows fail as maybe billed, and the run ends."""
    provider = FakeProvider(fates={row: ["nameless"] for row in range(4)}, tells_usage=False, tells_counts=False)
    of = bench(tmp_path, provider).ask(4)

    async def main() -> None:
        begun = time.monotonic()
        engine = await of.session()
        assert exit_codes(engine) == []
        assert HOUR <= time.monotonic() - begun < 1.1 * HOUR

    run(main())
    assert of.failed() == dict.fromkeys(range(4), "missing")
    of.check(4, exact=False)


# With the rest online


@pytest.mark.parametrize("looked", [False, True])
@pytest.mark.parametrize("rows", [1, 4])
def test_with_the_rest_online_the_rows_of_a_refused_batch_go_there(tmp_path: Path, rows: int, looked: bool) -> None:
    """Refused for itself or for a full queue, it ends no lane, and none is created in its place."""
    refusing = FakeProvider(queue=0, refuses_late=True) if looked else FakeProvider(refuses=True)
    of = bench(tmp_path, refusing).ask(rows)

    async def main() -> None:
        await left_after(of, "create")
        engine = await of.ask(3, first=rows).session(via=Via.ONLINE)
        assert exit_codes(engine) == []

    run(main())
    assert (of.provider.online, len(of.provider.batches)) == (dict.fromkeys(range(rows + 3), 1), 1)
    of.check(rows + 3)


@pytest.mark.parametrize("step", [Step.UPLOADING, Step.UPLOADED, Step.CREATING])
def test_with_the_rest_online_a_batch_that_was_not_created_is_dropped(tmp_path: Path, step: Step) -> None:
    """Nothing more is uploaded or created for it, and its rows go online."""
    call = {Step.UPLOADING: "upload", Step.CREATING: "create"}.get(step, "none")
    of = bench(tmp_path, FakeProvider({call: ["never came"] * 100})).ask(4)

    async def main() -> None:
        await (left_after(of, "upload") if step is Step.UPLOADED else left_at(of, step))
        assert [batch.step for batch in fold(of.folder).batches.all] == [step]
        of.provider.script = {}
        before = dict(of.provider.calls)
        await of.session(via=Via.ONLINE)
        assert [of.provider.calls[name] - before.get(name, 0) for name in ("upload", "create")] == [0, 0]

    run(main())
    assert (of.provider.online, len(of.provider.batches)) == (EACH_ONCE, 0)
    of.check(4)


def test_with_the_rest_online_a_batch_that_was_created_is_followed(tmp_path: Path) -> None:
    """It is not cancelled, and its rows are answered by it alone."""
    of = bench(tmp_path, FakeProvider(polls=5)).ask(4)

    async def main() -> None:
        await left_at(of, Step.CREATED)
        await of.ask(3, first=4).session(via=Via.ONLINE)

    run(main())
    assert of.provider.online == dict.fromkeys(range(4, 7), 1)
    assert of.provider.calls["cancel"] == 0
    of.check(7)


# A queue that somebody else has filled


def test_a_queue_that_somebody_else_fills_leaves_batches_large(tmp_path: Path) -> None:
    """For ten minutes: few files go up, batches keep a hundred rows, and grow again once one is let in."""
    of = bench(tmp_path, FakeProvider(polls=30, queue=0), "{ max_rows = 400 }", thresholds=Thresholds()).ask(1500)

    async def main() -> None:
        async with of.engine() as engine:
            going = asyncio.ensure_future(engine.run())
            await asyncio.sleep(600)
            assert of.provider.calls["upload"] <= 5
            of.provider.queue = None
            await going

    run(main())
    sizes = [len(one.lines) for one in of.provider.batches.values()]
    assert min(sizes[:-1]) >= 100, sizes
    assert max(sizes) == 400, sizes
    of.check(1500)


# Cancelling that is refused


def refuse_cancelling(monkeypatch: pytest.MonkeyPatch, times: int) -> list[float]:
    """Have so many cancellings refused; when each was asked for, monotonic seconds."""
    cancel, asked = FakeClient.cancel, []

    async def refused(self: FakeClient, batch_id: str) -> None:
        asked.append(time.monotonic())
        if len(asked) <= times:
            raise BatchCallError(Failure(FailureKind.ROW_REFUSED, Billing.UNBILLED, "not while it starts", 400))
        await cancel(self, batch_id)

    monkeypatch.setattr(FakeClient, "cancel", refused)
    return asked


def test_a_refused_cancelling_is_asked_for_again_after_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends no lane; once it is taken, the rows go online and are there at the deadline."""
    asked = refuse_cancelling(monkeypatch, 2)
    of = bench(tmp_path, FakeProvider(polls=1e9)).ask(4)

    async def main() -> None:
        engine = await of.session(via=Via.AUTO, deadline=deadline())
        assert exit_codes(engine) == []

    run(main())
    assert [60 <= after - before < 120 for before, after in itertools.pairwise(asked)] == [True, True]
    assert of.provider.online == EACH_ONCE
    of.check(4)


@pytest.mark.parametrize("allowed", [True, False])
def test_rows_of_a_batch_whose_cancelling_is_refused_go_online_where_that_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    """Near the deadline, once it was seen to run on; unasked they stay in it, and no lane ends."""
    refuse_cancelling(monkeypatch, 10**6)
    of = bench(tmp_path, FakeProvider(polls=1e9)).ask(4)
    states: list[RunState] = []

    async def main() -> None:
        engine = await of.session(via=Via.AUTO, deadline=deadline(), allow_rebuy=allowed)
        states.append(engine.state)
        assert exit_codes(engine) == []

    run(main())
    ((lane,),) = (state.lanes for state in states)
    assert (lane.answered, lane.in_batches) == ((4, 0) if allowed else (0, 4))
    assert of.provider.online == (EACH_ONCE if allowed else {})


# How many at once


def test_rows_that_keep_coming_are_gathered_no_longer_than_it_is_said(tmp_path: Path) -> None:
    """A row each 0.4 s for two minutes is no reason to begin no batch: each is begun after half a minute of rows."""
    said = Thresholds(batch_poll_s=5.0, batch_gather_s=30.0)
    of = bench(tmp_path, FakeProvider(), "{ max_rows = 50000 }", thresholds=said).ask(300)

    async def main() -> None:
        async with of.engine() as engine:
            batches = lane_batches(engine)
            first, *rest = list(batches.waiting.take_all())
            batches.add(first)
            going = asyncio.ensure_future(engine.run())
            for row in rest:
                await asyncio.sleep(0.4)
                batches.add(row)
            await going

    run(main())
    sizes = [len(one.lines) for one in of.provider.batches.values()]
    assert all(60 <= size <= 90 for size in sizes[:3]), sizes
    of.check(300)


@pytest.mark.parametrize("uploads", [True, False])
def test_two_batches_at_most_are_on_their_way_at_once(
    tmp_path: Path, uploads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds a file, or its body in memory, until it is created; ten shards go two by two."""
    create, on_the_way, most = FakeClient.create, [0], [0]

    async def slowly(self: FakeClient, shard: Shard) -> BatchView:
        on_the_way[0] += 1
        most[0] = max(most[0], on_the_way[0])
        await asyncio.sleep(300)
        on_the_way[0] -= 1
        return await create(self, shard)

    monkeypatch.setattr(FakeClient, "create", slowly)
    of = bench(tmp_path, FakeProvider(), uploads=uploads).ask(40)

    async def main() -> None:
        async with of.engine() as engine:
            going = asyncio.ensure_future(engine.run())
            await until(lambda: bool(engine.state.batches.all))
            await asyncio.sleep(HOUR / 20)
            assert sum(path.name.endswith(".sent.jsonl") for path in (of.folder / "batches").iterdir()) == 2
            await going

    run(main())
    assert most == [2]
    of.check(40)
