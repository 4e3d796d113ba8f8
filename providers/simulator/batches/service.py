"""All batches of a simulator: creating them, and bringing them up to the moment at which somebody looks.

What happens when is a function of the clock, so it does not matter how often anybody looks. Batches are admitted in
the order in which their validations end: only those that are in the queue then count against its limit.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from providers.simulator.batches.batch import Asked, Batch, State
from providers.simulator.batches.fates import Fate, befalls, draw_fate, duration_s
from providers.simulator.batches.files import Files, Stored
from providers.simulator.batches.processing import answers_of_strangers, process, unrun
from providers.simulator.batches.records import Form, Problem
from providers.simulator.batches.results import Results
from providers.simulator.draws import digest, generator, identifier
from providers.simulator.settings import SimulatorSettings
from providers.simulator.stats import Tally

_LINES_AT_ONCE = 32  # between which other calls have their turn


class Key(msgspec.Struct, frozen=True):
    """What a call is about, and how often a call about it came (from 1): what its draws are keyed by."""

    digest: bytes
    times: int


class Batches:
    """The batches of one simulator, in the order of their creation."""

    def __init__(
        self,
        settings: SimulatorSettings,
        tally: Tally,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.files = Files()
        self._tally = tally
        self._clock = clock
        self._wall = wall
        self._batches: dict[str, Batch] = {}
        self._open: dict[str, Batch] = {}  # those whose results are not written yet
        self._unadmitted: list[Batch] = []
        self._lines_seen: Counter[bytes] = Counter()
        self._calls: Counter[bytes] = Counter()

    @property
    def now(self) -> float:
        return self._clock()

    @property
    def wall_now(self) -> float:
        return self._wall()

    def call(self, what: str, about: bytes) -> Key:
        """Count a call; what it is about and how often that came draws its faults and ids."""
        key = digest(what.encode() + b"/" + about)
        self._calls[key] += 1
        return Key(key, self._calls[key])

    def create(self, key: Key, asked: Asked, form: Form, problems: Sequence[Problem], *, validates: bool) -> Batch:
        """A new batch, from now on."""
        settings = self.settings
        prefix = "batch" if validates else "msgbatch"
        batch = Batch(
            f"{prefix}_{identifier(settings.seed, key.digest, f'batch {key.times}')}",
            asked,
            form,
            created=self.now,
            wall=self.wall_now,
            takes_s=duration_s(settings, key.digest, key.times),
            held=settings.batch_hold,
            validates=validates,
            problems=problems,
            results=Results(self.files.new_path()),
        )
        self._batches[batch.id] = self._open[batch.id] = batch
        self._unadmitted.append(batch)
        return batch

    def linked(self, path: Path) -> Path:
        """Another name of a file, which stays when the file is deleted."""
        link = self.files.new_path()
        os.link(path, link)
        return link

    def get(self, id_: str) -> Batch | None:
        return self._batches.get(id_)

    def newest_first(self, form: str) -> list[Batch]:
        return [batch for batch in reversed(self._batches.values()) if batch.asked.form == form]

    def all(self) -> list[Batch]:
        return list(self._batches.values())

    def look_fails(self, batch: Batch) -> bool:
        """Whether this look at a batch is answered 500; counts it."""
        batch.looks += 1
        key, rate = digest(batch.id.encode()), self.settings.batch_poll_error_rate
        return befalls(self.settings, rate, key, "poll", batch.looks)

    def queued_tokens(self, moment: float) -> int:
        """The tokens of all batches that are admitted and not over at a moment."""
        return sum(
            batch.asked.tokens for batch in self._open.values() if batch.fates is not None and batch.end > moment
        )

    async def settle(self) -> float:
        """Do all that is due by now, and return what now is. Other calls have their turn in between."""
        now = self.now
        for number, _ in enumerate(self._steps(now), 1):
            if number % _LINES_AT_ONCE == 0:
                await asyncio.sleep(0)
        return now

    def settle_at_once(self) -> float:
        """The same without a pause."""
        now = self.now
        for _ in self._steps(now):
            pass
        return now

    def counts(self) -> dict[str, int]:
        """Batches by how they stand; `created` are all."""
        now = self.now
        states = Counter(batch.state(now) for batch in self._batches.values())
        return {
            "created": len(self._batches),
            "running": sum(count for state, count in states.items() if not state.over),
            "completed": states[State.COMPLETED],
            "cancelled": states[State.CANCELLED],
            "expired": states[State.EXPIRED],
            "refused": states[State.FAILED],
        }

    def close(self) -> None:
        """Remove all files; what is due and was not looked at stays undone."""
        self._open.clear()
        self._unadmitted.clear()
        self.files.close()

    def _steps(self, now: float) -> Iterator[None]:
        """One line after the other; whoever else steps meanwhile does no harm, as each looks at what is left."""
        self._admit(now)
        for batch in list(self._open.values()):
            while batch.id in self._open and batch.processed < batch.due(now):
                process(self.settings, self._tally, batch)
                yield
            if batch.id in self._open and now >= batch.end:
                self._finish(batch)

    def _admit(self, now: float) -> None:
        ready = [batch for batch in self._unadmitted if batch.validated <= now]
        self._unadmitted = [batch for batch in self._unadmitted if batch.validated > now]
        for batch in sorted(ready, key=lambda batch: batch.validated):
            if batch.end <= batch.validated and (batch.problems or batch.cancelled is not None):
                continue
            if refused := self._queue_full(batch):
                batch.problems.append(refused)
                continue
            batch.fates = [self._fate(line.body_digest) for line in batch.asked.lines]

    def _fate(self, body_digest: bytes) -> Fate:
        self._lines_seen[body_digest] += 1
        return draw_fate(self.settings, body_digest, self._lines_seen[body_digest])

    def _queue_full(self, batch: Batch) -> Problem | None:
        limit = self.settings.batch_queue_tokens
        if limit is None or batch.asked.form != "openai":
            return None
        if self.queued_tokens(batch.validated) + batch.asked.tokens <= limit:
            return None
        return Problem(
            "token_limit_exceeded",
            f"Enqueued token limit reached for {batch.asked.model} in organization org-simulated. Limit: {limit:,} "
            "enqueued tokens. Please try again once some in_progress batches have been completed.",
        )

    def _finish(self, batch: Batch) -> None:
        """Write the result files of a batch that is over."""
        del self._open[batch.id]
        if batch.fates is not None or batch.cancelled is not None:
            unrun(self.settings, batch)
            answers_of_strangers(self.settings, batch)
            self._write(batch)
        batch.results.discard()
        batch.asked.path.unlink(missing_ok=True)

    def _write(self, batch: Batch) -> None:
        key = digest(batch.id.encode())
        order = list(range(len(batch.results)))
        if self.settings.batch_reorder:
            generator(self.settings.seed, key, "order").shuffle(order)
        if batch.asked.form == "openai":
            batch.output_id = self._result_file(batch, key, order, True)
            batch.error_id = self._result_file(batch, key, order, False)
        else:
            batch.output_id = self._result_file(batch, key, order, None)

    def _result_file(self, batch: Batch, key: bytes, order: Sequence[int], to_answers: bool | None) -> str | None:
        path = self.files.new_path()
        if not batch.results.write(path, order, to_answers):
            return None
        what = "error" if to_answers is False else "output"
        id_ = f"file-{identifier(self.settings.seed, key, what)}"
        name, size = f"{batch.id}_{what}.jsonl", path.stat().st_size
        self.files.add(Stored(id_, name, "batch_output", size, batch.wall(batch.end), path))
        return id_
