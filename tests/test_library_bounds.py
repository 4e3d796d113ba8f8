"""What bounds a run, from Python: the budget, the deadline, duplicates, thresholds."""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest

from orchestrator import InputError, plan, responses, run
from orchestrator.engine import Engine
from outputs.journal import Log
from tests.harness.attended import Counting
from tests.harness.priced import put_prices
from tests.harness.workplace import Workplace, line


@pytest.fixture
def priced(work: Workplace) -> Workplace:
    """Four rows, two of them the same, of 7 millionths of a dollar each."""
    put_prices(work)
    work.write([line("a", "same"), line("b"), line("c", "same"), line("d")])
    return work


def test_all_of_them_take_the_same_arguments() -> None:
    """`responses` takes all that `run` takes, and `plan` what bears on a plan, each with the same type and default."""
    ran, yielded, planned = (dict(inspect.signature(one).parameters) for one in (run, responses, plan))
    assert ran == yielded
    assert planned.pop("decode_media").default is False
    assert planned.items() <= ran.items()
    assert set(ran) - set(planned) == {
        "accept_changes",
        "dedupe",
        "allow_unpriced",
        "allow_rebuy",
        "thresholds",
        "on_engine",
    }


@pytest.mark.parametrize("budget", [0.00001, "0.00001", "$0.00001", 0])
async def test_a_budget_bounds_a_run(priced: Workplace, budget: float | str) -> None:
    """Given as a number or as on the command line; it stands until another one, or none, is given."""
    out = priced.run_folder
    assert (await run("m.jsonl", out=out, budget=budget)).exit_code == 4
    assert (await run("m.jsonl", out=out)).exit_code == 4
    result = await run("m.jsonl", out=out, budget="none")
    assert (result.exit_code, result.answered) == (0, 4)


def half_an_hour_on(zone: tzinfo | None = None) -> datetime:
    return datetime.now(zone) + timedelta(seconds=1800)


@pytest.mark.parametrize(
    "bound",
    [
        pytest.param(lambda: {"for_": "2s"}, id="for_-str"),
        pytest.param(lambda: {"for_": timedelta(seconds=2)}, id="for_-timedelta"),
        pytest.param(lambda: {"until": half_an_hour_on(UTC)}, id="until-with-zone"),
        pytest.param(lambda: {"until": half_an_hour_on().replace(microsecond=0)}, id="until-local"),
        pytest.param(lambda: {"until": half_an_hour_on().isoformat()}, id="until-str"),
    ],
)
async def test_a_deadline_bounds_a_run(priced: Workplace, bound: Callable[[], dict[str, Any]]) -> None:
    """A time or a span; with two seconds left, no call is made whose time nobody knows."""
    left: list[float | None] = []
    asked = bound()
    ran = run("m.jsonl", out=priced.run_folder, on_engine=lambda engine: left.append(engine.seconds_left()), **asked)
    result = await ran
    assert left[0] is not None
    expected = 5 if "for_" in asked else 0
    assert result.exit_code == expected
    assert left[0] <= (2 if expected else 1800)
    assert left[0] > (1 if expected else 1700)


async def test_equal_requests_are_bought_once(priced: Workplace) -> None:
    """The answers of the rows that ask the same come out of the iterator like all others."""
    found = [answer async for answer in responses("m.jsonl", out=priced.run_folder, dedupe=True)]
    assert sorted(answer.custom_id for answer in found) == list("abcd")
    assert len(priced.provider.calls) == 3
    assert sum(answer.cost_usd or 0.0 for answer in found) == pytest.approx(21e-6)


async def test_thresholds_go_over_the_catalog(priced: Workplace) -> None:
    """What may fail how often is a number by its name."""
    priced.provider.reply = Counting(30)
    path = priced.folder / "overnight.toml"
    path.write_text(path.read_text() + "[thresholds]\ntimed_out_attempts = 9\n")
    path.write_text(path.read_text().replace("[providers.lab]\n", "[providers.lab]\ntimeout_s = 0.3\n"))
    result = await run("m.jsonl", out=priced.run_folder, thresholds={"timed_out_attempts": 1})
    assert (result.exit_code, result.failed, result.sent) == (3, 4, 4)


async def test_the_engine_is_handed_out_by_both(priced: Workplace) -> None:
    """An iterator's run is paused and watched like any other."""
    engines: list[Engine] = []

    def take(engine: Engine) -> None:
        engines.append(engine)
        engine.pause(True)
        asyncio.get_running_loop().call_later(0.3, engine.pause, False)

    found = [answer async for answer in responses("m.jsonl", out=priced.run_folder, on_engine=take)]
    assert (len(engines), len(found)) == (1, 4)


def test_a_plan_knows_the_bounds(priced: Workplace) -> None:
    """It says whether the cap and the deadline will hold."""
    planned = plan("m.jsonl", out=priced.run_folder, budget=5, for_="8h")
    assert (planned.budget_usd, planned.cap_met, planned.deadline_met) == (5.0, "yes", "yes")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"budget": -1}, "an amount in USD is expected"),
        ({"budget": "much"}, "is no amount in USD"),
        ({"until": datetime(2020, 1, 1)}, "is past"),
        ({"until": "07:00", "for_": "8h"}, "not both"),
        ({"for_": timedelta(0)}, "is no time at all"),
        ({"for_": timedelta(seconds=-5)}, "is not a span of time"),
        ({"thresholds": {"readble_of": 10}}, "unknown threshold 'readble_of'"),
        ({"thresholds": {"readable_of": 0}}, "threshold readable_of"),
    ],
)
async def test_a_bound_that_is_none_is_bad_input(priced: Workplace, wrong: Mapping[str, Any], says: str) -> None:
    """An InputError that says what is wrong; nothing is sent and nothing is made."""
    with pytest.raises(InputError, match=says):
        await run("m.jsonl", out=priced.run_folder, **wrong)
    assert not priced.run_folder.exists()


def test_the_log_says_what_was_chosen(priced: Workplace) -> None:
    """The cap and the choice to ask equal requests once are in the log, so that the next session keeps to them."""
    asyncio.run(run("m.jsonl", out=priced.run_folder, budget=1, dedupe=True))
    said = {one["event"]: one for one in priced.lines(Log.EVENTS)}
    assert said["budget"]["budget"]["run"] == 1
    assert said["dedupe"]["dedupe"] is True
