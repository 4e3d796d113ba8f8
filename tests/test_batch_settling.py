"""Accounting for what came back of a batch: which line counts, what lost ones cost, and the money that is held."""

import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.batching import settling, surroundings
from orchestrator.batching.reading import Reading, row_of
from orchestrator.batching.settling import Settler
from orchestrator.batching.via import Via
from orchestrator.budget import Caps
from orchestrator.thresholds import Thresholds
from outputs.batches import BatchTold, Step
from outputs.fold import RunState, fold
from outputs.journal import Log
from providers.batches.wire import Counts, Result
from providers.wire import Billing
from tests.harness.batch_bench import Bench, catalog_of, reserved_usd
from tests.harness.fake_batches import FakeProvider, batch_usd
from tests.harness.time_lapse import run_in_time_lapse

TORN, FAILED, ANSWERED = 1, 2, 3
LINES = {TORN: Result("x", torn=True), FAILED: Result("x", 500), ANSWERED: Result("x", 200)}
RESERVED_USD = 99e-6  # about, for each row here


def bench(folder: Path, provider: FakeProvider, batch: str = "{ max_rows = 100 }", **said: Any) -> Bench:
    """A run of no rows yet."""
    return Bench(folder / "run", provider, catalog_of(folder / "lab.toml", batch), **said)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Hours of it in moments."""
    run_in_time_lapse(lambda: main, factor=20_000)


def counted(of: Bench) -> list[dict[str, int] | None]:
    """What the last line of each batch counts."""
    return [batch.told.lines for batch in fold(of.folder).batches.all if batch.step is Step.SETTLED]


# Which line counts


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([TORN, FAILED, ANSWERED]))))
def test_the_best_line_of_a_row_counts_of_equal_ones_the_first(came: list[tuple[int, int]]) -> None:
    """An answer before a failure, a failure before what is torn; all others of the row are duplicates."""
    reading = Reading()
    for number, (row, how) in enumerate(came):
        reading.note(number, row, LINES[how])
    rows = {row for row, _ in came}
    for row in rows:
        best = max(how for of, how in came if of == row)
        assert reading.chosen[row] == (came.index((row, best)), best)
    assert reading.chosen.keys() == rows
    assert reading.duplicated == len(came) - len(rows)
    assert reading.torn == sum(how == TORN for _, how in came)
    assert reading.unknown == 0


@given(st.one_of(st.none(), st.text(), (st.integers(-5, 9) | st.integers(-5, 2**80)).map(lambda seq: f"on-1-{seq}")))
def test_an_id_names_a_row_only_as_we_have_made_it(id_: str | None) -> None:
    """By the batch's own key and the seq of a request that is in it, settled or not; whatever else comes names none."""
    state = RunState()
    lane = state.lane_number("p", "m")
    for number, key in ((8, "on-1"), (9, "on-2")):
        state.batches.begin(number, 0.0, BatchTold(key=key))
    for row, (seq, batch) in enumerate(((1, 8), (2, 8), (3, 9), (4, None), (5, 8))):
        state.add_request(seq, 0, lane)
        state.begin_attempt(row, 1, None, 0.0, batch)
    state.settle_attempt(1, Billing.UNBILLED, "not_sent")
    found = row_of(state, state.batches.keyed("on-1"), id_)
    assert found == {"on-1-1": 0, "on-1-2": 1, "on-1-5": 4}.get(id_ or "")


@pytest.mark.parametrize(
    ("came", "completed", "whole", "all_completed"),
    [
        ([(0, ANSWERED), (1, ANSWERED)], 2, True, True),
        ([(0, ANSWERED), (1, FAILED)], 1, True, True),
        ([(0, ANSWERED)], 1, True, True),  # the other had no turn
        ([(0, ANSWERED)], 2, False, False),
        ([(0, FAILED)], 1, False, False),
        ([(0, ANSWERED), (1, TORN)], 2, False, True),
        ([(0, ANSWERED), (None, TORN)], 2, False, False),  # whose line the torn one is nobody knows
        ([(0, ANSWERED), (None, TORN)], 1, False, True),
        ([(0, TORN), (0, ANSWERED)], 2, False, False),
        ([(0, ANSWERED), (0, ANSWERED)], 2, False, False),
    ],
)
def test_what_is_lost_is_told_by_the_providers_counts(
    came: list[tuple[int | None, int]], completed: int, whole: bool, all_completed: bool
) -> None:
    """Of a batch of two rows: whether all that it has completed came back, and whether it is worth reading again."""
    reading, counts = Reading(), Counts(2, completed, 2 - completed)
    for number, (row, how) in enumerate(came):
        reading.note(number, row, LINES[how])
    assert reading.is_whole(2, counts) is whole
    assert reading.has_all_completed(counts) is all_completed
    assert not reading.has_all_completed(None)


def test_lines_that_nobody_asked_for_change_nothing(tmp_path: Path) -> None:
    """Answers to other batches, to requests that are none, and to nothing at all are counted, not taken in."""
    odd = ("KEY-99", "on-0000-1", "KEY-", "KEY-x", "KEY--1", "KEY-1e3", "1", "", None, "KEY-" + "9" * 40)
    run_ = bench(tmp_path, FakeProvider(odd_ids=odd)).ask(3)

    async def main() -> None:
        await run_.session()
        assert run_.check(3).lanes[0].answered == 3
        assert counted(run_) == [{"answered": 3, "unknown": len(odd)}]

    run(main())


def test_answers_to_rows_of_another_batch_are_of_none_of_this_one(tmp_path: Path) -> None:
    """Under the batch's own key, with the seq of a request of the same run: each row has its own answer in the end."""
    run_ = bench(tmp_path, FakeProvider(odd_ids=("KEY-1", "KEY-4")), "{ max_rows = 2 }").ask(4)

    async def main() -> None:
        await run_.session()
        assert run_.check(4).lanes[0].answered == 4
        assert counted(run_) == [{"answered": 2, "unknown": 1, "duplicated": 1}] * 2

    run(main())


def test_every_kind_of_line_is_counted(tmp_path: Path) -> None:
    """A batch's last line says how many were answered, failed, expired, torn, twice there, unreadable and missing."""
    fates = ["dropped", "torn", "expired", "failed", "refused", "twice", "nameless", "torn and whole", "unreadable"]
    run_ = bench(tmp_path, FakeProvider(fates={row: [fate] for row, fate in enumerate(fates)})).ask(12)

    async def main() -> None:
        await run_.session()
        run_.check(12)
        first, second = counted(run_)
        assert first == {
            "answered": 5, "failed": 2, "expired": 1, "unreadable": 2, "missing": 2, "duplicated": 2, "torn": 3,
        }  # fmt: skip
        assert second == {"answered": 2}
        lost = {0: "missing", 1: "unreadable", 6: "missing", 8: "unreadable"}
        assert run_.failed() == {**lost, 4: "row_refused"}

    run(main())


# What lost lines cost


@pytest.mark.parametrize("fates", [["dropped"], ["torn"], ["unreadable"], ["dropped", "torn", "nameless"]])
def test_lost_lines_cost_what_the_batch_used_beside_its_answers(tmp_path: Path, fates: list[str]) -> None:
    """Where the provider says what the whole batch used, the run costs exactly what was billed, and no maybe."""
    run_ = bench(tmp_path, FakeProvider(fates={row: [fate] for row, fate in enumerate(fates)})).ask(6)

    async def main() -> None:
        engine = await run_.session()
        (lane,) = run_.check(6).lanes
        assert (lane.billed_unanswered, lane.maybe_billed, lane.answered) == (len(fates), 0, 6 - len(fates))
        assert lane.cost_usd == pytest.approx(sum(map(batch_usd, range(6))), abs=len(fates) * 1e-9)
        assert engine.budget.settled_usd == pytest.approx(lane.cost_usd, abs=1e-12)

    run(main())


@pytest.mark.parametrize(
    "told",
    [
        {"tells_usage": False},
        {"usage_off": -1000},  # less than its answers used
        {"usage_off": 10**6},  # more than the lost row can have cost
        {"fates": {0: ["dropped"], 1: ["no usage"]}},
    ],
    ids=["no usage", "too little", "too much", "an answer without usage"],
)
def test_where_usage_does_not_add_up_lost_lines_are_maybe_billed(tmp_path: Path, told: dict[str, Any]) -> None:
    """They count at what was reserved for them, and never at a price that was made up."""
    run_ = bench(tmp_path, FakeProvider(**{"fates": {0: ["dropped"]}, **told})).ask(4)

    async def main() -> None:
        engine = await run_.session()
        (lane,) = fold(run_.folder).lanes
        assert run_.failed() == {0: "missing"}
        assert (lane.billed_unanswered, lane.maybe_billed) == (0, 1)
        assert lane.maybe_usd == pytest.approx(RESERVED_USD, rel=0.2)
        assert engine.budget.maybe_usd == pytest.approx(lane.maybe_usd)
        assert run_.provider.bought[0] == 1

    run(main())


def test_an_answer_of_a_dear_tier_has_no_price_by_batch_as_it_has_none_online(tmp_path: Path) -> None:
    """What nothing was reserved for costs nobody knows what: it is counted as unpriced."""
    lanes = []
    for via in (Via.BATCH, Via.ONLINE):
        (folder := tmp_path / via.value).mkdir()
        run_ = bench(folder, FakeProvider()).ask(2)
        requests = run_.folder / Log.REQUESTS.file_name
        first, second = requests.read_bytes().splitlines(keepends=True)
        requests.write_bytes(first.replace(b'"messages"', b'"service_tier":"priority","messages"') + second)
        run(_session(run_, via))
        lanes += fold(run_.folder).lanes
    by_batch, online = lanes
    assert (by_batch.by_batch, by_batch.unpriced, by_batch.unpriced_usd) == (2, 1, 0.0)
    assert (online.answered, online.unpriced, online.unpriced_usd) == (2, 1, 0.0)
    assert by_batch.cost_usd == pytest.approx(batch_usd(1), abs=1e-9)


async def _session(of: Bench, via: Via) -> None:
    await of.session(via=via)


# Rows without a line


@pytest.mark.parametrize(
    ("told", "kinds", "lost"),
    [
        ({}, {"batch_ended": 1}, {}),
        ({"tells_counts": False}, {"missing": 1}, {0: "missing"}),
        ({"fates": {0: ["skipped"], 1: ["nameless"]}}, {"missing": 2}, {0: "missing", 1: "missing"}),
        ({"fates": {0: ["skipped"], 1: ["torn"]}}, {"batch_ended": 1, "unreadable": 1}, {1: "unreadable"}),
    ],
    ids=["counted", "no counts", "beside a nameless line", "beside a torn line"],
)
def test_a_row_goes_again_only_where_it_certainly_had_no_turn(
    tmp_path: Path, told: dict[str, Any], kinds: dict[str, int], lost: dict[int, str]
) -> None:
    """By the provider's counts; where they leave room for a bill, the row fails instead of being bought once more."""
    run_ = bench(tmp_path, FakeProvider(**{"fates": {0: ["skipped"]}, **told})).ask(4)

    async def main() -> None:
        await run_.session()
        state = run_.check(4, exact=False)
        assert run_.failed() == lost
        assert state.lanes[0].failures == kinds

    run(main())


@pytest.mark.parametrize(
    ("fate", "kind", "attempts"),
    [
        ("failed", "transient", 3),
        ("expired", "batch_ended", 3),
        ("skipped", "batch_ended", 3),
        ("refused", "row_refused", 1),
    ],
)
def test_a_row_has_as_many_attempts_by_batch_as_online(tmp_path: Path, fate: str, kind: str, attempts: int) -> None:
    """Then it fails with its own reason, unbilled; the other row is answered by the first batch."""
    run_ = bench(tmp_path, FakeProvider(fates={0: [fate] * 9}), thresholds=Thresholds(transient_attempts=3)).ask(2)

    async def main() -> None:
        await run_.session()
        state = run_.check(2)
        assert run_.failed() == {0: kind}
        assert list(state.attempts) == [attempts, 1]

    run(main())


def test_a_throttled_line_uses_up_no_attempt(tmp_path: Path) -> None:
    """It goes by the next batch, however often."""
    run_ = bench(tmp_path, FakeProvider(fates={0: ["throttled"] * 6}), thresholds=Thresholds(transient_attempts=1))
    run_.ask(1)

    async def main() -> None:
        await run_.session()
        state = run_.check(1)
        assert (state.attempts[0], state.failed_attempts[0], state.lanes[0].answered) == (7, 0, 1)

    run(main())


def test_a_line_that_speaks_for_the_key_ends_the_lane(tmp_path: Path) -> None:
    """Its row stays unsent; the answers beside it are taken in."""
    run_ = bench(tmp_path, FakeProvider(fates={0: ["key refused"]})).ask(3)

    async def main() -> None:
        engine = await run_.session()
        (lane,) = engine.lanes.values()
        assert lane.stopped is not None
        assert lane.stopped.exit_code == 6
        assert (run_.state.lanes[0].answered, run_.state.lanes[0].open, run_.failed()) == (2, 1, {})

    run(main())


def test_rows_of_a_cancelled_batch_use_up_no_attempt(tmp_path: Path) -> None:
    """What it has answered is taken in and paid for; the rest is as if it had not been sent."""
    run_ = bench(tmp_path, FakeProvider(polls=1e9, done_at_cancel=2)).ask(5)

    async def main() -> None:
        async with run_.engine() as engine:
            run_.on_effect = lambda: None
            engine.batching.look(0.0)
            stop = _once(lambda: engine.stop_cancelling(), lambda: bool(run_.provider.batches))
            engine.batching.lanes[0].client.on_effect = stop  # type: ignore[attr-defined]  # it is the fake's
            await engine.run()
        (lane,) = fold(run_.folder).lanes
        assert (lane.answered, lane.open, lane.in_batches, lane.failures) == (2, 3, 0, {"not_sent": 3})
        assert counted(run_) == [{"answered": 2, "cancelled": 3}]
        assert not any(run_.state.failed_attempts)
        assert reserved_usd(engine) == 0

    run(main())


def _once(do: Any, when: Any) -> Any:
    """Call `do` the first time that it is called and `when` is so."""
    done = False

    def look() -> None:
        nonlocal done
        if not done and when():
            done = True
            do()

    return look


# Many of them


@pytest.mark.parametrize("fate", ["answered", "torn", "unreadable", "dropped", "skipped", "expired", "cancelled"])
def test_of_a_large_batch_only_some_rows_wait_in_memory_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    """Whatever came back, so many rows at most have lines that are not on disk; each is accounted for all the same."""
    monkeypatch.setattr(surroundings, "FLUSH_EVERY", 5)
    monkeypatch.setattr(settling, "FLUSH_EVERY", 5)
    fates = {row: [fate] for row in range(40) if fate != "cancelled"}
    run_ = bench(tmp_path, FakeProvider(fates=fates, polls=1e9 if fate == "cancelled" else 2)).ask(41)
    most = 0

    async def main() -> None:
        async with run_.engine() as engine:
            journal = engine.journal
            append, settle = journal.append, Settler.settle

            async def settle_watched(self: Settler, reading: Reading) -> None:
                def append_watched(log: Log, rest: bytes) -> int:
                    nonlocal most
                    seq = append(log, rest)
                    most = max(most, seq - journal.durable_seq)
                    return seq

                with monkeypatch.context() as patch:
                    patch.setattr(journal, "append", append_watched)
                    await settle(self, reading)

            monkeypatch.setattr(Settler, "settle", settle_watched)
            if fate == "cancelled":
                stop = _once(lambda: engine.stop_cancelling(), lambda: bool(run_.provider.batches))
                engine.batching.lanes[0].client.on_effect = stop  # type: ignore[attr-defined]  # it is the fake's
            await engine.run()
        assert reserved_usd(engine) == 0

    run(main())
    assert 5 <= most <= 2 * 5  # a row that is lost has two lines
    state = fold(run_.folder)
    assert state.lanes == run_.state.lanes
    assert not any(state.batch_of)
    kinds = {"torn": "unreadable", "unreadable": "unreadable", "dropped": "missing"}
    assert run_.failed() == {row: kinds[fate] for row in range(40) if fate in kinds}
    told = (run_.folder / Log.ATTEMPTS.file_name).read_bytes()
    assert told.count(b'"raw":') == (40 if kinds.get(fate) == "unreadable" else 0)


# Money


FATES = ["answered", "dropped", "torn", "expired", "skipped", "failed", "throttled", "refused", "twice", "nameless"]


@settings(max_examples=25, deadline=None)
@given(
    fates=st.lists(st.lists(st.sampled_from(FATES), max_size=3), min_size=1, max_size=8),
    cap=st.integers(0, 10).map(lambda rows: rows * RESERVED_USD * 1.1),
    most_rows=st.integers(1, 5),
    told=st.fixed_dictionaries(
        {"tells_usage": st.booleans(), "tells_counts": st.booleans(), "usage_off": st.sampled_from([0, 0, 7, -1000])}
    ),
)
def test_the_cap_holds_at_every_moment(
    fates: list[list[str]], cap: float, most_rows: int, told: dict[str, Any]
) -> None:
    """Whatever comes back, what is settled, maybe spent and reserved is never above the cap, and covers the provider's
    bill; in the end nothing is reserved, and no row was bought twice."""
    provider = FakeProvider(fates=dict(enumerate(fates)), **told)

    async def main(folder: Path) -> None:
        run_ = bench(folder, provider, f"{{ max_rows = {most_rows} }}", caps=Caps(run=cap)).ask(len(fates))
        held: list[float] = []
        async with run_.engine() as engine:
            run_.on_effect = lambda: None

            def look() -> None:
                budget = engine.budget
                held.append(budget.settled_usd + budget.maybe_usd + budget.reserved_usd)
                assert provider.usd <= held[-1] + 1e-8

            for lane in engine.batching.lanes.values():
                lane.client.on_effect = look  # type: ignore[attr-defined]  # it is the fake's
            await engine.run()
        assert max(held, default=0.0) <= cap + 1e-9
        assert reserved_usd(engine) == 0
        assert max(provider.bought.values(), default=0) <= 1
        state = fold(run_.folder)
        assert state.lanes == run_.state.lanes
        assert not any(state.batch_of)
        spent = state.lanes[0].cost_usd + state.lanes[0].maybe_usd
        assert engine.budget.settled_usd + engine.budget.maybe_usd == pytest.approx(spent, abs=1e-12)
        assert sum(state.is_open(row) for row in range(len(fates))) == engine.batching.held

    with tempfile.TemporaryDirectory() as folder:
        run(main(Path(folder)))
