"""A run that nobody watches: what it leaves for the morning, whom it calls when it ends, and what stops it."""

import asyncio
import json
import os
import signal
import time
from typing import Any

import pytest

from orchestrator import heartbeat
from orchestrator.amounts import money
from prompts.input_error import InputError
from tests.harness.attended import Counting, again, attended
from tests.harness.loopback import Call, Reply, echo
from tests.harness.priced import put_prices
from tests.harness.workplace import Workplace, line

NAMES = ("REASON", "EXIT_CODE", "RUN", "ANSWERED", "FAILED", "LEFT", "COST_USD")


def rows(count: int) -> list[dict[str, Any]]:
    return [line(f"r{number}") for number in range(count)]


def refusing(status: int, code: str, **headers: str) -> Reply:
    body = json.dumps({"error": {"message": "no \u001b[31mred\u001b[0m", "code": code}}).encode()
    return Reply(body, status, headers)


# When it ends


def on_stop(work: Workplace, code: int = 0) -> str:
    """A command that notes what it was told, and exits with `code`."""
    told = " ".join(f'"$OVERNIGHT_{name}"' for name in NAMES)
    return f"printf '%s\\n' {told} >> '{work.folder}/ended'; echo heard; exit {code}"


def heard(work: Workplace) -> dict[str, str]:
    """What the command was told; it was run once."""
    lines = (work.folder / "ended").read_text().splitlines()
    (work.folder / "ended").unlink()
    return dict(zip(NAMES, lines, strict=True))


def test_whoever_is_called_at_the_end_learns_how_it_was(work: Workplace) -> None:
    """A whole run: every variable is there, and standard output is the JSON of the result alone."""
    put_prices(work)
    work.write(rows(3))
    ended = work.run("--json", "--on-stop", on_stop(work))
    assert (ended.code, ended.json["exit_code"]) == (0, 0)
    assert heard(work) == {
        "REASON": "every request is answered",
        "EXIT_CODE": "0",
        "RUN": str(work.run_folder),
        "ANSWERED": "3",
        "FAILED": "0",
        "LEFT": "0",
        "COST_USD": "0.000021",
    }


@pytest.mark.parametrize("own_code", [0, 9])
def test_it_is_called_at_every_end_and_changes_none(work: Workplace, own_code: int) -> None:
    """Failed rows, the budget, the deadline, a provider that refuses: the exit code is the run's own."""
    put_prices(work)
    work.write(rows(3))
    ends = [
        (5, ("--for", "2s"), echo, "leaves no time for more", ("0", "0", "3")),
        (4, ("--budget", "0.00001"), echo, "the budget has no room for 3 rows", ("0", "0", "3")),
        (6, ("--budget", "none"), lambda _: refusing(401, "invalid_api_key"), "key refused", ("0", "0", "3")),
        (3, (), lambda _: refusing(400, "invalid_prompt"), "3 requests failed for good", ("0", "3", "0")),
    ]
    for code, arguments, reply, reason, counts in ends:
        work.provider.reply = reply
        ended = work.run("--json", "--on-stop", on_stop(work, own_code), *arguments)
        assert (ended.code, ended.json["exit_code"]) == (code, code)
        told = heard(work)
        assert reason in told["REASON"]
        assert "\u001b" not in told["REASON"]
        assert told["EXIT_CODE"] == str(code)
        assert (told["ANSWERED"], told["FAILED"], told["LEFT"]) == counts
        assert ("exit code 9" in ended.err) == bool(own_code)


async def test_it_is_called_when_a_run_is_interrupted(work: Workplace) -> None:
    """Ctrl-C, or a terminal that closes: after what was in flight has been awaited, with 130."""
    work.provider.reply = slow = Counting(30)
    work.write(rows(5))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        slow.gate.clear()
        async with attended(work, "-c", 1, "--on-stop", on_stop(work)) as run:
            assert await run.child.until(lambda: slow.in_flight == 1)
            run.child.send(number)
            assert await run.child.until(lambda: "draining" in run.child.said())
            slow.gate.set()
            assert await run.child.exit_code() == 130
        told = heard(work)
        assert (told["EXIT_CODE"], told["REASON"]) == ("130", "interrupted")


def test_it_is_called_where_the_run_breaks_off(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of our own is told as such, with 1; bad input that shows once the folder is open, with 2."""
    work.write(rows(2))

    def crash(*_: object) -> None:
        raise RuntimeError("of our own")

    with monkeypatch.context() as broken:
        broken.setattr("orchestrator.attempts.Attempts.fit", crash)
        with pytest.raises(RuntimeError):
            work.run("--on-stop", on_stop(work))
    told = heard(work)
    assert (told["EXIT_CODE"], told["REASON"]) == ("1", "an error of our own: RuntimeError: of our own")
    assert told["LEFT"] == "2"

    def differ(*_: object) -> None:
        raise InputError("the log asked something else", file="out")

    with monkeypatch.context() as broken:
        broken.setattr("orchestrator.session._replayed", differ)
        assert work.run("--on-stop", on_stop(work)).code == 2
    told = heard(work)
    assert (told["EXIT_CODE"], told["REASON"]) == ("2", "out: the log asked something else")
    assert work.run("--on-stop", on_stop(work)).code == 0
    assert heard(work)["ANSWERED"] == "2"


# A terminal that closes


async def test_hanging_up_twice_drains(work: Workplace) -> None:
    """A shell and the system both say that the terminal is gone: what is in flight is awaited all the same."""
    work.provider.reply = slow = Counting(30)
    work.write(rows(5))
    async with attended(work, "-c", 2) as run:
        assert await run.child.until(lambda: slow.in_flight == 2)
        for _ in range(3):
            run.child.send(signal.SIGHUP)
            await asyncio.sleep(0.2)
        assert not run.child.ended
        slow.gate.set()
        assert await run.child.exit_code() == 130
    assert len(work.answered()) == len(work.provider.calls) == 2


async def test_a_run_under_nohup_goes_on(work: Workplace) -> None:
    """Where hanging up is ignored when it is started, it stays ignored."""
    work.provider.reply = slow = Counting(30)
    work.write(rows(5))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        async with attended(work, "-c", 2) as run:
            assert await run.child.until(lambda: slow.in_flight == 2)
            run.child.send(signal.SIGHUP)
            await asyncio.sleep(0.3)
            slow.gate.set()
            assert await run.child.exit_code() == 0
    finally:
        signal.signal(signal.SIGHUP, before)
    assert len(work.answered()) == 5


async def test_where_no_socket_can_be_made_a_word_is_said_and_the_run_goes_on(work: Workplace) -> None:
    """What lies in its place is left alone; the run cannot be steered, and says so."""
    work.write(rows(2))
    assert (await again(work, "--for", "1s"))[0] == 5
    (work.run_folder / "control.sock").write_text("mine")
    code, said = await again(work)
    assert code == 0
    assert "no control socket can be made here: pause, unpause, stop and set will not reach this run" in said
    assert (work.run_folder / "control.sock").read_text() == "mine"
    (work.run_folder / "control.sock").unlink()
    assert "control socket" not in (await again(work))[1]


# What is seen of it meanwhile


async def test_a_killed_run_is_not_shown_as_alive(work: Workplace) -> None:
    """Its heartbeat is still there, and is nobody's: `status` goes by the log alone, also while a successor starts."""
    work.provider.reply = slow = Counting(30)
    work.write(rows(5))
    async with attended(work, "-c", 2) as run:
        await run.says(lambda beat: beat.get("in_flight") == 2)
        run.child.send(signal.SIGKILL)
        await run.child.exit_code()
    slow.gate.set()
    left = (work.run_folder / "heartbeat.json").read_bytes()
    told = work.overnight("status", work.run_folder, "--json").json
    assert (told["running"], told["state"], told["heartbeat"], told["silent"]) == (False, "stopped", None, False)
    assert f"{work.run_folder}: not running" in work.overnight("status", work.run_folder).out
    slow.gate.clear()
    async with attended(work, "-c", 2) as run:
        assert await run.child.until(lambda: slow.in_flight == 2)
        os.kill(run.child.pid, signal.SIGSTOP)
        (work.run_folder / "heartbeat.json").write_bytes(left)
        told = work.overnight("status", work.run_folder, "--json").json
        assert (told["state"], told["pid"], told["heartbeat"]) == ("running", run.child.pid, None)
        os.kill(run.child.pid, signal.SIGCONT)
        slow.gate.set()
        assert await run.child.exit_code() == 0
    assert not (work.run_folder / "heartbeat.json").exists()


async def test_a_process_that_is_stopped_is_silent(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lives, but was not heard of: `status` says so, and no more once it goes on."""
    monkeypatch.setattr(heartbeat, "SILENT_AFTER_S", 2.5)
    work.provider.reply = slow = Counting(30)
    work.write(rows(3))
    async with attended(work, "-c", 1) as run:
        await run.says(lambda beat: beat.get("in_flight") == 1)
        os.kill(run.child.pid, signal.SIGSTOP)
        await asyncio.sleep(3)
        told = work.overnight("status", work.run_folder, "--json").json
        assert (told["state"], told["silent"], told["running"]) == ("silent", True, True)
        shown = work.overnight("status", work.run_folder).out
        assert f"running (pid {run.child.pid}), but nothing was heard of it for" in shown
        assert "it may be stuck or asleep" in shown
        os.kill(run.child.pid, signal.SIGCONT)
        stale = json.loads((work.run_folder / "heartbeat.json").read_bytes())["at"]
        await run.says(lambda beat: beat.get("at", 0) > stale)
        assert work.overnight("status", work.run_folder, "--json").json["state"] == "sending"
        slow.gate.set()
        assert await run.child.exit_code() == 0


async def test_status_says_what_there_is_to_know(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it runs: the state, the money, the deadline, the estimate; the JSON has the same keys before and after."""
    put_prices(work)
    work.provider.reply = slow = Counting(30)
    work.write(rows(30))
    async with attended(work, "-c", 3, "--budget", "1.5", "--for", "3h") as run:
        await run.says(lambda beat: beat.get("in_flight") == 3)
        told = run.done("status")
        assert (told["in_flight"], told["heartbeat"]["in_flight"], told["caps"]["run"]) == (3, 3, 1.5)
        shown = run.command("status").out
        assert "budget: $0.00 spent, $0.00 maybe billed; caps: run $1.50" in shown
        assert f"deadline: {told['heartbeat']['deadline']}" in shown
        assert "estimated, against actual:\nlab/lab-1: 0 of 30 done; " in shown
        slow.gate.set()
        assert await run.child.exit_code() == 0
    after = work.overnight("status", work.run_folder, "--json").json
    assert set(after) == set(told)
    assert after["cost_usd"] == pytest.approx(30 * 7e-6)
    monkeypatch.setenv("COLUMNS", "80")
    shown = work.overnight("status", work.run_folder).out
    assert "lab/lab-1: 30 of 30 done; cost $" in shown
    assert "budget: $0.00021 spent" in shown
    assert all(len(one) <= 80 for one in shown.splitlines() if one.startswith(("lane", "lab/lab-1 ")))


async def test_the_estimate_of_a_killed_run_stands_still(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that it took is counted to when it was killed, however late somebody looks."""
    work.provider.reply = slow = Counting(0.02)
    work.write(rows(500))
    async with attended(work, "-c", 2) as run:
        await run.calls(20)
        run.child.send(signal.SIGKILL)
        await run.child.exit_code()
    slow.gate.set()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 5000)
    [lane] = work.overnight("status", work.run_folder, "--json").json["expected"]
    assert 0 <= lane["seconds"]["actual"] < 60


def test_what_a_provider_wrote_is_shown_without_its_controls(work: Workplace) -> None:
    """Why a lane stopped is the provider's own words: no escape sequence of them reaches the terminal."""
    work.provider.reply = lambda _: refusing(401, "invalid_api_key")
    work.write(rows(2))
    ended = work.run()
    shown = work.overnight("status", work.run_folder).out
    assert ended.code == 6
    for text in (ended.out, shown):
        assert "key refused" in text
        assert "\u001b" not in text


@pytest.mark.parametrize(
    ("usd", "says"),
    [
        (0, "$0.00"),
        (7e-6, "$0.000007"),
        (0.00021, "$0.00021"),
        (0.0123, "$0.0123"),
        (0.5, "$0.5000"),
        (1234.5, "$1,234.50"),
    ],
)
def test_a_small_amount_is_told_from_nothing(usd: float, says: str) -> None:
    """However little was spent, and however low a cap is, it is not shown as nothing."""
    assert money(usd) == says


# A judge that cannot be read

JUDGE = """
job = "gveval"
model = "lab-1"
prompt = "gveval_ref_only_accr"
[dataset]
path = "items.json"
"""
SCORES = "Accuracy: [[85]]\nCompleteness: [[70]]\nConciseness: [[90]]\nRelevance: [[75]]"


def judged(work: Workplace, items: int) -> str:
    """A job that has so many captions judged."""
    entry = {"vname": "v", "ref": ["r"], "human_score": [[1, 1, 1, 1, 1]]}
    (work.folder / "items.json").write_text(json.dumps({f"i{n}": {**entry, "candidate": f"{n}"} for n in range(items)}))
    (work.folder / "judge.toml").write_text(JUDGE)
    return "judge.toml"


def test_a_judge_that_talks_rubbish_is_stopped(work: Workplace) -> None:
    """After forty answers of which under half could be read, its stage pauses, exit code 7; the rest stays unsent."""
    work.provider.reply = Counting(0.03, lambda _: work.reply("I'd rather not say"))
    ended = work.run("-c", 1, "--json", source=judged(work, 300))
    assert (ended.code, ended.json["outcomes"]) == (7, {"unparseable": ended.json["answered"]})
    assert "stage judge of lab/lab-1 paused: 0 of the last 40 answers could be read, under 50%" in ended.json["reason"]
    assert 40 <= len(work.provider.calls) < 100
    assert ended.json["unsent"] == 300 - len(work.provider.calls)
    assert ended.json["failed"] == 0


def test_a_judge_that_is_read_half_the_time_goes_on(work: Workplace) -> None:
    """Every other answer is enough."""

    def reply(_: Call) -> Reply:
        return work.reply(SCORES if len(work.provider.calls) % 2 else "well")

    work.provider.reply = reply
    ended = work.run("-c", 1, "--json", source=judged(work, 60))
    assert (ended.code, ended.json["outcomes"]) == (0, {"ok": 30, "unparseable": 30})


@pytest.mark.parametrize("where", ["catalog", "option", "both"])
def test_the_watch_on_a_judge_is_set(work: Workplace, where: str) -> None:
    """By `[thresholds]` in overnight.toml and by --threshold, which goes over it."""
    source = judged(work, 300)
    work.provider.reply = Counting(0.03, lambda _: work.reply("well"))
    arguments = () if where == "catalog" else ("--threshold", "readable_of=10", "--threshold", "min_readable_share=0.2")
    if where != "option":
        path = work.folder / "overnight.toml"
        of = 10 if where == "catalog" else 20
        path.write_text(f"{path.read_text()}[thresholds]\nreadable_of = {of}\nmin_readable_share = 0.2\n")
    ended = work.run("-c", 1, "--json", *arguments, source=source)
    assert ended.code == 7
    assert "of the last 10 answers could be read, under 20%" in ended.json["reason"]
    assert 10 <= len(work.provider.calls) < 70


@pytest.mark.parametrize(
    ("threshold", "table", "says"),
    [
        ("readable=10", "", "unknown threshold 'readable'"),
        ("readable_of=many", "", "'many' is not a whole number"),
        ("readable_of", "", "'readable_of' is not NAME=NUMBER"),
        ("min_readable_share=2", "", "threshold min_readable_share"),
        ("", "readble_of = 10", "readable_of"),
        ("", "readable_of = 0", "thresholds.readable_of"),
    ],
)
def test_a_threshold_that_does_not_exist_is_bad_input(work: Workplace, threshold: str, table: str, says: str) -> None:
    """A typo is exit code 2 with the place it is in, and nothing is sent."""
    work.write(rows(1))
    path = work.folder / "overnight.toml"
    path.write_text(f"{path.read_text()}[thresholds]\n{table}\n")
    ended = work.run(*(("--threshold", threshold) if threshold else ()))
    assert ended.code == 2
    assert says in ended.error
    assert not work.provider.calls
