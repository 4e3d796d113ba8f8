"""Sending one call with its time-out: one watch looks at all deadlines now and then, in place of a timer a call."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from orchestrator.http import HttpAnswer, TransportError
from orchestrator.lane import Lane
from providers.wire import Billing, Failure, FailureKind, HttpCall

_NEVER = float("inf")


@dataclass(slots=True)
class Slot:
    """What one worker has in flight; `deadline` in monotonic seconds."""

    task: asyncio.Task[None] | None = None
    deadline: float = _NEVER
    timed_out: bool = False


async def send(lane: Lane, slot: Slot, call: HttpCall) -> HttpAnswer | Failure:
    """The whole answer, or why there is none."""
    timeout_s = lane.provider.timeout_s
    slot.deadline = time.monotonic() + timeout_s
    try:
        return await lane.transport.post(call)
    except TransportError as error:
        return error.failure
    except asyncio.CancelledError:
        if not slot.timed_out or slot.task is None or slot.task.uncancel() > 0:
            raise
        return Failure(FailureKind.TIMED_OUT, Billing.MAYBE, f"no answer in {timeout_s:g} s")
    finally:
        slot.deadline = _NEVER
        slot.timed_out = False


async def watch_time_outs(slots: Iterable[Slot], shortest_s: Callable[[], float]) -> None:
    """Cut off calls that are past their deadline, until cancelled; looks ten times in the shortest time-out."""
    while True:
        await asyncio.sleep(min(0.5, shortest_s() / 10))
        now = time.monotonic()
        for slot in slots:
            if slot.deadline < now and slot.task is not None and not slot.timed_out:
                slot.timed_out = True
                slot.task.cancel()
