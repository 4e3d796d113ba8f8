"""A run that goes on is paused, stopped and changed from another terminal, by the commands a user has for it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from outputs.journal import Log
from tests.harness.attended import Attended, Counting, again, attended
from tests.harness.command import run_to_end
from tests.harness.priced import put_prices
from tests.harness.workplace import Workplace, line


def rows(count: int) -> list[dict[str, Any]]:
    return [line(f"r{number}") for number in range(count)]


@pytest.fixture
def slow(work: Workplace) -> Counting:
    """A provider that takes a twentieth of a second for a call."""
    work.provider.reply = counting = Counting()
    return counting


async def nothing_new(run: Attended, seconds: float = 0.6) -> None:
    """No call comes for a while, and the process lives."""
    before = len(run.provider.calls)
    await asyncio.sleep(seconds)
    assert len(run.provider.calls) == before
    assert not run.child.ended, run.child.said()


async def test_a_paused_run_sends_nothing_and_lives(work: Workplace, slow: Counting) -> None:
    """What is in flight is awaited, `status` says paused, and unpaused the run goes on to its end."""
    work.write(rows(120))
    async with attended(work, "-c", 4) as run:
        await run.calls(8)
        told = run.done("pause")
        assert told["state"] == "paused"
        assert await run.child.until(lambda: slow.in_flight == 0)
        await nothing_new(run)
        await run.says(lambda beat: beat.get("state") == "paused" and beat["in_flight"] == 0)
        status = run.done("status")
        assert (status["state"], status["running"], status["pid"]) == ("paused", True, run.child.pid)
        assert f"{work.run_folder}: paused (pid" in run.command("status").out
        assert run.done("unpause")["state"] == "sending"
        assert await run.child.exit_code() == 0, run.child.said()
    assert len(work.answered()) == len(work.provider.calls) == 120


async def test_a_paused_run_is_stopped(work: Workplace, slow: Counting) -> None:
    """Who paused a run may end it as well; it says that it was stopped, and by what."""
    work.write(rows(40))
    async with attended(work, "-c", 2) as run:
        await run.calls(4)
        run.done("pause")
        assert run.done("stop")["state"] == "draining"
        assert await run.child.exit_code() == 130
        assert "stopped: stopped by overnight stop" in run.child.said()
    assert len(work.answered()) == len(work.provider.calls) < 40
    told = work.overnight("status", work.run_folder, "--json").json
    assert (told["last_stop"], told["exit_code"], told["state"]) == ("stopped by overnight stop", 130, "stopped")
    work.provider.forget()
    before = len(work.answered())
    assert (await again(work))[0] == 0
    assert len(work.provider.calls) == 40 - before


async def test_stop_awaits_what_is_in_flight(work: Workplace, slow: Counting) -> None:
    """Calls at the provider are answered first; while they are, other commands are told that the run is ending."""
    slow.latency_s = 30.0
    work.write(rows(10))
    async with attended(work, "-c", 3) as run:
        await run.calls(3)
        assert run.done("stop")["in_flight"] == 3
        refused = run.command("set", "--concurrency", 5)
        assert (refused.code, refused.error) == (2, "the run is ending")
        assert run.done("stop")["state"] == "draining"
        await run.says(lambda beat: beat.get("state") == "draining")
        assert run.done("status")["state"] == "draining"
        slow.gate.set()
        assert await run.child.exit_code() == 130
    assert len(work.answered()) == len(work.provider.calls) == 3


async def test_concurrency_goes_up_and_down(work: Workplace, slow: Counting) -> None:
    """What the provider has in flight follows: two, then nine, then three."""
    work.write(rows(400))
    async with attended(work, "-c", 2) as run:
        await run.calls(10)
        assert slow.most == 2
        assert run.done("set", "-c", 9)["concurrency"] == 9
        assert await run.child.until(lambda: slow.in_flight == 9)
        run.done("set", "-c", 3)
        assert await run.child.until(lambda: slow.in_flight <= 3)
        slow.most = 0
        await run.calls(len(run.provider.calls) + 15)
        assert slow.most == 3
        run.done("stop")
        assert await run.child.exit_code() == 130


async def test_a_limit_is_changed_while_calls_are_made(work: Workplace, slow: Counting) -> None:
    """Told to make 60 calls a minute the run crawls; told 6,000, it is done at once."""
    work.write_catalog("[providers.lab.limits]\nrpm = 60\n")
    work.write(rows(60))
    async with attended(work, "-c", 8) as run:
        await run.calls(1)
        run.done("set", "--limit", "lab.rpm=6000")
        assert await run.child.exit_code(20) == 0
    [event] = [one for one in work.lines(Log.EVENTS) if one["event"] == "control"]
    assert event["limits"] == {"lab.rpm": 6000}


async def test_a_limit_of_calls_in_flight_is_changed(work: Workplace, slow: Counting) -> None:
    """The account's own number of calls at once is a limit like any other."""
    work.write_catalog("[providers.lab.limits]\nconcurrency = 1\n")
    work.write(rows(400))
    async with attended(work, "-c", 8) as run:
        await run.calls(3)
        assert slow.most == 1
        run.done("set", "--limit", "lab.concurrency=5")
        assert await run.child.until(lambda: slow.in_flight == 5)
        run.done("stop")
        assert await run.child.exit_code() == 130
    assert slow.most == 5


def cheap_and_dear(work: Workplace) -> None:
    """Two rows that fit a tenth of a cent, and three that do not."""
    put_prices(work)
    work.write([*rows(2), *(line(f"dear{number}", "x" * 4000) for number in range(3))])


async def test_a_higher_cap_lets_held_rows_go(work: Workplace, slow: Counting) -> None:
    """While other rows are still sent, a raised cap releases the rows that it had no room for."""
    slow.latency_s = 30.0
    cheap_and_dear(work)
    async with attended(work, "-c", 4, "--budget", "0.001") as run:
        await run.says(lambda beat: beat.get("held") == 3)
        await run.calls(2)
        told = run.done("set", "--budget", "1")
        assert (told["cap_usd"], told["held"]) == (1, 0)
        await run.calls(4)
        slow.gate.set()
        assert await run.child.exit_code() == 0, run.child.said()
    assert len(work.answered()) == 5
    assert work.overnight("status", work.run_folder, "--json").json["caps"]["run"] == 1


async def test_a_paused_run_lives_although_only_held_rows_are_left(work: Workplace, slow: Counting) -> None:
    """Its user has paused to raise the cap, say: then all is sent; unpaused without a higher cap it ends with 4."""
    slow.latency_s = 30.0
    cheap_and_dear(work)
    async with attended(work, "-c", 4, "--budget", "0.001") as run:
        await run.says(lambda beat: beat.get("held") == 3)
        run.done("pause")
        slow.gate.set()
        await run.says(lambda beat: beat.get("in_flight") == 0)
        await nothing_new(run, 1.2)
        run.done("unpause")
        assert await run.child.exit_code() == 4
    slow.gate.clear()
    work.write([*rows(4), *(line(f"dear{number}", "x" * 4000) for number in range(3))])
    async with attended(work, "-c", 4, "--budget", "0.002") as run:
        await run.says(lambda beat: beat.get("held") == 3)
        run.done("pause")
        slow.gate.set()
        await run.says(lambda beat: beat.get("in_flight") == 0)
        run.done("set", "--budget", "1")
        run.done("unpause")
        assert await run.child.exit_code() == 0, run.child.said()
    assert len(work.answered()) == 7


async def test_a_lowered_cap_holds_what_is_left(work: Workplace, slow: Counting) -> None:
    """What is in flight is paid, nothing new is sent, and the run ends with 4; the lower cap stands at the resume."""
    put_prices(work)
    slow.latency_s = 30.0
    work.write(rows(20))
    async with attended(work, "-c", 2, "--budget", "5") as run:
        await run.calls(2)
        run.done("set", "--budget", "0.00001")
        slow.gate.set()
        assert await run.child.exit_code() == 4
        assert "the budget has no room for 18 rows" in run.child.said()
        assert "of $0.00001)" in run.child.said()
    assert len(work.answered()) == 2
    assert (await again(work))[0] == 4
    assert (await again(work, "--budget", "none"))[0] == 0


WRONG = [
    ((), "nothing to change: give --concurrency, --budget, --until, --for or --limit"),
    (("--limit", "lab.tpm=5"), "lab has no limit tpm in this run"),
    (("--limit", "lab.rmp=5"), "unknown limit 'rmp'"),
    (("--limit", "lob.rpm=5"), "no provider of this run in 'lob.rpm'"),
    (("--limit", 'lab."gpt*".rpm=5'), 'lab has no limit "gpt*".rpm in this run'),
    (("--limit", "lab.rpm=much"), "'much' is not a number"),
    (("--limit", "lab.rpm=5", "--limit", "lab.rpd=5"), "lab has no limit rpd in this run"),
    (("--until", "25:99"), "is not a time"),
    (("--for", "soon"), "is not a span of time"),
    (("--for", "1h", "--until", "none"), "give --until or --for, not both"),
    (("--for", "none", "--until", "07:00"), "give --until or --for, not both"),
    (("--budget", "much"), "is no amount in USD"),
    (("--concurrency", "0"), "Invalid value for '--concurrency'"),
]


async def test_what_cannot_be_set_is_told_and_changes_nothing(work: Workplace, slow: Counting) -> None:
    """Exit code 2 and what is wrong; nothing of such a command is done, and the run goes on as it was."""
    slow.latency_s = 30.0
    work.write_catalog("[providers.lab.limits]\nrpm = 6000\n")
    work.write(rows(3))
    async with attended(work, "-c", 1) as run:
        await run.calls(1)
        for arguments, says in WRONG:
            ended = run.command("set", *arguments)
            assert ended.code == 2
            assert says in ended.err
        slow.gate.set()
        assert await run.child.exit_code() == 0
    assert not [one for one in work.lines(Log.EVENTS) if one["event"] == "control"]


@pytest.mark.parametrize("command", ["pause", "unpause", "stop"])
def test_a_run_that_does_not_go_on_cannot_be_steered(work: Workplace, command: str) -> None:
    """Before and after, and where there is no run, one line says so."""
    work.write(rows(1))
    assert work.run().code == 0
    ended = work.overnight(command, work.run_folder)
    assert (ended.code, ended.error) == (2, f"{work.run_folder}: no process works on it")
    ended = work.overnight(command, work.folder / "nowhere")
    assert ended.code == 2
    assert "no such run folder" in ended.error


async def test_a_cap_is_refused_where_a_price_is_unknown(work: Workplace, slow: Counting) -> None:
    """A budget over calls that nobody can price would be no budget."""
    slow.latency_s = 30.0
    path = work.folder / "overnight.toml"
    path.write_text(path.read_text().replace("free = true\n", ""))
    work.write(rows(2))
    async with attended(work, "-c", 1, "--allow-unpriced") as run:
        await run.calls(1)
        ended = run.command("set", "--budget", "5")
        assert ended.code == 2
        assert "the price of lab/lab-1 is unknown" in ended.error
        slow.gate.set()
        assert await run.child.exit_code() == 0


def elsewhere(work: Workplace) -> Path:
    """Another working folder, as another terminal has one."""
    folder = work.folder / "elsewhere"
    folder.mkdir()
    return folder


async def test_what_a_command_prints(work: Workplace, slow: Counting) -> None:
    """One line a person can read: how the run stands now."""
    slow.latency_s = 30.0
    put_prices(work)
    work.write(rows(2))
    async with attended(work, "-c", 1, "--budget", "1") as run:
        await run.calls(1)
        code, said = await run_to_end("set", work.run_folder, "--budget", 2, "--for", "2h", folder=elsewhere(work))
        assert code == 0
        assert said.startswith(f"{work.run_folder}: sending, 1 in flight, $0.00 of $2.00 spent, until 2")
        assert len(said.splitlines()) == 1
        told = run.done("pause")
        assert set(told) >= {"state", "in_flight", "held", "spent_usd", "maybe_usd", "cap_usd", "deadline", "lanes"}
        slow.gate.set()
        run.done("unpause")
        assert await run.child.exit_code() == 0
