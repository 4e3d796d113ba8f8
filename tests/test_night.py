"""Whole nights by batch and online, hours of them in seconds, against a simulator that bills what it answers."""

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.api import run
from orchestrator.session import Result
from outputs.batches import Step
from outputs.fold import fold
from outputs.journal import Log
from outputs.log_reader import read_records
from outputs.records import ResponseLine
from providers.simulator import Simulator, SimulatorSettings
from providers.simulator.stats import Stats
from tests.harness.log_view import answered
from tests.harness.time_lapse import run_in_time_lapse
from tests.harness.workplace import jsonl, line

pytestmark = pytest.mark.long

HOUR = 3600.0
NIGHT = 1_790_000_000.0  # its begin, in seconds since 1970
FACTOR = 20_000
ROWS = 300
ONLINE_USD, BATCH_USD = (2e-6, 4e-6), (1e-6, 2e-6)  # a token in, a token out
CATALOG = """
[providers.lab]
protocol = "{protocol}"
base_url = "{base_url}"
models = ["lab-*"]
[providers.lab.batch]
[providers.lab.prices."lab-*"]
input = 2.0
output = 4.0
batch_input = 1.0
batch_output = 2.0
[providers.lab.facts."lab-*"]
max_output_tokens = 200
"""


@dataclass(frozen=True, slots=True)
class Night:
    """One folder, one simulator; `begun_at` in epoch seconds."""

    folder: Path
    simulator: Simulator
    begun_at: float

    async def session(self, hours: float | None = 8.0, **options: Any) -> Result:
        """`overnight run` with a deadline so many hours ahead, into the same folder each time."""
        return await run(
            self.folder / "m.jsonl",
            out=self.folder / "out",
            config=self.folder / "overnight.toml",
            for_=None if hours is None else timedelta(hours=hours),
            **options,
        )

    @property
    def hours(self) -> float:
        """Since it began."""
        return (time.time() - self.begun_at) / HOUR

    def answers(self) -> list[ResponseLine]:
        return [one for _, one in read_records(self.folder / "out" / Log.RESPONSES.file_name, ResponseLine)]

    def by_batch(self) -> int:
        """How many rows a batch has answered."""
        return sum(one.batch is not None for one in self.answers())


def night(
    folder: Path, main: Callable[[Night], Coroutine[Any, Any, None]], protocol: str = "openai", **settings: Any
) -> None:
    """Let a night go by: `main` is handed a run of `ROWS` rows, and a simulator that is told these settings."""
    (folder / "m.jsonl").write_bytes(jsonl(line(f"r{number}", f"question {number}") for number in range(ROWS)))

    async def whole() -> None:
        told = {"latency_s": 30.0, "record": True, **settings}
        async with Simulator(SimulatorSettings(**told)) as simulator:
            base_url = simulator.base_url if protocol == "openai" else simulator.base_url.removesuffix("/v1")
            (folder / "overnight.toml").write_text(CATALOG.format(base_url=base_url, protocol=protocol))
            await main(Night(folder, simulator, time.time()))

    run_in_time_lapse(whole, FACTOR, NIGHT, longest_s=120.0)


def billed_usd(stats: Stats) -> float:
    """What the server has billed, at the catalog's prices."""
    lines, tokens = stats.batch_billed, (stats.prompt_tokens, stats.completion_tokens)
    by_batch = (lines["prompt_tokens"], lines["completion_tokens"])
    online = sum((all_ - batch) * usd for all_, batch, usd in zip(tokens, by_batch, ONLINE_USD, strict=True))
    return round(online + sum(count * usd for count, usd in zip(by_batch, BATCH_USD, strict=True)), 9)


def require_each_bought_once(night: Night, result: Result) -> None:
    """Every row has one answer, the server billed as many, and the run says what that cost to the billionth."""
    stats = night.simulator.stats
    assert answered(night.folder / "out") == {f"r{number}": 1 for number in range(ROWS)}
    assert (result.exit_code, result.answered, result.failed) == (0, ROWS, 0)
    assert stats.billed == ROWS
    assert set(night.simulator.seen.values()) == {1}
    assert stats.batch_billed["lines"] == night.by_batch()
    assert sum(lane.cost_usd for lane in result.lanes) == pytest.approx(billed_usd(stats), abs=1e-9)
    assert sum(lane.maybe_usd for lane in result.lanes) == 0.0


def test_a_batch_in_time_answers_all_at_its_price(tmp_path: Path) -> None:
    """Where the batch ends hours before the deadline, nothing goes online."""

    async def main(night: Night) -> None:
        result = await night.session(via="auto")
        require_each_bought_once(night, result)
        assert night.by_batch() == ROWS
        assert 2 < night.hours < 8
        assert night.simulator.stats.batches["created"] == 1

    night(tmp_path, main, batch_s=2 * HOUR)


@pytest.mark.parametrize("faults", [{}, {"batch_create_lost": 1.0}, {"batch_poll_error_rate": 0.3}])
def test_a_batch_in_anthropics_form_answers_all(tmp_path: Path, faults: dict[str, Any]) -> None:
    """So does one without a file, whose creation may be lost: it is found by its lines, and not made twice."""

    async def main(night: Night) -> None:
        result = await night.session(via="batch")
        require_each_bought_once(night, result)
        assert night.by_batch() == ROWS
        assert night.simulator.stats.batches["created"] == 1

    night(tmp_path, main, protocol="anthropic", batch_s=2 * HOUR, **faults)


def test_a_batch_that_never_ends_is_topped_up_in_time(tmp_path: Path) -> None:
    """What it has answered when it is cancelled is kept at its price, the rest goes online, all before the deadline."""

    async def main(night: Night) -> None:
        result = await night.session(via="auto")
        require_each_bought_once(night, result)
        assert 0 < night.by_batch() < ROWS
        assert all(one.at <= night.begun_at + 8 * HOUR for one in night.answers())
        assert night.hours > 5  # the batch had its time
        assert night.simulator.stats.batches["cancelled"] == 1

    night(tmp_path, main, batch_s=16 * HOUR, batch_hold=True, batch_cancel_s=300.0)


@pytest.mark.parametrize(
    ("faults", "batches"),
    [
        ({"batch_upload_lost": 1.0}, {1}),
        ({"batch_create_lost": 1.0}, {1}),
        ({"batch_create_refused_rate": 0.5}, {1}),
        ({"batch_poll_error_rate": 0.3}, {1}),
        ({"batch_download_torn": 1.0}, {1}),
        ({"batch_queue_tokens": 1000}, set(range(5, 50))),  # of 3,000 or so: refused whole, then halved
    ],
)
def test_faulty_calls_buy_nothing_twice(tmp_path: Path, faults: dict[str, Any], batches: set[int]) -> None:
    """Lost answers, failing calls, torn files, a queue that is full: all rows are answered by batch, once."""

    async def main(night: Night) -> None:
        result = await night.session(24.0, via="batch")
        require_each_bought_once(night, result)
        assert night.by_batch() == ROWS
        assert night.simulator.stats.batches["created"] in batches

    night(tmp_path, main, batch_s=HOUR, **faults)


def test_lines_that_expire_go_online_in_time(tmp_path: Path) -> None:
    """A batch that ends with a part of its lines expired has these answered online, and they are paid for once."""

    async def main(night: Night) -> None:
        result = await night.session(via="auto")
        require_each_bought_once(night, result)
        assert ROWS / 3 < night.by_batch() < ROWS
        assert night.hours < 8

    night(tmp_path, main, batch_s=2 * HOUR, batch_expire_share=0.4)


def test_a_batch_that_outlives_its_night_is_found_the_next(tmp_path: Path) -> None:
    """With `batch` the deadline leaves it to its provider, and the next session takes in what it answered."""

    async def main(night: Night) -> None:
        first = await night.session(2.0, via="batch")
        assert (first.exit_code, first.answered, first.batches_open) == (5, 0, 1)
        assert 1.9 < night.hours < 2.5
        second = await night.session(None)
        require_each_bought_once(night, second)
        assert night.by_batch() == ROWS
        assert night.simulator.stats.batches["created"] == 1

    night(tmp_path, main, batch_s=4 * HOUR)


def test_a_row_is_bought_again_only_where_that_was_allowed(tmp_path: Path) -> None:
    """A batch that cannot be cancelled in time keeps its rows, unless they may be bought again, which is then told."""

    async def main(night: Night) -> None:
        refused = await night.session(1.5, via="auto")
        assert (refused.exit_code, refused.answered, refused.batches_open, refused.rebought) == (5, 0, 1, 0)
        assert night.simulator.stats.calls == 0
        allowed = await night.session(1.5, via="auto", allow_rebuy=True)
        assert (allowed.exit_code, allowed.answered, allowed.rebought) == (0, ROWS, ROWS)
        assert (night.simulator.stats.calls, night.by_batch()) == (ROWS, 0)
        [lane] = allowed.lanes
        assert lane.maybe_billed == ROWS
        assert lane.maybe_usd > 0

    night(tmp_path, main, latency_s=30.0, batch_s=16 * HOUR, batch_hold=True, batch_cancel_s=12 * HOUR)


def test_every_line_of_a_hostile_batch_is_accounted_for(tmp_path: Path) -> None:
    """Lines dropped, doubled, torn, failed and made up: each row ends answered or explained, none is bought twice."""

    async def main(night: Night) -> None:
        result = await night.session(via="auto")
        assert result.answered + result.failed == ROWS
        assert set(answered(night.folder / "out").values()) == {1}
        stats = night.simulator.stats
        assert stats.batch_lines_seen_twice == 0
        assert stats.billed == result.answered + sum(
            lane.billed_unanswered + lane.maybe_billed for lane in result.lanes
        )
        batches = fold(night.folder / "out").batches.by_seq.values()
        assert {batch.step for batch in batches} == {Step.SETTLED}

    night(
        tmp_path,
        main,
        batch_s=2 * HOUR,
        batch_drop_rate=0.05,
        batch_duplicate_rate=0.05,
        batch_torn_rate=0.05,
        batch_error_rate=0.05,
        batch_throttle_rate=0.05,
        batch_unknown=5,
    )
