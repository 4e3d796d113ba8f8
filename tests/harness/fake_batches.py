"""A batch provider in memory: a client without HTTP, faults as a script, its own bill, and online calls beside it.

All that it knows is in `FakeProvider`, which can be copied: whoever starts anew on the copy meets the provider as it
was. Rows are known by the number in their text (`row 7`); what becomes of the line of each is told by its `fates`.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeVar

import msgspec
import orjson

from providers.batches.wire import BatchCallError, BatchView, Counts, Finding, Looked, Phase, Result, Shard
from providers.wire import Billing, Failure, FailureKind, HttpCall, Usage

T = TypeVar("T")

INPUT_USD, OUTPUT_USD = 1e-6, 2e-6  # a token online; half of it by batch
_NUMBER = re.compile(rb"row ([0-9]+)")
_NOT_BILLED = frozenset({"failed", "throttled", "refused", "key refused", "expired", "skipped", "cancelled"})
_STATUS = {"failed": 500, "throttled": 429, "refused": 400, "key refused": 401}
_FAULTS = {
    "down": Failure(FailureKind.TRANSIENT, Billing.UNBILLED, "out of order", 503),
    "lost": Failure(FailureKind.TIMED_OUT, Billing.MAYBE, "no answer"),
    "never came": Failure(FailureKind.TIMED_OUT, Billing.MAYBE, "no answer"),
    "refused": Failure(FailureKind.ROW_REFUSED, Billing.UNBILLED, "not like this", 400),
    "unknown": Failure(FailureKind.ROW_REFUSED, Billing.UNBILLED, "no such batch", 404),
    "too large": Failure(FailureKind.TOO_LARGE, Billing.UNBILLED, "too large", 413),
    "key refused": Failure(FailureKind.KEY_REFUSED, Billing.UNBILLED, "who are you", 401),
    "queue full": Failure(FailureKind.THROTTLED, Billing.UNBILLED, "the queue is full", 429),
}


def row_in(text: bytes) -> int:
    """The number of the row that a body is of."""
    found = _NUMBER.search(text)
    assert found is not None
    return int(found[1])


def usage_of(row: int) -> Usage:
    """What the answer to a row uses."""
    return Usage(input_tokens=100 + row, output_tokens=10)


def batch_usd(row: int) -> float:
    """What the answer to a row costs by batch."""
    return (usage_of(row).input_tokens * INPUT_USD + usage_of(row).output_tokens * OUTPUT_USD) / 2


def answer_body(row: int) -> bytes:
    """The answer to a row."""
    used = usage_of(row)
    return orjson.dumps(
        {
            "model": "m",
            "choices": [{"message": {"role": "assistant", "content": f"answer {row}"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": used.input_tokens, "completion_tokens": used.output_tokens},
        }
    )


@dataclass(slots=True)
class FakeBatch:
    """One batch at the provider. `lines`: (id, row) of each. `created_at` in epoch seconds."""

    id: str
    key: str
    lines: list[tuple[str, int]]
    created_at: float
    polls_left: float
    status: str = "running"
    queue_full: bool = False
    results: list[Result] = field(default_factory=list)
    counts: Counts | None = None
    used: Usage = field(default_factory=Usage)


@dataclass(slots=True)
class FakeProvider:
    """`script`: by the call's name what befalls it, time after time (a name of `_FAULTS`, or "ok").

    `fates`: by row what becomes of its line, batch after batch; without one it is answered. `queue`: how many rows may
    be in running batches; `refuses_late`: a batch beyond it is created, and refused when it is looked at. `bad_rows`
    have a batch refused before it runs, naming their lines; with `refuses` every batch is. `done_at_cancel`: rows of a
    batch that are answered by the time that it is cancelled. `lists_after_s`: for so long a new batch cannot be found.
    `perhaps`: so many searches are told that it may be there. `twins`: creations that make two batches. `odd_ids`: of
    answers that nobody asked for, where `KEY` is the batch's key. `usage_off`: so many input tokens more are told of a
    batch than it used. `gone`: ids of batches that are not known any more.
    """

    script: dict[str, list[str]] = field(default_factory=dict)
    fates: dict[int, list[str]] = field(default_factory=dict)
    polls: float = 2
    queue: int | None = None
    refuses_late: bool = False
    refuses: bool = False
    bad_rows: frozenset[int] = frozenset()
    done_at_cancel: int = 0
    cancels: bool = True
    lists_after_s: float = 0.0
    perhaps: int = 0
    twins: int = 0
    tells_usage: bool = True
    tells_counts: bool = True
    odd_ids: tuple[str | None, ...] = ()
    usage_off: int = 0
    gone: set[str] = field(default_factory=set)
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    batches: dict[str, FakeBatch] = field(default_factory=dict)
    bought: Counter[int] = field(default_factory=Counter)
    online: Counter[int] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    usd: float = 0.0

    def fault(self, call: str) -> str:
        """What befalls this call; raises BatchCallError where it has no effect."""
        self.calls[call] += 1
        script = self.script.get(call, [])
        what = script.pop(0) if script else "ok"
        if what not in ("ok", "lost"):
            fail(what)
        return what

    def start(self, key: str, lines: bytes) -> FakeBatch:
        """A new batch of these lines."""
        named = [(orjson.loads(line)["id"], row_in(line)) for line in lines.splitlines()]
        made = FakeBatch(f"batch_{len(self.batches) + 1}", key, named, time.time(), self.polls)
        room = self.queue is None or self.queued() + len(named) <= self.queue
        self.batches[made.id] = made
        if self.refuses or not room or self.bad_rows & {row for _, row in named}:
            made.status, made.queue_full = "failed", not room
        return made

    def queued(self) -> int:
        """Rows in running batches."""
        return sum(len(one.lines) for one in self.batches.values() if one.status == "running")

    def work(self, batch: FakeBatch) -> None:
        """One look further on: after the last of its looks it has ended."""
        if batch.status == "running":
            batch.polls_left -= 1
            if batch.polls_left <= 0:
                self._end(batch, len(batch.lines), "completed")

    def cancel(self, batch: FakeBatch) -> None:
        """End it with what is done by now."""
        if batch.status == "running" and self.cancels:
            self._end(batch, self.done_at_cancel, "cancelled")

    def _end(self, batch: FakeBatch, done: int, status: str) -> None:
        completed = 0
        for place, (id_, row) in enumerate(batch.lines):
            fates = self.fates.get(row, [])
            fate = "cancelled" if place >= done else fates[0] if fates else "answered"
            if fate not in ("answered", "cancelled", "refused"):  # what is refused always is
                fates.pop(0)
            if fate not in _NOT_BILLED:
                completed += 1
                self.bought[row] += 1
                self.usd += batch_usd(row)
                batch.used = _plus(batch.used, usage_of(row))
            batch.results += results_of(id_, row, fate)
        for odd in self.odd_ids:
            batch.results.append(Result(odd and odd.replace("KEY", batch.key), 200, answer_body(0)))
        batch.used = _plus(batch.used, Usage(self.usage_off))
        batch.counts = Counts(len(batch.lines), completed, len(batch.lines) - completed)
        batch.status = status

    def view(self, batch: FakeBatch) -> BatchView:
        """It as the provider shows it."""
        phase = {"running": Phase.RUNNING, "failed": Phase.REFUSED}.get(batch.status, Phase.ENDED)
        told = BatchView(batch.id, phase, batch.status, created_at=batch.created_at)
        if phase is Phase.REFUSED:
            bad = {n: "bad" for n, (_, row) in enumerate(batch.lines, 1) if row in self.bad_rows}
            problem = Failure(FailureKind.ROW_REFUSED, Billing.UNBILLED, "these lines cannot be taken")
            return msgspec.structs.replace(told, problem=problem, queue_full=batch.queue_full, bad_lines=bad)
        if phase is Phase.ENDED:
            usage = batch.used if self.tells_usage else None
            counts = batch.counts if self.tells_counts else None
            return msgspec.structs.replace(told, counts=counts, usage=usage, results=(f"file of {batch.id}",))
        return told


def fail(what: str) -> NoReturn:
    """Raise what a fault of the script is."""
    raise BatchCallError(_FAULTS[what], queue_full=what == "queue full")


def results_of(id_: str, row: int, fate: str) -> list[Result]:
    """The lines that a row's fate brings."""
    whole = Result(id_, 200, answer_body(row), f"req-{row}")
    match fate:
        case "answered":
            return [whole]
        case "no usage":
            return [Result(id_, 200, b'{"model":"m","choices":[{"message":{"content":"hi"}}]}')]
        case "dropped" | "skipped":
            return []
        case "torn" | "nameless":
            return [Result(id_ if fate == "torn" else None, body=answer_body(row)[:20], torn=True)]
        case "twice":
            return [whole, whole]
        case "torn and whole":
            return [Result(id_, body=b"{", torn=True), whole]
        case "unreadable":
            return [Result(id_, 200, b"null")]
        case "expired" | "cancelled":
            return [Result(id_, 400, b'{"error":{"message":"no turn"}}', ran=False)]
    error = b'{"error":{"message":"it went wrong"}}'
    return [Result(id_, _STATUS[fate], error)]


@dataclass(slots=True)
class FakeClient:
    """The batch client of a lane at a provider in memory. `on_effect` is called after all that changes something."""

    provider: FakeProvider
    uploads: bool = True
    on_effect: Callable[[], None] = lambda: None

    def line(self, id_: str, url: str, call: HttpCall) -> tuple[str, bytes]:
        return url, b'{"id":%b,"body":%b}' % (orjson.dumps(id_), call.body)

    async def upload(self, shard: Shard) -> str:
        what, id_ = self.provider.fault("upload"), f"file_{len(self.provider.files) + 1}"
        self.provider.files[id_] = (shard.key, shard.path.read_bytes())
        return self._done(what, id_)

    async def find_upload(self, shard: Shard) -> str | None:
        self.provider.fault("find_upload")
        return next((id_ for id_, (key, _) in self.provider.files.items() if key == shard.key), None)

    async def create(self, shard: Shard) -> BatchView:
        provider = self.provider
        if not provider.refuses_late and provider.queue is not None and provider.queued() + shard.rows > provider.queue:
            provider.calls["create"] += 1
            fail("queue full")
        what = provider.fault("create")
        assert not self.uploads or shard.file in provider.files, "a batch is made of a file that was uploaded"
        data = provider.files[shard.file or ""][1] if self.uploads else shard.path.read_bytes()
        made = provider.start(shard.key, data)
        if provider.twins:
            provider.twins -= 1
            provider.start(shard.key, data)
        return self._done(what, provider.view(made))

    async def find(self, shard: Shard) -> Finding:
        self.provider.fault("find")
        if self.provider.perhaps:
            self.provider.perhaps -= 1
            return Finding(Looked.PERHAPS)
        listed = time.time() - self.provider.lists_after_s
        ours = [one for one in self.provider.batches.values() if one.key == shard.key and one.created_at <= listed]
        ours.sort(key=lambda one: one.status == "failed")  # the first that can have run
        if not ours:
            return Finding(Looked.NOT_FOUND)
        others = tuple(one.id for one in ours[1:] if one.status != "failed")
        return Finding(Looked.FOUND, self.provider.view(ours[0]), others)

    async def poll(self, batch_id: str) -> BatchView:
        self.provider.fault("poll")
        if batch_id in self.provider.gone:
            fail("unknown")
        batch = self.provider.batches[batch_id]
        self.provider.work(batch)
        return self._done("ok", self.provider.view(batch))

    async def download(self, batch: BatchView, path: Path) -> None:
        what = self.provider.fault("download")
        results = self.provider.batches[batch.id].results
        path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in results))
        self._done(what, None)

    def results(self, path: Path) -> Iterator[Result]:
        for line in path.read_bytes().splitlines():
            yield msgspec.json.decode(line, type=Result)

    async def cancel(self, batch_id: str) -> None:
        what = self.provider.fault("cancel")
        self.provider.cancel(self.provider.batches[batch_id])
        self._done(what, None)

    async def close(self) -> None:
        return None

    def _done(self, what: str, brought: T) -> T:
        self.on_effect()
        if what == "lost":
            fail(what)
        return brought


@dataclass(slots=True)
class FakeOnline:
    """The transport of a lane: answers each call, and counts it on the provider's bill."""

    provider: FakeProvider
    on_effect: Callable[[], None] = lambda: None

    async def post(self, call: HttpCall) -> tuple[int, Mapping[str, str], bytes]:
        row = row_in(call.body)
        self.provider.online[row] += 1
        self.provider.bought[row] += 1
        self.provider.usd += 2 * batch_usd(row)
        self.on_effect()
        return 200, {}, answer_body(row)

    async def close(self) -> None:
        return None


def _plus(total: Usage, more: Usage) -> Usage:
    return Usage(*(getattr(total, name) + getattr(more, name) for name in Usage.__struct_fields__))
