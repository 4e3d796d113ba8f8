"""A lane on its own, for tests of what is decided about it."""

import time
from collections.abc import Callable

from orchestrator.budget import Fit, LaneBudget
from orchestrator.lane import Lane
from orchestrator.limits.lane_limits import LaneLimits, Told
from providers.catalog import load_catalog
from providers.protocols.openai import OpenAIAdapter
from providers.wire import HttpCall


class _NoTransport:
    async def post(self, call: HttpCall) -> tuple[int, dict[str, str], bytes]:
        raise AssertionError("nothing is sent here")

    async def close(self) -> None:
        return None


def make_lane(
    *,
    limits: LaneLimits | None = None,
    size_of: Callable[[int], int] = lambda row: 0,
    fit: Callable[[int], Fit] | None = None,
    clock: Callable[[], float] = time.monotonic,
    concurrency: int = 2,
) -> Lane:
    return Lane(
        provider_name="simulator",
        model="m",
        provider=load_catalog().provider("simulator"),
        adapter=OpenAIAdapter("http://127.0.0.1:1/v1", {}),
        transport=_NoTransport(),
        rates=None,
        concurrency=concurrency,
        budget=LaneBudget("simulator/m"),
        limits=limits or LaneLimits(Told(), 1000),
        size_of=size_of,
        fit=fit,
        clock=clock,
    )
