"""The tasks of a run: its lanes' workers, and what else it starts. Each is awaited; the error of any ends the run."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from orchestrator.attempts import Attempts
from orchestrator.lane import Lane
from orchestrator.sending import Slot


@dataclass(slots=True)
class Workers:
    """`rested` is called whenever calls or tasks have come to an end; `crashed` with the error of a task."""

    attempts: Attempts
    rested: Callable[[], None]
    crashed: Callable[[BaseException], None]
    slots: list[Slot] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def staff(self, lane: Lane) -> None:
        """Start the workers that a lane's rows have use for."""
        while lane.workers < min(lane.concurrency, lane.waiting + lane.in_flight):
            lane.workers += 1
            slot = Slot()
            self.slots.append(slot)
            slot.task = self.spawn(self._work(lane, slot), lane.name)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        """Start a task."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def cancel(self) -> None:
        """Cut off all that is under way."""
        for task in self._tasks:
            task.cancel()

    async def join(self) -> None:
        """Return once every task has ended."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def beside(self, *watches: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """Have these go on for as long as the block does; nobody waits for them."""
        tasks = [asyncio.create_task(watch) for watch in watches]
        for task in tasks:
            task.add_done_callback(self.watch)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def watch(self, task: "asyncio.Task[None]") -> None:
        """A task that ends by an error of ours ends the run: without it, a call or the run might hang."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.crashed(error)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self.watch(task)
        self.rested()

    async def _work(self, lane: Lane, slot: Slot) -> None:
        while True:
            row = lane.take_nowait(time.monotonic())  # a coroutine for each row is worth saving
            if row is None and (row := await lane.take()) is None:
                return
            try:
                await self.attempts.make(lane, slot, row)
            finally:
                lane.left()
                if lane.in_flight == 0:
                    self.rested()
