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
from orchestrator.limits.gate import Gate
from orchestrator.limits.lane_limits import LaneLimits, Told
from orchestrator.limits.pacer import Pacer
from orchestrator.retry import Policies
from providers.simulator.limits import Limits, retry_headers
from providers.simulator.settings import SimulatorSettings
from providers.wire import Billing, Failure, FailureKind, Usage
from tests.harness.lanes import make_lane
from tests.harness.virtual_time import run_virtual

BYTES_A_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario. `told`: limits by their catalog names that the client knows beforehand."""

    rpm: float | None = 600.0
    tpm: float | None = 200_000.0
    told: dict[str, float] = field(default_factory=dict)
    headers: bool = True
    retry_after: bool = True
    lanes: int = 1
    processes: int = 1  # each with lanes of its own, which share nothing
    concurrency: int = 256
    latency_s: tuple[float, float] = (0.5, 3.0)
    prompt_tokens: tuple[int, int] = (20, 600)
    output_tokens: tuple[int, int] = (10, 200)
    burst_s: float = 60.0
    change_at_s: float | None = None  # when the limits are multiplied by `change`
    change: float = 1.0
    storm_s: tuple[float, float] | None = None  # all is refused between these
    warm_up_s: float = 120.0
    measured_s: float = 300.0
    seed: int = 0


@dataclass(slots=True)
class Seen:
    """What the provider saw in the measured time. `use` is the share of the limit that binds most."""

    use: float = 0.0
    refused_share: float = 0.0
    accepted: int = 0
    refused: int = 0
    by_lane: list[int] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)  # seconds since the start, over the whole time
    calls: list[float] = field(default_factory=list)


class _Provider:
    def __init__(self, case: Case, clock: Callable[[], float]) -> None:
        self.case, self.clock = case, clock
        self.start = clock()
        settings = SimulatorSettings(rpm=case.rpm, tpm=case.tpm, burst_s=case.burst_s)
        self.limits = Limits(settings, self.start)
        self.changed = False
        self.seen = Seen(by_lane=[0] * (case.lanes * case.processes))
        self.tokens = 0

    def elapsed(self) -> float:
        return self.clock() - self.start

    def measures(self) -> bool:
        return self.case.warm_up_s <= self.elapsed() < self.case.warm_up_s + self.case.measured_s

    def call(self, lane: int, prompt: int) -> Failure | None:
        now, at = self.clock(), self.elapsed()
        self._change(at)
        self.seen.calls.append(at)
        in_storm = self.case.storm_s is not None and self.case.storm_s[0] <= at < self.case.storm_s[1]
        refusal = None if in_storm else self.limits.admit(prompt, now)
        if refusal is None and not in_storm:
            if self.measures():
                self.seen.accepted += 1
                self.seen.by_lane[lane] += 1
                self.tokens += prompt
            return None
        self.seen.refusals.append(at)
        self.seen.refused += self.measures()
        wait_s = 5.0 if refusal is None else refusal.wait_s
        told = float(retry_headers(wait_s)["retry-after-ms"]) / 1000 if self.case.retry_after else None
        return Failure(FailureKind.THROTTLED, Billing.UNBILLED, "too fast", status=429, retry_after_s=told)

    def _change(self, at: float) -> None:
        case = self.case
        if case.change_at_s is not None and at >= case.change_at_s and not self.changed:
            self.changed = True
            rpm, tpm = (None if limit is None else limit * case.change for limit in (case.rpm, case.tpm))
            self.limits = Limits(SimulatorSettings(rpm=rpm, tpm=tpm, burst_s=case.burst_s), self.clock())

    def charge(self, output: int) -> None:
        self.limits.charge(output, self.clock())
        if self.measures():
            self.tokens += output

    def headers(self) -> dict[str, str]:
        return self.limits.headers(self.clock()) if self.case.headers else {}


def measure(case: Case) -> Seen:
    """Play a case through."""
    return run_virtual(_play(case))


async def _play(case: Case) -> Seen:
    clock = asyncio.get_running_loop().time
    provider = _Provider(case, clock)
    tasks: list[asyncio.Task[None]] = []
    for process in range(case.processes):
        told = _told(case, clock)
        for number in range(case.lanes):
            index = process * case.lanes + number
            tasks += _start_lane(case, provider, index, told, clock)
    await asyncio.sleep(case.warm_up_s + case.measured_s)
    return _tally(case, provider)


def _told(case: Case, clock: Callable[[], float]) -> Told:
    gates = [_on(make_gate(name, value), clock) for name, value in case.told.items()]
    return Told(
        pacers=tuple(gate for gate in gates if isinstance(gate, Pacer)),
        tokens=tuple(gate for gate in gates if isinstance(gate, TokenGate)),
    )


def _on(gate: Gate, clock: Callable[[], float]) -> Gate:
    gate._clock = clock  # type: ignore[attr-defined]  # made as the catalog makes it, which gives no clock
    return gate


def _start_lane(
    case: Case, provider: _Provider, index: int, told: Told, clock: Callable[[], float]
) -> list["asyncio.Task[None]"]:
    draw = random.Random(f"{case.seed} {index}")
    sizes: dict[int, int] = {}

    def size_of(row: int) -> int:
        if row not in sizes:
            sizes[row] = draw.randint(*case.prompt_tokens)
        return sizes[row] * BYTES_A_TOKEN + 100

    limits = LaneLimits(told, case.concurrency, clock=clock, draw=random.Random(f"{case.seed} jitter {index}"))
    lane = make_lane(limits=limits, size_of=size_of, clock=clock, concurrency=case.concurrency)
    rate = (case.rpm or 6000) / 60
    for row in range(int(rate * 3 * (case.warm_up_s + case.measured_s)) + 1000):
        lane.add(row)
    worker = _Worker(case, provider, index, lane, sizes, draw, clock)
    return [asyncio.create_task(worker.run()) for _ in range(case.concurrency)]


@dataclass(slots=True)
class _Worker:
    case: Case
    provider: _Provider
    index: int
    lane: Lane
    sizes: dict[int, int]
    draw: random.Random
    clock: Callable[[], float]
    policies: Policies = field(default_factory=Policies)

    async def run(self) -> None:
        while (row := await self.lane.take()) is not None:
            await self._call(row)
            self.lane.left(self.clock())

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
        usage = Usage(self.sizes.pop(row), output)
        limits.answered(row, sent, self.clock(), usage, self.provider.headers(), self.lane.in_flight)
        self.lane.throttled_since.pop(row, None)


def _tally(case: Case, provider: _Provider) -> Seen:
    seen = provider.seen
    minutes = case.measured_s / 60
    change = case.change if provider.changed and (case.change_at_s or 0) <= case.warm_up_s else 1.0
    shares = [0.0]
    if case.rpm is not None:
        shares.append(seen.accepted / (case.rpm * change * minutes))
    if case.tpm is not None:
        shares.append(provider.tokens / (case.tpm * change * minutes))
    seen.use = max(shares)
    seen.refused_share = seen.refused / max(1, seen.refused + seen.accepted)
    return seen
