"""Batches followed to their end on a provider in memory: whatever befalls a call, and whenever a session ends."""

import asyncio
import copy
import time
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from orchestrator.batching.batching import Batching
from orchestrator.batching.via import Via
from orchestrator.budget import Caps
from orchestrator.engine import Engine, StopKind
from orchestrator.steering import held
from orchestrator.thresholds import Thresholds
from outputs.batches import Step
from outputs.fold import fold
from outputs.journal import Log
from prompts.input_error import InputError
from tests.harness.batch_bench import Bench, Recorder, catalog_of, reserved_usd, resumed
from tests.harness.fake_batches import FakeOnline, FakeProvider, answer_body, batch_usd
from tests.harness.time_lapse import run_in_time_lapse

pytestmark = pytest.mark.long

ROWS = 10
HOUR, NIGHT_S, LATE_S = 3600.0, 1000.0, 720.0
SHORT_NIGHT = Thresholds(batch_poll_s=5.0, batch_look_s=10.0, batch_cancel_s=600.0, batch_least_s=60.0)
FATES = {
    1: ["dropped"],
    2: ["torn"],
    3: ["expired"],
    5: ["failed", "throttled"],
    6: ["refused"],
    7: ["twice"],
    8: ["nameless"],
    9: ["torn and whole"],
}
LOST = {1: "missing", 2: "unreadable", 6: "row_refused", 8: "missing"}


def fates() -> dict[int, list[str]]:
    """What becomes of each row's line, to be used up."""
    return {row: list(turns) for row, turns in FATES.items()}


def bench(tmp_path: Path, provider: FakeProvider, batch: str = "{ max_rows = 4 }", **said: Any) -> Bench:
    """A run of no rows yet."""
    said.setdefault("thresholds", SHORT_NIGHT)
    return Bench(tmp_path / "run", provider, catalog_of(tmp_path / "lab.toml", batch), **said)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Hours of it in moments."""
    run_in_time_lapse(lambda: main, factor=20_000)


def sizes(of: Bench) -> list[int]:
    """How many rows each batch had that its provider let in, in their order."""
    return [len(one.lines) for one in of.provider.batches.values() if one.status != "failed"]


def counted(of: Bench) -> dict[str, dict[str, int] | None]:
    """By key, what each settled batch's last line counts."""
    batches = fold(of.folder).batches.all
    return {one.told.key or "": one.told.lines for one in batches if one.step is Step.SETTLED}


def check_no_orphan(of: Bench) -> None:
    """Every batch at the provider that ran is known by its id."""
    known = {batch.told.id for batch in fold(of.folder).batches.all}
    assert {one.id for one in of.provider.batches.values() if one.status == "completed"} <= known


def check_budget(engine: Engine) -> None:
    """Nothing is reserved any more, and what was spent is what the log says, of all sessions together."""
    (lane,) = engine.state.lanes
    assert reserved_usd(engine) == 0
    assert engine.budget.settled_usd == pytest.approx(lane.cost_usd, abs=1e-12)
    assert engine.budget.maybe_usd == pytest.approx(lane.maybe_usd, abs=1e-12)


# Sessions that end at any moment


@pytest.mark.parametrize(
    ("uploads", "refuses_late"), [(True, False), (True, True), (False, False)], ids=["files", "late", "inline"]
)
def test_every_step_is_taken_up_from_every_step(tmp_path: Path, uploads: bool, refuses_late: bool) -> None:
    """Killed after each line of its log and each effect at the provider, or cut off from power there, a run is gone on
    with: each row is bought once at most, none is lost, and its batches' lines are counted as if nothing had been."""
    script = {"upload": ["lost"], "create": ["ok", "lost"], "poll": ["ok", "down"], "download": ["down"]}
    provider = FakeProvider(script, fates(), queue=8, refuses_late=refuses_late)
    first = bench(tmp_path, provider, uploads=uploads).ask(ROWS)

    async def main() -> None:
        recorder = first.disk = Recorder(first)
        first.on_effect = recorder.note_effect
        await first.session()
        first.check(ROWS)
        assert first.failed() == LOST
        done = counted(first)
        moments = list(recorder.kills(power=True))
        assert len(moments) > 60
        for number, moment in enumerate(moments):
            later = resumed(first, moment, tmp_path / f"killed-{number}")
            engine = await later.session()
            later.check(ROWS)
            check_no_orphan(later)
            assert later.failed() == LOST
            check_budget(engine)
            again = counted(later)
            assert {key: again[key] for key in again.keys() & done.keys()} == {
                key: done[key] for key in again.keys() & done.keys()
            }

    run(main())


@pytest.mark.parametrize(
    ("provider", "lost"),
    [
        (FakeProvider(bad_rows=frozenset({1, 5})), {1: "row_refused", 5: "row_refused"}),
        (FakeProvider({"create": ["lost"], "cancel": ["down", "lost"]}, twins=1), {}),
        (FakeProvider({"create": ["lost"]}, perhaps=2), {}),
        (FakeProvider({"upload": ["too large"]}), {}),
        (FakeProvider({"upload": ["queue full"]}), {}),
        (FakeProvider(fates={0: ["dropped"], 1: ["failed"]}, tells_usage=False), {0: "missing"}),
    ],
    ids=["bad lines", "twins", "perhaps", "too large", "queue full", "maybe billed"],
)
def test_no_step_of_what_goes_wrong_is_lost(tmp_path: Path, provider: FakeProvider, lost: dict[int, str]) -> None:
    """Killed at any moment of it, a run comes to the same end as without."""
    first = bench(tmp_path, copy.deepcopy(provider)).ask(6)

    async def main() -> None:
        recorder = first.disk = Recorder(first)
        first.on_effect = recorder.note_effect
        await first.session()
        for number, moment in enumerate(recorder.kills(power=True)):
            later = resumed(first, moment, tmp_path / f"killed-{number}")
            engine = await later.session()
            later.check(6, exact=False)
            check_no_orphan(later)
            assert later.failed() == lost
            check_budget(engine)

    run(main())


def test_cancelling_is_taken_up_from_every_step(tmp_path: Path) -> None:
    """Killed at any moment of it, batches that were to be cancelled are, and what they have answered is taken in."""
    first = bench(tmp_path, FakeProvider(polls=1e9, done_at_cancel=2)).ask(ROWS)

    async def main() -> None:
        await first.session(deadline=time.time() + 30)
        assert first.state.lanes[0].in_batches == ROWS
        before = {log.file_name: (first.folder / log.file_name).stat().st_size for log in Log}
        recorder = first.disk = Recorder(first, before=before)
        first.on_effect = recorder.note_effect
        async with first.engine() as engine:
            await engine.run(cancelling=True)
        for number, moment in enumerate(recorder.kills()):
            later = resumed(first, moment, tmp_path / f"killed-{number}")
            async with later.engine() as engine:
                await engine.run(cancelling=True)
            assert {batch.status for batch in later.provider.batches.values()} == {"cancelled"}
            (lane,) = fold(later.folder).lanes
            assert (lane.answered, lane.in_batches, lane.failures) == (6, 0, {"not_sent": 4})
            check_budget(engine)

    run(main())


def test_a_topped_up_run_is_taken_up_from_every_step(tmp_path: Path) -> None:
    """Killed at any moment while late batches are cancelled and their rows sent online, a run buys no row twice, but
    for calls that were on the wire."""
    first = bench(tmp_path, FakeProvider(polls=1e9, done_at_cancel=1), "{ max_rows = 2 }").ask(4)

    async def main() -> None:
        recorder = first.disk = Recorder(first)
        first.on_effect = recorder.note_effect
        await first.session(via=Via.AUTO, deadline=time.time() + NIGHT_S)
        first.check(4)
        assert len(first.provider.online) == 2
        for number, moment in enumerate(recorder.kills()):
            later = resumed(first, moment, tmp_path / f"killed-{number}")
            on_wire = Counter(dict.fromkeys(fold(later.folder).open_attempts, 1))
            later.provider.bought -= on_wire & later.provider.online
            await later.session(via=Via.AUTO, deadline=time.time() + LATE_S)
            assert max(later.provider.bought.values()) == 1
            assert fold(later.folder).lanes[0].answered == 4
            assert reserved_usd_of(later) == 0

    run(main())


def reserved_usd_of(of: Bench) -> float:
    """What a finished run still holds for batches."""
    return sum(of.state.reserved_usd(row) or 0.0 for row, number in enumerate(of.state.batch_of) if number)


def test_a_creation_that_was_tried_long_after_its_line_is_looked_for_as_long(tmp_path: Path) -> None:
    """A provider that shows a new batch only after 8 s, killed at any moment of many tries, has each row once."""
    provider = FakeProvider({"create": ["down"] * 7 + ["lost"]}, lists_after_s=8.0)
    first = bench(tmp_path, provider).ask(3)

    async def main() -> None:
        recorder = first.disk = Recorder(first)
        first.on_effect = recorder.note_effect
        await first.session()
        first.check(3)
        for number, moment in enumerate(recorder.kills()):
            later = resumed(first, moment, tmp_path / f"killed-{number}")
            await later.session()
            later.check(3)
            assert len(later.provider.batches) == 1

    run(main())


def test_a_session_may_leave_at_any_moment(tmp_path: Path) -> None:
    """Drained after any line of its log, a session ends by itself, and the next one finishes without buying twice."""

    async def main() -> None:
        for number in range(120):
            run_ = bench(tmp_path, FakeProvider({"upload": ["lost"], "create": ["ok", "lost"]}, fates(), queue=8))
            run_.folder = tmp_path / f"left-{number}"
            written = await drained_after(run_.ask(ROWS), number)
            assert reserved_usd_of(run_) == pytest.approx(fold_reserved(run_))
            await run_.session()
            run_.check(ROWS)
            check_no_orphan(run_)
            assert run_.failed() == LOST
            if written < number:
                return
        raise AssertionError("it writes more lines than were looked at")

    run(main())


def fold_reserved(of: Bench) -> float:
    """What the log of a run says that is reserved for rows in batches."""
    state = fold(of.folder)
    return sum(state.reserved_usd(row) or 0.0 for row, number in enumerate(state.batch_of) if number)


async def drained_after(of: Bench, lines: int) -> int:
    """Run a session that is drained once it has appended so many lines; returns how many it wrote in all."""
    async with of.engine() as engine:
        append, count = engine.journal.append, 0

        def counting(log: Any, rest: bytes) -> int:
            nonlocal count
            count += 1
            if count == lines:
                asyncio.get_running_loop().call_soon(engine.drain, StopKind.INTERRUPTED)
            return append(log, rest)

        engine.journal.append = counting  # type: ignore[method-assign]  # to be told of each line
        if not lines:
            engine.drain(StopKind.INTERRUPTED)
        await engine.run()
    return count


# A full queue


@pytest.mark.parametrize("late", [False, True], ids=["at once", "when looked at"])
def test_a_full_queue_halves_a_batch_that_is_alone_and_it_grows_again(tmp_path: Path, late: bool) -> None:
    """A queue with room for three rows gets batches of two; with room again they grow, and no attempt was used up."""
    provider = FakeProvider(queue=3, refuses_late=late)
    run_ = bench(tmp_path, provider, "{ max_rows = 8 }").ask(24)

    def make_room() -> None:
        if len(sizes(run_)) > 3:
            provider.queue = None

    run_.on_effect = make_room

    async def main() -> None:
        await run_.session()
        state = run_.check(24)
        assert sizes(run_)[:2] == [2, 2]
        assert max(sizes(run_)) >= 4
        assert not any(state.failed_attempts)
        assert set(state.lanes[0].failures) == {"not_sent"}

    run(main())


def test_a_full_queue_makes_a_batch_beside_others_wait(tmp_path: Path) -> None:
    """It is created once the first is done, whole, by few tries and in the first attempt of its rows."""
    run_ = bench(tmp_path, FakeProvider(queue=4, polls=8)).ask(8)

    async def main() -> None:
        await run_.session()
        state = run_.check(8)
        assert sizes(run_) == [4, 4]
        assert list(state.attempts) == [1] * 8
        assert run_.provider.calls["create"] < 12

    run(main())


@pytest.mark.parametrize("late", [False, True], ids=["at once", "when looked at"])
def test_a_single_row_waits_for_room_longer_each_time(tmp_path: Path, late: bool) -> None:
    """Where others fill the queue for an hour, it is asked some dozen times, and the row is there still."""
    run_ = bench(tmp_path, FakeProvider(queue=0, refuses_late=late)).ask(1)
    run_.thresholds = Thresholds()

    async def main() -> None:
        await run_.session(deadline=time.time() + HOUR)
        assert 8 < run_.provider.calls["create"] < 30
        run_.provider.queue = None
        await run_.session()
        assert run_.check(1).failed_attempts[0] == 0

    run(main())


def test_an_upload_that_finds_the_queue_full_is_tried_again(tmp_path: Path) -> None:
    """No batch is created of a file that was never taken."""
    run_ = bench(tmp_path, FakeProvider({"upload": ["ok", "queue full"]}, polls=8)).ask(8)

    async def main() -> None:
        await run_.session()
        run_.check(8)
        assert sizes(run_) == [4, 4]

    run(main())


def test_a_batch_that_is_too_large_goes_in_smaller_parts_at_once(tmp_path: Path) -> None:
    """That is no matter of the queue: it does not wait for the batches beside it."""
    run_ = bench(tmp_path, FakeProvider({"upload": ["ok", "too large"]}, polls=1e9)).ask(8)

    async def main() -> None:
        await run_.session(deadline=time.time() + 60)
        assert sizes(run_) == [4, 2, 2]

    run(main())


@pytest.mark.parametrize("via", [Via.BATCH, Via.AUTO])
def test_a_row_that_is_too_large_alone_fails_or_goes_online(tmp_path: Path, via: Via) -> None:
    """The provider does not take its batch whatever else is queued: only this row fails, or goes online."""
    run_ = bench(tmp_path, FakeProvider({"upload": ["too large"]}), "{ max_rows = 1 }").ask(2)

    async def main() -> None:
        await run_.session(via=via)
        run_.check(2)
        assert run_.failed() == ({0: "row_refused"} if via is Via.BATCH else {})
        assert run_.provider.online == (Counter() if via is Via.BATCH else Counter({0: 1}))

    run(main())


def test_rows_wait_where_the_queue_has_less_room_than_one_of_them_takes(tmp_path: Path) -> None:
    """By the tokens that may be queued: a row is too large only where it does not fit alone."""
    batch = "{ max_rows = 4, queued_tokens = 150 }"  # 450 bytes: four rows of some hundred
    run_ = bench(tmp_path, FakeProvider(polls=8), batch).ask(8)

    async def main() -> None:
        await run_.session()
        run_.check(8)
        assert run_.failed() == {}
        assert sizes(run_) == [4, 4]
        assert run_.provider.calls["create"] == 2

    run(main())


# What is refused


def test_bad_lines_fail_their_rows_and_the_others_go_again(tmp_path: Path) -> None:
    """A batch that is refused for two of its lines has these two rows fail, and the rest answered by the next."""
    run_ = bench(tmp_path, FakeProvider(bad_rows=frozenset({1, 2}))).ask(4)

    async def main() -> None:
        await run_.session()
        state = run_.check(4)
        assert run_.failed() == {1: "row_refused", 2: "row_refused"}
        assert state.lanes[0].cost_usd == pytest.approx(batch_usd(0) + batch_usd(3))

    run(main())


@pytest.mark.parametrize("by", ["create", "poll", "upload"])
def test_a_batch_that_is_refused_ends_its_lane(tmp_path: Path, by: str) -> None:
    """The lane stops as refused by its provider, and its rows stay unsent, in no batch."""
    provider = FakeProvider(refuses=True) if by == "poll" else FakeProvider({by: ["refused"] * 3})
    run_ = bench(tmp_path, provider).ask(ROWS)

    async def main() -> None:
        engine = await run_.session()
        (lane,) = engine.lanes.values()
        assert lane.stopped is not None
        assert lane.stopped.exit_code == 6
        assert "--via auto" in lane.stopped.reason
        assert (run_.state.lanes[0].open, run_.state.lanes[0].in_batches, provider.usd) == (ROWS, 0, 0)

    run(main())


@pytest.mark.parametrize("by", ["create", "poll", "upload"])
def test_with_auto_the_rows_of_a_refused_batch_go_online(tmp_path: Path, by: str) -> None:
    """All are answered, and no further batch is tried than those that were under way."""
    provider = FakeProvider(refuses=True) if by == "poll" else FakeProvider({by: ["refused"] * 3})
    run_ = bench(tmp_path, provider).ask(40)

    async def main() -> None:
        await run_.session(via=Via.AUTO)
        run_.check(40)
        assert len(provider.online) >= 28

    run(main())


# Creations without an answer


def test_it_waits_while_a_batch_may_be_the_one(tmp_path: Path) -> None:
    """While the provider cannot say whether a batch is the lost one, none is created; then it is taken up."""
    run_ = bench(tmp_path, FakeProvider({"create": ["lost"]}, perhaps=30)).ask(3)

    async def main() -> None:
        await run_.session()
        run_.check(3)
        assert sizes(run_) == [3]
        assert run_.provider.calls["find"] == 31

    run(main())


@pytest.mark.parametrize(("lists_after_s", "batches"), [(8.0, 1), (1e9, 2)], ids=["found in time", "never found"])
def test_a_lost_batch_is_looked_for_before_another_is_created(
    tmp_path: Path, lists_after_s: float, batches: int
) -> None:
    """For `batch_look_s`, 10 s here: a batch that the provider shows by then is taken up, after that one is created."""
    run_ = bench(tmp_path, FakeProvider({"create": ["lost"]}, lists_after_s=lists_after_s)).ask(3)

    async def main() -> None:
        await run_.session()
        made = [one.created_at for one in run_.provider.batches.values()]
        assert len(made) == batches
        assert made[-1] - made[0] >= 10 * (batches - 1)
        if batches == 1:
            run_.check(3)

    run(main())


def test_a_creation_that_never_came_is_made_again(tmp_path: Path) -> None:
    """Nothing is found, and the shard is submitted once more."""
    run_ = bench(tmp_path, FakeProvider({"create": ["never came", "never came"]})).ask(3)

    async def main() -> None:
        await run_.session()
        run_.check(3)
        assert (sizes(run_), run_.provider.calls["create"]) == ([3], 3)

    run(main())


def test_of_two_batches_of_one_shard_one_is_cancelled(tmp_path: Path) -> None:
    """A creation without an answer that made two: the first is followed, the second's end is asked for at once."""
    run_ = bench(tmp_path, FakeProvider({"create": ["lost"]}, twins=1)).ask(3)

    async def main() -> None:
        await run_.session()
        run_.check(3)
        assert [one.status for one in run_.provider.batches.values()] == ["completed", "cancelled"]

    run(main())


# What batches bring, one after another


@pytest.mark.parametrize("via", [Via.BATCH, Via.AUTO])
def test_three_batches_in_a_row_that_answer_nothing_are_enough(tmp_path: Path, via: Via) -> None:
    """The lane stops without progress; with auto its rows are answered online, and nothing more goes by batch."""
    provider = FakeProvider(fates={row: ["throttled"] * 99 for row in range(40)})
    run_ = bench(tmp_path, provider, "{ max_rows = 10 }").ask(40)

    async def main() -> None:
        engine = await run_.session(via=via)
        (lane,) = engine.lanes.values()
        if via is Via.AUTO:
            run_.check(40)
            assert set(provider.online) == set(range(40))
        else:
            assert lane.stopped is not None
            assert lane.stopped.exit_code == 7
            assert run_.state.lanes[0].open == 40
            assert provider.usd == 0

    run(main())


def test_late_batches_that_have_answered_nothing_are_topped_up(tmp_path: Path) -> None:
    """However many are cancelled before their first answer, their rows go online, and are there at the deadline."""
    run_ = bench(tmp_path, FakeProvider(polls=1e9), "{ max_rows = 12 }").ask(60)

    async def main() -> None:
        deadline = time.time() + NIGHT_S
        await run_.session(via=Via.AUTO, deadline=deadline)
        assert time.time() < deadline
        state = run_.check(60)
        assert set(run_.provider.online) == set(range(60))
        assert set(state.lanes[0].failures) == {"not_sent"}
        assert not any(state.failed_attempts)

    run(main())


def test_what_a_late_batch_has_answered_is_kept_and_paid_for_once(tmp_path: Path) -> None:
    """The first three rows of each cancelled batch are billed by batch, the others online."""
    run_ = bench(tmp_path, FakeProvider(polls=1e9, done_at_cancel=3)).ask(8)

    async def main() -> None:
        await run_.session(via=Via.AUTO, deadline=time.time() + NIGHT_S)
        state = run_.check(8)
        assert set(run_.provider.online) == {3, 7}
        assert (state.lanes[0].by_batch, state.lanes[0].answered) == (6, 8)
        assert [step.step for step in run_.steps()].count(Step.CANCELLING) == 2

    run(main())


@pytest.mark.parametrize("allowed", [True, False])
def test_rows_are_bought_twice_only_where_that_is_allowed(tmp_path: Path, allowed: bool) -> None:
    """A batch that cannot be cancelled in time: its rows go online as maybe billed, or stay in it past the deadline."""
    run_ = bench(tmp_path, FakeProvider(polls=1e9, cancels=False)).ask(4)

    async def main() -> None:
        engine = await run_.session(via=Via.AUTO, deadline=time.time() + NIGHT_S, allow_rebuy=allowed)
        (lane,) = run_.state.lanes
        assert engine.batching.rebought == len(run_.provider.online) == (4 if allowed else 0)
        assert (lane.answered, lane.in_batches) == ((4, 0) if allowed else (0, 4))
        assert lane.maybe_billed == (4 if allowed else 0)
        assert [batch.open_rows for batch in run_.state.batches.unfinished] == [lane.in_batches]
        for batch in run_.provider.batches.values():
            batch.polls_left = 1
        await run_.session()
        assert fold(run_.folder).lanes[0].answered == 4
        assert run_.provider.bought == Counter(dict.fromkeys(range(4), 2 if allowed else 1))
        assert not run_.state.batches.unfinished

    run(main())


def test_a_batch_that_has_no_rows_any_more_ends_no_lane(tmp_path: Path) -> None:
    """Its rows were bought again, and its provider does not know it any more: others go by batch as ever."""
    run_ = bench(tmp_path, FakeProvider(polls=1e9, cancels=False)).ask(4)

    async def main() -> None:
        await run_.session(via=Via.AUTO, deadline=time.time() + NIGHT_S, allow_rebuy=True)
        assert [batch.open_rows for batch in run_.state.batches.unfinished] == [0]
        run_.provider.polls, run_.provider.gone = 9, {"batch_1"}
        run_.ask(2, first=4)
        engine = await run_.session()
        assert [lane.stopped for lane in engine.lanes.values()] == [None]
        assert fold(run_.folder).lanes[0].answered == 6

    run(main())


@pytest.mark.parametrize("via", [Via.BATCH, Via.ONLINE])
def test_money_of_a_lost_batch_is_not_waited_for(tmp_path: Path, via: Via) -> None:
    """Its lane ends and its reservation stays: another lane's rows are held, and go once the cap is higher."""
    run_ = bench(tmp_path, FakeProvider(polls=1e9)).ask(4)

    async def main() -> None:
        async with run_.engine() as engine:
            beside = asyncio.ensure_future(engine.run())
            await asyncio.sleep(60)
            engine.drain(StopKind.INTERRUPTED)
            await beside
        run_.provider.gone = {"batch_1"}
        run_.ask(2, first=4, model=b"n")
        run_.caps = Caps(run=reserved_usd(engine) * 1.01)
        async with run_.engine(via) as engine:
            await asyncio.wait_for(engine.run(), 24 * HOUR)
        assert [lane.name for lane in engine.lanes.values() if lane.stopped is not None] == ["lab/m"]
        assert held(engine) == 2
        run_.caps, run_.provider.polls = Caps(run=1.0), 1
        await run_.session(via=via)
        assert [(lane.answered, lane.in_batches) for lane in run_.state.lanes] == [(0, 4), (2, 0)]

    run(main())


@pytest.mark.parametrize("ends", ["refused", "cancelled"])
def test_a_run_that_breaks_off_leaves_no_call_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """Refused at its start, it awaits the calls that had begun; cancelled, it cuts them off. None outlives it."""
    run_ = bench(tmp_path, FakeProvider()).ask(ROWS)

    async def slow(*_: object) -> tuple[int, dict[str, str], bytes]:
        await asyncio.sleep(60)
        return 200, {}, answer_body(0)

    def refuse(_: Batching) -> None:
        raise InputError("no such provider")

    async def main() -> None:
        monkeypatch.setattr(FakeOnline, "post", slow)
        if ends == "refused":
            monkeypatch.setattr(Batching, "follow_earlier", refuse)
        before = asyncio.all_tasks()
        async with run_.engine(Via.ONLINE) as engine:
            await asyncio.sleep(5)
            under_way = len(engine.state.open_attempts)
            with pytest.raises(InputError if ends == "refused" else TimeoutError):
                await asyncio.wait_for(engine.run(), 20 if ends == "cancelled" else None)
        assert under_way > 0
        assert asyncio.all_tasks() == before
        state = fold(run_.folder)
        kept = (state.lanes[0].answered, len(state.open_attempts))
        assert kept == ((under_way, 0) if ends == "refused" else (0, under_way))

    run(main())
