"""A run under a cap whose `events.jsonl` was cut, and what a killed process leaves beside the log."""

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from orchestrator.control import CONTROL, Adjust
from orchestrator.engine import Engine
from orchestrator.heartbeat import HEARTBEAT, read_heartbeat
from orchestrator.opening import Options, opened
from orchestrator.session import Result, send
from orchestrator.status import read_status
from orchestrator.steering import Steering
from outputs.journal import Log
from outputs.log_reader import read_lines
from outputs.records import EventLine
from tests.harness import log_view
from tests.harness.command import overnight
from tests.harness.loopback import Call, Loopback, Reply, chat_answer
from tests.harness.workplace import jsonl, line

ROWS = {f"row-{number}" for number in range(10)}
CAP_USD = 0.03  # five rows: each is reserved at 0.010 and costs 0.005
KINDS = ("start", "budget", "dedupe", "estimate", "control", "cooldown", "limit_learned", "stop")
BEFORE_THE_CAP = ("start", "budget")  # cut there, the cap is known no more, and so it is given again
_CATALOG = 'protocol = "openai"\nmodels = ["lab-*"]\n[providers.lab.prices."*"]\ninput = 0.0\noutput = 1000.0\n'


class Till:
    """A run of ten rows, half of which fit under its cap, and the server that it pays."""

    def __init__(self, folder: Path, server: Loopback) -> None:
        self.folder, self.server = folder, server
        self.run_folder = folder / "run"
        self.config = folder / "lab.toml"
        self.manifest = folder / "m.jsonl"
        server.reply = self._reply
        self.config.write_text(f'[providers.lab]\nbase_url = "{server.base_url}"\n{_CATALOG}')
        self.manifest.write_bytes(jsonl(line(f"row-{number}", body={"max_tokens": 10}) for number in range(10)))

    @staticmethod
    def _reply(_: Call) -> Reply:
        usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
        return Reply(json.dumps({**chat_answer("Yes."), "usage": usage}).encode())

    def reply_slowly(self, call: Call) -> Reply:
        time.sleep(0.05)
        return self._reply(call)

    async def make(self) -> None:
        """A run with a line of every kind in its events: the last row that fits is refused for speed once."""
        self.server.reply = self._refuse_once
        options = Options(out=self.run_folder, concurrency=1, config=self.config, budget=CAP_USD, dedupe=True)
        with opened(self.manifest, options) as run:
            result = await send(run, options, self._steer)
        self.server.reply = self._reply
        assert (result.exit_code, result.answered, result.held) == (4, 5, 5)

    def _refuse_once(self, call: Call) -> Reply:
        if self.server.texts != [f"row-{number}" for number in range(5)]:
            return self._reply(call)
        return Reply(b'{"error":{"message":"slowly"}}', 429, {"retry-after-ms": "1"})

    @staticmethod
    def _steer(engine: Engine) -> None:
        Steering(engine).handle(Adjust(concurrency=1))

    async def resume(self, budget: float | msgspec.UnsetType = msgspec.UNSET) -> Result:
        options = Options(concurrency=1, config=self.config, budget=budget)
        with opened(self.run_folder, options) as run:
            return await send(run, options)

    async def check_held(self, budget: float | msgspec.UnsetType = msgspec.UNSET) -> None:
        """Nothing is sent under the cap, the answers are kept, and the other rows are still held."""
        self.server.forget()
        result = await self.resume(budget)
        assert (result.exit_code, result.sent, result.held) == (4, 0, 5)
        assert (result.answered, result.budget["settled_usd"]) == (5, 0.025)
        assert self.server.calls == []

    async def check_goes_on(self) -> None:
        """With twice the cap the held rows are sent, and no other."""
        self.server.forget()
        result = await self.resume(2 * CAP_USD)
        assert (result.exit_code, result.answered) == (0, 10)
        assert self.server.texts == [f"row-{number}" for number in range(5, 10)]
        assert log_view.answered(self.run_folder) == Counter(ROWS)


@pytest.fixture
def till(tmp_path: Path, provider: Loopback) -> Till:
    return Till(tmp_path, provider)


@pytest.fixture
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda _: None)  # files are torn by hand here, and nobody cuts the power


def last_of(kind: str, folder: Path) -> tuple[int, int]:
    """(offset, length) of the last event of this kind."""
    path = folder / Log.EVENTS.file_name
    found = [(offset, len(text)) for offset, text in read_lines(path) if _kind(text) == kind]
    assert found, f"the run has no event {kind}"
    return found[-1]


def _kind(text: bytes) -> str:
    return msgspec.json.decode(text, type=EventLine).event


async def tear(till: Till, kind: str, step: int) -> int:
    """Cut the events within the last line of this kind, at every `step`th byte; returns how often."""
    await till.make()
    folder = till.run_folder
    kept = {path: path.read_bytes() for path in folder.glob("*.jsonl")}
    events = folder / Log.EVENTS.file_name
    offset, length = last_of(kind, folder)
    lengths = sorted({*range(offset, offset + length, step), offset + length - 1, offset + length})
    budget = CAP_USD if kind in BEFORE_THE_CAP else msgspec.UNSET
    for end in lengths:
        events.write_bytes(kept[events][:end])
        await till.check_held(budget)
        for path, content in kept.items():
            path.write_bytes(content)
    events.write_bytes(kept[events][: offset + length // 2])
    await till.check_goes_on()
    return len(lengths)


@pytest.mark.usefixtures("no_sync")
@pytest.mark.parametrize("kind", KINDS)
async def test_events_cut_within_a_line_of_any_kind_cost_no_row_and_no_money(till: Till, kind: str) -> None:
    """Wherever an event was cut, a resume sends nothing that was answered, and spends nothing above the cap."""
    assert await tear(till, kind, 97 if kind == "estimate" else 9) > 3


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("no_sync")
@pytest.mark.parametrize("kind", KINDS)
async def test_events_cut_at_any_byte_cost_no_row_and_no_money(till: Till, kind: str) -> None:
    """The same at every byte of the line."""
    assert await tear(till, kind, 1) > 40


async def test_a_cap_is_known_as_soon_as_there_is_a_run(till: Till) -> None:
    """A run that was killed before its first event was on disk goes on under the cap that it was made with."""
    await till.make()
    for log in (Log.EVENTS, Log.ATTEMPTS, Log.RESPONSES):
        (till.run_folder / log.file_name).unlink()
    till.server.forget()
    result = await till.resume()
    assert (result.exit_code, result.answered) == (4, 5)


async def test_what_a_killed_process_leaves_is_in_nobodys_way(till: Till) -> None:
    """A heartbeat cut at any byte and a socket that nobody serves hinder neither `status` nor a resume."""
    till.server.reply = till.reply_slowly
    command = ("run", till.manifest, "--out", till.run_folder, "--config", till.config, "--budget", CAP_USD, "-c", 1)
    async with overnight(*command, "--quiet", folder=till.folder) as child:
        heartbeat, socket = till.run_folder / HEARTBEAT, till.run_folder / CONTROL
        assert await child.until(lambda: heartbeat.exists() and socket.exists() and len(till.server.calls) > 1)
        child.send(signal.SIGKILL)
        await child.exit_code()
    whole = heartbeat.read_bytes()
    assert socket.is_socket()
    for length in range(len(whole)):
        heartbeat.write_bytes(whole[:length])
        heartbeat.with_name(f"{HEARTBEAT}.new").write_bytes(whole[:length])
        assert (read_heartbeat(till.run_folder) is None) == (length < len(whole) - 1)
        assert read_status(till.run_folder).heartbeat is None
    result = await till.resume()
    assert (result.exit_code, result.answered + result.held) == (4, 10)
    assert result.budget["settled_usd"] + result.budget["maybe_usd"] <= CAP_USD
    assert result.budget["maybe_usd"] in (0.0, 0.01)
    assert not heartbeat.exists()
    assert not socket.exists()
