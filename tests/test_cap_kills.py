"""A cap in USD under kills: a real run, a real server that counts what it billed, and SIGKILL with calls in flight."""

import asyncio
import json
import signal
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from outputs.journal import Log
from outputs.log_reader import read_records
from outputs.records import AttemptLine
from tests.harness import log_view
from tests.harness.billing_server import MODEL, BillingServer, most_usd
from tests.harness.command import overnight, run_to_end

pytestmark = pytest.mark.long

KILLS = 20
IN_FLIGHT = 6
MOST_IN_DOUBT = 0.05  # of the cap: what the kills may leave maybe billed
ROOM = 1.15  # rows in flight at a kill may be larger than the mean
CALLS_PER_LIFE = (40, 160)


@dataclass(slots=True)
class Night:
    """One run under a cap and the server it pays."""

    server: BillingServer
    folder: Path
    random: Random
    cap_usd: float = 0.0
    at_kills: list[int] = field(default_factory=list)  # calls that the server was at work on, per kill

    @property
    def run_folder(self) -> Path:
        return self.folder / "run"

    @property
    def command(self) -> tuple[object, ...]:
        where = ("--out", self.run_folder, "--config", self.folder / "lab.toml")
        return "run", "m.jsonl", *where, "--concurrency", IN_FLIGHT, "--budget", f"{self.cap_usd:.2f}", "--quiet"

    def write_manifest(self, rows: int) -> float:
        """Rows of many sizes; returns the mean of what one may cost at most."""
        most = 0.0
        with (self.folder / "m.jsonl").open("wb") as file:
            for number in range(rows):
                body = self._body(number)
                most += most_usd(orjson.dumps(body), int(body["max_tokens"]))
                line = {"custom_id": f"row-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}
                file.write(orjson.dumps(line) + b"\n")
        return most / rows

    def _body(self, number: int) -> dict[str, Any]:
        text = f"{number} " + "word " * self.random.randint(20, 200)
        messages = [{"role": "user", "content": text}]
        return {"model": MODEL, "max_tokens": self.random.randint(20, 200), "messages": messages}

    async def kill_once(self) -> None:
        """Start the command, and kill it while the server is at work on its calls."""
        wanted = self.server.calls + self.random.randint(*CALLS_PER_LIFE)
        async with overnight(*self.command, folder=self.folder) as child:
            assert await child.until(lambda: self.server.calls >= wanted), child.said()
            await asyncio.sleep(self.random.uniform(0, 0.02))
            assert await child.until(lambda: self.server.in_flight > 0), child.said()
            self.at_kills.append(self.server.in_flight)
            child.send(signal.SIGKILL)
            assert await child.exit_code() == -signal.SIGKILL
        await self.server.until_idle()

    async def status(self) -> dict[str, Any]:
        code, said = await run_to_end("status", self.run_folder, "--json", folder=self.folder)
        assert code == 0, said
        document: dict[str, Any] = json.loads(said)
        return document

    def in_doubt_usd(self) -> float:
        """What the attempts that a kill left open were reserved at."""
        reserved: dict[tuple[int, int], float] = {}
        total = 0.0
        for _, line in read_records(self.run_folder / Log.ATTEMPTS.file_name, AttemptLine):
            if line.settled is None:
                assert line.reserved_usd is not None
                reserved[line.request, line.attempt] = line.reserved_usd
            elif line.kind == "killed":
                total += reserved[line.request, line.attempt]
        return total


def check_cap_held(night: Night, status: dict[str, Any]) -> None:
    """Never more than the cap was billed, nearly all of it was used, and what was billed is what is on record."""
    cap, billed, settled = night.cap_usd, night.server.billed_usd, status["cost_usd"]
    counted = settled + status["maybe_usd"]
    assert settled <= billed + 1e-5 <= counted + 2e-5
    assert billed <= cap
    assert 0.97 * cap <= counted <= cap
    assert billed >= 0.9 * cap
    assert status["caps"]["run"] == cap


@pytest.mark.timeout(180)
async def test_a_cap_holds_through_twenty_kills(tmp_path: Path) -> None:
    """Killed 20 times with calls in flight, a run bills no more than its cap and yet uses it, and holds the rest."""
    async with BillingServer(seed=20) as server:
        night = Night(server, tmp_path, Random(20))
        server.write_catalog(tmp_path / "lab.toml")
        mean_usd = night.write_manifest(4_300)
        night.cap_usd = round(ROOM * KILLS * IN_FLIGHT * mean_usd / MOST_IN_DOUBT, 2)
        for _ in range(KILLS):
            await night.kill_once()
        code, said = await run_to_end(*night.command, folder=tmp_path)
        assert code == 4, said
        status = await night.status()
        print(  # noqa: T201
            f"cap {night.cap_usd}, billed {server.billed_usd / night.cap_usd:.4f} of it, "
            f"settled {status['cost_usd'] / night.cap_usd:.4f}, maybe {status['maybe_usd'] / night.cap_usd:.4f}, "
            f"killed {night.in_doubt_usd() / night.cap_usd:.4f}, {sum(night.at_kills)} in flight, {server.fates}"
        )
        check_cap_held(night, status)
        assert min(night.at_kills) >= 1
        assert 0 < night.in_doubt_usd() <= MOST_IN_DOUBT * night.cap_usd
        assert status["exit_code"] == 4
        assert status["unsent"] > 0
        await _go_on_with_twice_as_much(night, status["unsent"])


async def _go_on_with_twice_as_much(night: Night, held: int) -> None:
    """The held rows are sent once there is money for them, and only they."""
    calls = night.server.calls
    out = ("--config", night.folder / "lab.toml", "--concurrency", IN_FLIGHT)
    code, said = await run_to_end(
        "run", night.run_folder, *out, "--budget", 2 * night.cap_usd, "--json", "--quiet", folder=night.folder
    )
    assert code == 0, said
    result = json.loads(said)
    assert (result["unsent"], result["held"]) == (0, 0)
    assert held <= night.server.calls - calls == result["sent"]
    assert night.server.billed_usd <= 2 * night.cap_usd
    assert set(log_view.answered(night.run_folder).values()) == {1}
