"""Steering a run from its page: it does what commands do, and says what they say."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from orchestrator.showing import steered_line
from orchestrator.viewing import live as live_runs
from tests.harness.attended import Counting, attended
from tests.harness.command import run_to_end
from tests.harness.priced import put_prices
from tests.harness.viewed import Served, served, some_run
from tests.harness.workplace import Workplace, line


@pytest.fixture(autouse=True)
def always_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page looks at the log; else one may be shown what another saw a moment ago."""
    monkeypatch.setattr(live_runs, "_FRESH_S", 0.0)


async def live(server: Served, run: int = 0) -> dict[str, Any]:
    """What a page is updated with."""
    found: dict[str, Any] = json.loads(await server.read(f"r/{run}/live.json"))
    return found


@pytest.fixture
def slow(work: Workplace) -> Counting:
    """A provider that takes a twentieth of a second for a call."""
    work.provider.reply = counting = Counting()
    return counting


async def until(server: Served, wanted: str) -> dict[str, Any]:
    """Look again and again until the page says that the run is in this state."""
    async with asyncio.timeout(20):
        while (found := await live(server))["state"] != wanted:
            await asyncio.sleep(0.1)
    return found


async def test_a_run_is_watched_and_steered(work: Workplace, slow: Counting) -> None:
    """Each button does what its command does, and the page shows what the run says of itself, to its end."""
    work.write([line(f"r{number}") for number in range(400)])
    async with attended(work, "-c", 2, "--quiet") as run:
        await run.listens()
        async with served(work.run_folder) as server:
            found = await until(server, "sending")
            assert found["done"] == {"pause": True, "unpause": False, "stop": True, "set": True}
            assert (await server.do({"do": "pause"})).json["ok"]
            found = await until(server, "paused")
            assert found["done"]["unpause"]
            reply = await server.do({"do": "set", "concurrency": "7", "span": "2h"})
            assert "until 20" in reply.json["said"]
            await run.says(lambda beat: beat.get("concurrency") == 7)
            assert re.search("in (2h00m|1h59m)$", (await until(server, "paused"))["facts"]["deadline"])
            assert (await server.do({"do": "unpause"})).json["ok"]
            found = await until(server, "sending")
            assert "in flight" in found["tables"]["lanes"][0][8]
            assert (await server.do({"do": "stop"})).json["ok"]
            assert await run.child.exit_code() == 130
            found = await until(server, "stopped")
            assert found["facts"]["answered"] == f"{run.answered()} of 400"
            reply = await server.do({"do": "pause"})
            assert reply.status == 400
            assert f"overnight run {work.run_folder}" in reply.json["error"]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"do": "dance"}, "do: Invalid enum value"),
        ({"do": "set"}, "nothing to change: fill in at least one field"),
        ({"do": "set", "budget": "lots"}, "Budget: 'lots' is no amount"),
        ({"do": "set", "until": "25:99"}, "Until: '25:99' is not a time"),
        ({"do": "set", "until": "07:00", "span": "8h"}, "'Until' or 'or for', not both"),
        ({"do": "set", "span": "soon"}, "or for: 'soon' is not a span"),
        ({"do": "set", "concurrency": "many"}, "In flight per lane: 'many' is no whole number"),
        ({"do": "set", "concurrency": "0"}, "In flight per lane: '0' is no whole number from 1 on"),
        ({"do": "set", "limit": "lab.rpm=9, tpm"}, "Limit: 'tpm' is not PROVIDER.LIMIT=NUMBER"),
        ({"do": "set", "limit": "rpm"}, "Limit: 'rpm' is not PROVIDER.LIMIT=NUMBER"),
        ({"do": "stop", "folder": "/"}, "folder: unknown key"),
        ("stop", "Expected `object`"),
        ({"do": "stop", "cancel_batches": True}, "no process works on it"),
        ({"do": "unpause"}, "no process works on it"),
    ],
)
async def test_a_command_that_cannot_be_is_refused_in_words(tmp_path: Path, asked: object, why: str) -> None:
    """As the command line says it, but of the fields of the page and not of its options."""
    log = some_run(tmp_path / "night")
    async with served(log.folder) as server:
        reply = await server.do(asked)
    assert "--budget" not in reply.text
    assert "--until" not in reply.text
    assert (reply.status, reply.json["ok"]) == (400, False)
    assert why in reply.json["error"]


async def test_a_cap_below_what_is_spent_is_answered_with_what_follows(work: Workplace, slow: Counting) -> None:
    """The page says what the command says, and both speak of the same money as the page's facts."""
    put_prices(work)
    work.write([line(f"r{number}") for number in range(400)])
    async with attended(work, "-c", 1, "--budget", 5, "--quiet") as run:
        await run.calls(3)
        async with served(work.run_folder) as server:
            await server.do({"do": "pause"})
            await run.says(lambda beat: beat.get("state") == "paused" and beat.get("in_flight") == 0)
            assert "used up" not in (await server.do({"do": "set", "budget": "4"})).json["said"]
            reply = (await server.do({"do": "set", "budget": "0.000001"})).json["said"]
            found = await live(server)
            code, said = await run_to_end("set", work.run_folder, "--budget", "0.000001", folder=work.folder)
        assert (code, said.strip()) == (0, reply)
        assert reply.endswith(
            "; the budget is used up: only what costs nothing is still sent, then the run ends, and goes on with: "
            f"overnight run {work.run_folder} --budget USD"
        )
        assert f", {found['facts']['spent']} spent;" in reply
        assert found["facts"]["cap"].endswith(", used up")
        assert run.command("stop").code == 0


def test_what_may_have_been_billed_stands_apart_from_what_is_spent(tmp_path: Path) -> None:
    """In the answer to a command as on the page; under the cap both count."""
    answer = {
        "state": "sending", "in_flight": 0, "in_batches": 0, "held": 0, "stages_paused": [], "deadline": None,
        "spent_usd": 3.0, "maybe_usd": 1.0, "cap_usd": 8.0,
    }  # fmt: skip
    assert steered_line(tmp_path, answer).endswith(", $3.00 of $8.00 spent, $1.00 maybe billed")
    assert "the budget is used up" in steered_line(tmp_path, {**answer, "cap_usd": 4.0})
    assert "the budget is used up" not in steered_line(tmp_path, {**answer, "cap_usd": None})
