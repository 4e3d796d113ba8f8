"""A run with a deadline: it stops sending early enough, awaits what is in flight, and says why it stopped."""

import json
import time
from datetime import datetime
from typing import Any

import pytest

from outputs.journal import Log
from tests.harness.attended import Attended, Counting, again, attended
from tests.harness.loopback import Call, Reply, echo
from tests.harness.workplace import Ended, Workplace, line

NO_TIME = "leaves no time for more"


def rows(count: int) -> list[dict[str, Any]]:
    return [line(f"r{number}") for number in range(count)]


@pytest.fixture
def slow(work: Workplace) -> Counting:
    """A provider that takes 0.4 s for each call; 1.5 s is the most that anybody waits for it."""
    work.write_catalog("timeout_s = 1.5\n")
    work.provider.reply = counting = Counting(0.4)
    return counting


def at(epoch_s: float) -> str:
    """As `--until` takes it."""
    return datetime.fromtimestamp(epoch_s).isoformat()


def set_near_deadline(run: Attended) -> dict[str, Any]:
    """A deadline so near that the command may come too late for it: then once more."""
    for _ in range(20):
        ended = run.command("set", "--until", at(time.time() + 0.3), "--json")
        if ended.code == 0:
            told: dict[str, Any] = ended.json
            return told
        assert "is past" in ended.err
    raise AssertionError("never in time")


def events(work: Workplace, name: str) -> list[dict[str, Any]]:
    return [one for one in work.lines(Log.EVENTS) if one["event"] == name]


async def test_what_is_in_flight_lands_before_the_deadline(work: Workplace, slow: Counting) -> None:
    """No answer comes after it, exit code 5, a sentence with the time, and the rest is sent another night."""
    work.write(rows(300))
    async with attended(work, "-c", 8, "--for", "5h") as run:
        await run.calls(20)
        deadline = time.time() + 3
        run.done("set", "--until", at(deadline))
        code, said = await run.child.exit_code(), run.child.said()
    assert code == 5, said
    assert max(one["at"] for one in work.lines(Log.RESPONSES)) <= deadline
    assert max(slow.ended_at) > deadline - 2.5
    answered = len(work.answered())
    assert 8 <= answered == len(work.provider.calls) < 300
    assert f"stopped: the deadline {datetime.fromtimestamp(deadline):%Y-%m-%d %H:%M:%S} {NO_TIME}" in said
    assert f"{300 - answered:,} left" in said
    assert not (work.run_folder / Log.ERRORS.file_name).read_bytes()
    told = work.overnight("status", work.run_folder, "--json").json
    assert (told["exit_code"], told["unsent"]) == (5, 300 - answered)
    slow.gate.set()
    code, said = await again(work)
    assert code == 0, said
    assert len(work.answered()) == len(work.provider.calls) == 300


async def test_a_call_in_flight_is_awaited_to_its_own_time_out(work: Workplace, slow: Counting) -> None:
    """The deadline abandons nothing: a call that hangs ends by its time-out, and its row is left for later."""
    slow.latency_s = 30.0
    work.write(rows(5))
    async with attended(work, "-c", 2, "--for", "5h") as run:
        await run.calls(2)
        set_near_deadline(run)
        code, said = await run.child.exit_code(), run.child.said()
    assert code == 5, said
    settled = [one for one in work.lines(Log.ATTEMPTS) if "settled" in one]
    assert [(one["kind"], one["settled"]) for one in settled] == [("timed_out", "maybe")] * len(settled)
    assert len(settled) == len(work.provider.calls) == 2
    assert work.overnight("status", work.run_folder, "--json").json["maybe_billed"] == len(settled)


async def test_where_no_latency_is_known_little_time_is_none(work: Workplace) -> None:
    """With a time-out of ten minutes a first call may take long: five seconds before the deadline none is made."""
    work.write(rows(2))
    code, said = await again(work, "--for", "5s")
    assert (code, len(work.provider.calls)) == (5, 0)
    assert NO_TIME in said
    assert (await again(work))[0] == 0


async def test_a_deadline_is_given_anew_at_each_session(work: Workplace, slow: Counting) -> None:
    """Yesterday's deadline does not hold today; one for today does."""
    work.write(rows(200))
    assert (await again(work, "-c", 2, "--for", "3s"))[0] == 5
    assert (await again(work, "-c", 2, "--for", "3s"))[0] == 5
    slow.gate.set()
    assert (await again(work, "-c", 2))[0] == 0


@pytest.mark.parametrize("option", ["--until", "--for"])
async def test_a_deadline_is_taken_away(work: Workplace, slow: Counting, option: str) -> None:
    """`overnight set --until none` lets the run go on to its end, and `--for none` says the same."""
    work.write(rows(20))
    async with attended(work, "-c", 2, "--for", "5h") as run:
        await run.calls(2)
        run.done("set", "--for", "2.5s")
        assert run.done("set", option, "none")["deadline"] is None
        assert await run.child.exit_code() == 0, run.child.said()
    assert len(work.answered()) == 20


async def test_a_deadline_is_moved_while_the_last_calls_are_awaited(work: Workplace, slow: Counting) -> None:
    """A run that sends no more for want of time sends again when it is given some; `status` says how it is."""
    work.write(rows(8))
    async with attended(work, "-c", 2, "--for", "5h") as run:
        await run.calls(2)
        assert await run.child.until(lambda: run.answered() >= 2)
        slow.latency_s = 30.0
        work.write_catalog("timeout_s = 60\n")
        assert await run.child.until(lambda: slow.in_flight == 2)
        told = set_near_deadline(run)
        assert told["state"] == "draining"
        assert "no more calls: they would land after the deadline" in told["lanes"][0]["note"]
        assert run.done("set", "--for", "8h")["state"] == "sending"
        slow.gate.set()
        assert await run.child.exit_code() == 0, run.child.said()
    assert len(work.answered()) == 8


async def test_a_deadline_is_brought_forward(work: Workplace, slow: Counting) -> None:
    """Eight hours become none: what is in flight is awaited, then the run ends with 5, paused or not."""
    work.write(rows(300))
    for pausing in (False, True):
        async with attended(work, "-c", 2, "--for", "8h") as run:
            await run.says(lambda beat: beat.get("in_flight", 0) > 0)
            if pausing:
                run.done("pause")
            set_near_deadline(run)
            assert await run.child.exit_code() == 5, run.child.said()
            assert NO_TIME in run.child.said()


@pytest.mark.parametrize("header", ["60", "60.0"])
def test_a_wait_beyond_the_deadline_ends_the_lane(work: Workplace, header: str) -> None:
    """A provider that asks for a minute where there are twenty seconds left is not waited for: exit code 6 at once."""
    body = json.dumps({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}).encode()
    work.provider.reply = lambda _: Reply(body, 429, {"Retry-After": header})
    work.write(rows(3))
    ended = work.run("--for", "20s", "-c", 1)
    assert ended.code == 6
    assert "throttled for 60 s: slow down" in ended.out
    assert len(work.provider.calls) == 1
    work.provider.reply = echo
    assert work.run().code == 0


def run_while_the_clock_jumps(work: Workplace, monkeypatch: pytest.MonkeyPatch, by_s: float) -> Ended:
    """Forty rows, one after the other, with an hour for them; at the tenth call the wall clock jumps."""
    real, jumped = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + jumped[0])

    def reply(call: Call) -> Reply:
        if len(work.provider.calls) >= 10:
            jumped[0] = by_s
        time.sleep(0.05)
        return echo(call)

    work.provider.reply = reply
    work.write(rows(40))
    return work.run("--for", "1h", "-c", 1)


def test_a_clock_that_jumps_past_the_deadline_ends_the_run(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that slept over its deadline sends no more when it wakes."""
    ended = run_while_the_clock_jumps(work, monkeypatch, 7200)
    assert ended.code == 5
    assert 10 <= len(work.provider.calls) < 40


def test_a_clock_that_is_put_back_stops_nothing(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline is only further away then."""
    assert run_while_the_clock_jumps(work, monkeypatch, -7200).code == 0
    assert len(work.answered()) == 40


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--until", "2020-01-01T00:00"), "'2020-01-01T00:00' is past"),
        (("--until", "7 o'clock"), "is not a time"),
        (("--for", "0s"), "is no time at all"),
        (("--for", "8h", "--until", "07:00"), "give --until or --for, not both"),
    ],
)
def test_a_deadline_that_is_none_is_bad_input(work: Workplace, arguments: tuple[str, ...], says: str) -> None:
    """One line, exit code 2, nothing is sent and nothing is made."""
    work.write(rows(1))
    ended = work.run(*arguments)
    assert ended.code == 2
    assert says in ended.error
    assert not work.run_folder.exists()
