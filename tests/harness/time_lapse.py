"""A night in seconds: the real engine, real sockets and real threads, under a clock that runs fast while it waits.

While the event loop waits for its timers and connections, its clock runs `factor` times as fast as the real one, and
never past the next timer; while it works, and while it waits for the journal's thread or another, the clock runs as the
real one does. So timers come in their order and on time, however busy the machine is, and its disk takes no time.
`time.time` and `time.monotonic` tell the same clock to whoever asks, in every thread.

What a connection takes to bring something counts `factor` fold: at 2000, a millisecond is 2 s of the night. A call over
loopback is done in a few passes of the loop and takes some tenths of a second, if its server lives in the same loop. It
must: another loop would wait for its timers in real time, and tell them by the fast clock. The journal's 20 ms, for
which answers may wait to be synced, are real: so long an answer may be under way to the job, 40 s of the night.
"""

import asyncio
import gc
import math
import selectors
import sys
import time
import types
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar, TypeVarTuple, Unpack
from unittest.mock import patch

from orchestrator.heartbeat import beat
from outputs.journal import Journal

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_ROOMS = frozenset({"orchestrator", "jobs", "outputs", "providers", "prompts"})
_SHORT_S, _LONG_S = 1e-3, 1.0  # real seconds; the longest is waited where there is no timer
_HEARTBEAT_S = 600.0  # it is for other terminals: every two seconds of a night would cost as much as all the rest
_real_monotonic, _real_time = time.monotonic, time.time


class TimeLapse:
    """The clock, in seconds: `monotonic` goes on from the real one, `time` begins at `start` (seconds since 1970)."""

    def __init__(self, factor: float, start: float) -> None:
        self.factor = factor
        self._begun = _real_monotonic()
        self._ahead = start - self._begun  # of the wall clock before the monotonic one
        self._pace = (self._begun, self._begun, 1.0, math.inf)  # replaced as a whole: threads read it

    def monotonic(self) -> float:
        """As `time.monotonic`."""
        real, told, rate, end = self._pace
        return min(end, told + (_real_monotonic() - real) * rate)

    def time(self) -> float:
        """As `time.time`."""
        return self.monotonic() + self._ahead

    @property
    def real_s(self) -> float:
        """Real seconds since it began."""
        return _real_monotonic() - self._begun

    def hasten(self, timeout_s: float | None) -> None:
        """Run fast from here on, for `timeout_s` at most."""
        told = self.monotonic()
        self._pace = (_real_monotonic(), told, self.factor, math.inf if timeout_s is None else told + timeout_s)

    def slow_down(self, *, at_the_end: bool) -> None:
        """Run as the real clock from here on; `at_the_end`: the time that was to be waited is over."""
        told, end = self.monotonic(), self._pace[3]
        self._pace = (_real_monotonic(), end if at_the_end and end < math.inf else told, 1.0, math.inf)


class _HastySelector(selectors.SelectSelector):
    """Waits a fraction of what it is told to; very short waits are gathered, for each would cost more than it takes."""

    def __init__(self, clock: TimeLapse, longest_s: float) -> None:
        super().__init__()
        self._clock, self._longest_s = clock, longest_s
        self._owed_s = 0.0  # real seconds
        self.threads_work: Callable[[], bool] = lambda: False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        if self._clock.real_s > self._longest_s:
            longest_s, self._longest_s = self._longest_s, math.inf  # once: what is under way must be ended yet
            raise AssertionError(f"the night has not ended after {longest_s:g} real seconds")
        if self.threads_work():
            return super().select(_LONG_S if timeout is None else min(timeout, _LONG_S))
        return self._hasten(timeout)

    def _hasten(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        self._owed_s += _LONG_S if timeout is None else timeout / self._clock.factor
        self._clock.hasten(timeout)
        begun = _real_monotonic()
        ready = super().select(self._owed_s if self._owed_s >= _SHORT_S else 0)
        self._owed_s = max(0.0, self._owed_s - (_real_monotonic() - begun))
        self._clock.slow_down(at_the_end=not ready)
        return ready


class TimeLapseLoop(asyncio.SelectorEventLoop):
    """A loop whose timers are those of the clock. `journals` are those that may be at work in their threads."""

    def __init__(self, clock: TimeLapse, journals: Sequence[Journal] = (), longest_s: float = math.inf) -> None:
        self._lapse, self._journals = clock, journals
        self._in_threads = 0
        selector = _HastySelector(clock, longest_s)
        selector.threads_work = self._threads_work
        super().__init__(selector)

    def time(self) -> float:
        return self._lapse.monotonic()

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> "asyncio.Future[T]":
        doing = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        doing.add_done_callback(self._thread_done)
        return doing

    def _thread_done(self, _: "asyncio.Future[Any]") -> None:
        self._in_threads -= 1

    def _threads_work(self) -> bool:
        return self._in_threads > 0 or any(journal._writing and journal.failure is None for journal in self._journals)


def run_in_time_lapse(
    main: Callable[[], Coroutine[Any, Any, T]],
    factor: float = 2000.0,
    start: float | None = None,
    longest_s: float = 60.0,
) -> T:
    """`asyncio.run(main())`, `factor` times as fast, with all clocks from `start` on (seconds since 1970; by default
    now). A night of more than `longest_s` real seconds is an AssertionError.
    """
    clock = TimeLapse(factor, _real_time() if start is None else start)
    with (
        _told(clock),
        _journals() as journals,
        asyncio.Runner(loop_factory=lambda: TimeLapseLoop(clock, journals, longest_s)) as runner,
    ):
        return runner.run(main())


@contextmanager
def _journals() -> Iterator[list[Journal]]:
    """All that are made meanwhile."""
    made: list[Journal] = []
    begin = Journal.__init__

    def begun(self: Journal, *args: Any, **options: Any) -> None:
        begin(self, *args, **options)
        made.append(self)

    with patch.object(Journal, "__init__", begun):
        yield made


_clock: TimeLapse | None = None


def _monotonic() -> float:
    """The clock in force: whoever keeps this function has the real one again afterwards."""
    return _real_monotonic() if _clock is None else _clock.monotonic()


def _time() -> float:
    return _real_time() if _clock is None else _clock.time()


@contextmanager
def _told(clock: TimeLapse) -> Iterator[None]:
    """All that ask for the time are told this clock's, those too who took a clock when they were defined."""
    global _clock
    assert _clock is None, "one night at a time"
    with ExitStack() as stack:
        stack.enter_context(patch.multiple(time, time=_time, monotonic=_monotonic))
        stack.enter_context(_as_defaults())
        stack.enter_context(patch.object(beat, "__defaults__", (_HEARTBEAT_S, None)))
        if connector := sys.modules.get("aiohttp.connector"):
            stack.enter_context(patch.object(connector, "monotonic", _monotonic))
        _clock = clock
        try:
            yield
        finally:
            _clock = None


@contextmanager
def _as_defaults() -> Iterator[None]:
    """In place of the real clocks where they are the default of a parameter in one of our rooms."""
    ours = [one for one in gc.get_objects() if isinstance(one, types.FunctionType) and _room(one) in _ROOMS]
    before = [(function, function.__defaults__, function.__kwdefaults__) for function in ours]
    for function in ours:
        if _tells(values := function.__defaults__ or ()):
            function.__defaults__ = tuple(map(_fast, values))
        if _tells((by_name := function.__kwdefaults__ or {}).values()):
            function.__kwdefaults__ = {name: _fast(value) for name, value in by_name.items()}
    try:
        yield
    finally:
        for function, defaults, by_keyword in before:
            function.__defaults__, function.__kwdefaults__ = defaults, by_keyword


def _room(function: types.FunctionType) -> str:
    return str(function.__module__).partition(".")[0]


def _tells(values: Iterable[object]) -> bool:
    return any(_fast(value) is not value for value in values)


def _fast(value: object) -> object:
    return _monotonic if value is _real_monotonic else _time if value is _real_time else value
