"""The scenarios of `limits.py`, and what each must keep to."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.harness.rate_case import Case

_TOLD = {"rpm": 600.0, "tpm": 200_000.0}
_STORM = (120.0, 1320.0)
_MIX = {
    "rows of all sizes": Case(),
    "requests bind": Case(tpm=None),
    "tokens bind": Case(prompt_tokens=(200, 1500)),
}
_FAST = Case(
    rpm=60_000.0, tpm=None, latency_s=(0.05, 0.3), concurrency=512, warm_up_s=30.0, measured_s=30.0
)  # slow to simulate
_SLOW = Case(latency_s=(20.0, 40.0), concurrency=1024, warm_up_s=240.0)  # eight latencies


@dataclass(frozen=True, slots=True)
class Scenario:
    """A case and its targets. `use`, `share` (of the lane that got least) and `largest` at least; `refused` and
    `back_s` (until full speed after a storm) at most. None: measured, and no target."""

    name: str
    case: Case
    use: float | None = None
    refused: float | None = None
    share: float | None = None
    back_s: float | None = None
    largest: int | None = None  # a row of so many tokens is let in


def scenarios() -> Iterator[Scenario]:
    """All of them."""
    yield from _headers()
    yield from _told()
    yield from _nothing_known()
    yield from _together()
    yield from _changes()
    yield from _oddities()
    yield from _storms()


def _headers() -> Iterator[Scenario]:
    for name, case in _MIX.items():
        yield Scenario(f"headers, {name}", case, use=0.95, refused=0.01)
    yield Scenario("headers, burst of 5 s", Case(burst_s=5.0), use=0.95, refused=0.01)
    yield Scenario("headers, latency 0.05 s", replace(Case(), latency_s=(0.03, 0.07)), use=0.95, refused=0.01)
    yield Scenario("headers, latency 30 s", _SLOW, use=0.95, refused=0.01)
    yield Scenario("headers, 1,000 a second", _FAST, use=0.95, refused=0.01)


def _told() -> Iterator[Scenario]:
    for name, case in _MIX.items():
        told = {"rpm": 600.0} if case.tpm is None else _TOLD
        yield Scenario(f"told, {name}", replace(case, told=told), use=0.98, refused=0.0)
        yield Scenario(f"told, no headers, {name}", replace(case, told=told, headers=False), use=0.98, refused=0.0)
    yield Scenario("told, burst of 5 s", Case(told=_TOLD, burst_s=5.0), use=0.98, refused=0.0)
    yield Scenario("told, latency 30 s", replace(_SLOW, told=_TOLD), use=0.98, refused=0.0)
    yield Scenario("told, 1,000 a second", replace(_FAST, told={"rpm": 60_000.0}), use=0.98, refused=0.0)


def _nothing_known() -> Iterator[Scenario]:
    for name, case in _MIX.items():
        for burst_s in (5.0, 60.0):
            blind = replace(case, headers=False, burst_s=burst_s)
            yield Scenario(f"no headers, {name}, burst of {burst_s:g} s", blind, use=0.9, refused=0.03)
    plain = Case(tpm=None, headers=False)
    yield Scenario("no headers, no Retry-After", replace(plain, retry_after=False), use=0.9, refused=0.03)
    yield Scenario("no headers, burst of 1 s", replace(plain, burst_s=1.0), use=0.9, refused=0.03)
    yield Scenario("no headers, latency 0.05 s", replace(plain, latency_s=(0.03, 0.07)), use=0.9, refused=0.03)
    slow = replace(_SLOW, tpm=None, headers=False, burst_s=1.0)
    yield Scenario("no headers, latency 30 s", slow, use=0.9, refused=0.03)
    for burst_s in (0.1, 1.0, 60.0):
        fast = replace(_FAST, headers=False, burst_s=burst_s)
        yield Scenario(f"no headers, 1,000 a second, burst of {burst_s:g} s", fast, use=0.9, refused=0.03)


def _together() -> Iterator[Scenario]:
    yield Scenario("two lanes, headers", Case(lanes=2), use=0.95, refused=0.01, share=0.4)
    yield Scenario("two lanes, told", Case(lanes=2, told=_TOLD), use=0.98, refused=0.0, share=0.4)
    for name, case in _MIX.items():
        two = replace(case, processes=2)
        yield Scenario(f"two processes, headers, {name}", two, use=0.9, refused=0.02, share=0.4)
        late = replace(two, starts_after_s=120.0, warm_up_s=180.0)
        yield Scenario(f"one process 2 min later, headers, {name}", late, use=0.9, refused=0.02, share=0.4)
        yield Scenario(f"two processes, no headers, {name}", replace(two, headers=False))
    uneven = Case(lanes=2, by_lane=((5_000, 30_000), (20, 100)))
    yield Scenario("huge rows beside small, headers", uneven, use=0.9, refused=0.02, share=0.01)
    yield Scenario("huge rows beside small, told", replace(uneven, told=_TOLD), use=0.95, refused=0.0, share=0.01)


def _changes() -> Iterator[Scenario]:
    """The limit is halved 30 s before the measured time."""
    for name, case in _MIX.items():
        halved = replace(case, change_at_s=90.0, change=0.5)
        yield Scenario(f"halved, headers, {name}", halved, use=0.95, refused=0.01)
        yield Scenario(f"halved, no headers, {name}", replace(halved, headers=False), use=0.9, refused=0.03)
    small = Case(headers=False, burst_s=5.0, change_at_s=90.0, change=0.5)
    yield Scenario("halved, no headers, rows of all sizes, burst of 5 s", small, use=0.9, refused=0.03)
    yield Scenario("halved, told", Case(told=_TOLD, change_at_s=90.0, change=0.5), use=0.95, refused=0.01)


def _oddities() -> Iterator[Scenario]:
    odd = Case(refused_anyway=0.01)
    yield Scenario("1 % refused for no reason, headers", odd, use=0.8, refused=0.02)
    yield Scenario("1 % refused for no reason, told", replace(odd, told=_TOLD), use=0.8, refused=0.02)
    blind = replace(odd, headers=False, tpm=None)
    yield Scenario("1 % refused for no reason, no headers", blind, use=0.6, refused=0.03)
    blind = replace(blind, retry_after=False)
    yield Scenario("1 % refused for no reason, nothing told", blind, use=0.6, refused=0.03)
    huge = Case(huge=(200, 250_000))
    yield Scenario("a row larger than a minute, headers", huge, use=0.7, refused=0.02, largest=250_000)
    yield Scenario(
        "a row larger than a minute, told", replace(huge, told=_TOLD), use=0.7, refused=0.02, largest=250_000
    )
    yield Scenario("windows of a minute, headers", Case(window_s=60.0), use=0.9, refused=0.01)
    yield Scenario("windows of a minute, told", Case(window_s=60.0, told=_TOLD), use=0.9, refused=0.0)
    yield Scenario("windows of a minute, no headers", Case(window_s=60.0, headers=False), use=0.9, refused=0.03)


def _storms() -> Iterator[Scenario]:
    """Twenty minutes of refusals, then three minutes of calm; eight processes."""
    storm = Case(tpm=None, storm_s=_STORM, processes=8, concurrency=64, warm_up_s=_STORM[1], measured_s=180.0)
    yield Scenario("storm, headers", storm, back_s=75.0)
    yield Scenario("storm, told", replace(storm, told={"rpm": 75.0}), back_s=75.0)
    yield Scenario("storm, no headers", replace(storm, headers=False), back_s=75.0)
    yield Scenario("storm, nothing told", replace(storm, headers=False, retry_after=False), back_s=75.0)
    yield Scenario("storm, one process", replace(storm, processes=1, headers=False, retry_after=False), back_s=75.0)
