"""A provider with limits and the lanes that send to it, in virtual time: what of the limit is used, what is refused.

Simulated: the lanes, their limits and what is decided on a failure are the shipped code; the network, the journal and
the provider's models are not there. The provider's buckets are those of the simulator.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.deciding import Failed, TryAgain, decide
from orchestrator.lane import Lane
from orchestrator.lanes import make_gate
from orchestrator.limits.bucket import TokenGate
from orchestrator.limits.lane_limits import LaneLimits, Told
from orchestrator.limits.pacer import Pacer
from orchestrator.retry import Policies
from providers.wire import Usage
from tests.harness.lanes import make_lane
from tests.harness.rate_case import Case, Seen
from tests.harness.rate_provider import Provider
from tests.harness.virtual_time import run_virtual

BYTES_A_TOKEN = 4


def measure(case: Case) -> Seen:
    """Play a case through; the same case gives the same each time."""
    before = random.getstate()
    random.seed(case.seed)  # tenacity draws from the shared generator
    try:
        return run_virtual(_play(case))
    finally:
        random.setstate(before)


async def _play(case: Case) -> Seen:
    clock = asyncio.get_running_loop().time
    provider = Provider(case, clock)
    processes = [asyncio.create_task(_process(case, provider, process, clock)) for process in range(case.processes)]
    await asyncio.sleep(case.warm_up_s + case.measured_s)
    for process in processes:
        if process.done():
            process.result()
        process.cancel()
    await asyncio.gather(*processes, return_exceptions=True)
    return provider.tally()


async def _process(case: Case, provider: Provider, process: int, clock: Callable[[], float]) -> None:
    await asyncio.sleep(process * case.starts_after_s)
    told = _told(case, clock)
    async with asyncio.TaskGroup() as workers:
        for index in range(process * case.lanes, (process + 1) * case.lanes):
            worker = _worker(case, provider, index, told, clock)
            for _ in range(case.concurrency):
                workers.create_task(worker.run())


def _told(case: Case, clock: Callable[[], float]) -> Told:
    gates = [make_gate(name, value, clock) for name, value in case.told.items()]
    return Told(
        pacers=tuple(gate for gate in gates if isinstance(gate, Pacer)),
        tokens=tuple(gate for gate in gates if isinstance(gate, TokenGate)),
    )


def _worker(case: Case, provider: Provider, index: int, told: Told, clock: Callable[[], float]) -> "_Worker":
    draw = random.Random(f"{case.seed} {index}")
    sizes = _Sizes(case, index, draw)
    limits = LaneLimits(told, case.concurrency, clock=clock, draw=random.Random(f"{case.seed} jitter {index}"))
    lane = make_lane(limits=limits, size_of=sizes.in_bytes, clock=clock, concurrency=case.concurrency)
    rate = (case.rpm or 6000) / 60
    for row in range(int(rate * 3 * (case.warm_up_s + case.measured_s)) + 1000):
        lane.add(row)
    return _Worker(case, provider, index, lane, sizes, draw, clock)


@dataclass(slots=True)
class _Sizes:
    """Prompt tokens by row; a row has its size from when it is first looked at until it is answered."""

    case: Case
    lane: int
    draw: random.Random
    by_row: dict[int, int] = field(default_factory=dict)

    def __getitem__(self, row: int) -> int:
        if row not in self.by_row:
            huge = self.case.huge
            every, tokens = huge if huge is not None else (0, 0)
            drawn = self.draw.randint(*self.case.tokens_of_lane(self.lane))
            self.by_row[row] = tokens if every and row % every == every - 1 else drawn
        return self.by_row[row]

    def in_bytes(self, row: int) -> int:
        return self[row] * BYTES_A_TOKEN + 100


@dataclass(slots=True)
class _Worker:
    case: Case
    provider: Provider
    index: int
    lane: Lane
    sizes: _Sizes
    draw: random.Random
    clock: Callable[[], float]
    policies: Policies = field(default_factory=Policies)

    async def run(self) -> None:
        while (row := await self.lane.take()) is not None:
            await self._call(row)
            self.lane.left()

    async def _call(self, row: int) -> None:
        sent = self.clock()
        await asyncio.sleep(self.draw.uniform(0.001, 0.02))  # the way there
        failure = self.provider.call(self.index, self.sizes[row])
        limits = self.lane.limits
        if failure is not None:
            headers = self.provider.headers()
            await asyncio.sleep(self.draw.uniform(0.01, 0.05))
            now = self.clock()
            limits.refused(row, sent, now, failure.retry_after_s, headers, self.lane.in_flight)
            decision = decide(self.lane, Failed(row, failure, 0, sent), self.policies, now)
            assert isinstance(decision, TryAgain), decision
            self.lane.put_back(row, decision.due)
            return
        await asyncio.sleep(self.draw.uniform(*self.case.latency_s))
        output = self.draw.randint(*self.case.output_tokens)
        self.provider.charge(output)
        usage = Usage(self.sizes.by_row.pop(row), output)
        limits.answered(row, sent, self.clock(), usage, self.provider.headers(), self.lane.in_flight)
        self.lane.throttled_since.pop(row, None)
