"""The job protocol: a job is a small state machine that the engine drives and that does no I/O of its own.

The engine calls `items`, `expected` and `start`, perhaps more than once, then `on_settled` for every settlement in the
order of the log. `start` begins anew each time and is never called after a settlement. The requests that a job yields
depend on its spec, its items, its seed and the answers, never on the clock or on the order of arrival: replaying the
log through a fresh job must yield the same requests, and so must any other order of the same settlements.

What a job writes into a request's `metadata` is carried into the log: `stage` names the stage that the row belongs to.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import msgspec

from outputs.items import Item
from prompts.records import Completion, Outcome


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One call to make. `body` is the JSON object, or its bytes as they stand in a manifest.

    `provider` names one in the catalog; None routes by the model's name. `metadata` is carried into the output.
    """

    custom_id: str
    body: dict[str, Any] | msgspec.Raw
    url: str = "/v1/chat/completions"
    method: str = "POST"
    provider: str | None = None
    metadata: dict[str, Any] | msgspec.Raw | None = None


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was answered. `repeat`: it had been settled before (a retry after a final failure)."""

    seq: int
    custom_id: str
    metadata: dict[str, Any]
    completion: Completion
    repeat: bool = False


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """A request that finally failed; `repeat` as in `Answered`."""

    seq: int
    custom_id: str
    metadata: dict[str, Any]
    kind: str
    message: str
    repeat: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """What a job made of one answer, for watchdogs and coverage."""

    custom_id: str
    outcome: Outcome


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that will follow from answers: about `rows` of them, each much like `request`.

    They are priced by it, and its provider, model and fields are checked, before the first call: so a job names every
    lane that it will ever ask.
    """

    stage: str
    rows: int
    request: Request


class RunReader(Protocol):
    """What a job may read of its run besides the settlement that it is told of, so that it need not keep it."""

    def completion(self, seq: int) -> Completion:
        """The answer that was told, or is being told, as `Answered` with this seq."""

    def item(self, place: int) -> Item:
        """The item that `start` was handed as number `place`, counted from 0."""


class Job(Protocol):
    """An evaluation. Build it from its spec; hand it its items; feed it settlements."""

    name: str
    follows_up: bool  # False where `on_settled` has nothing to say, which spares reading the answers

    def items(self) -> Iterator[Item]:
        """Read the dataset: what the rows are about. Raises `InputError` naming file, line and field."""

    def start(self, items: Iterable[Item]) -> Iterator[Request]:
        """The requests that need no answer first."""

    def expected(self, items: Iterable[Item]) -> Iterable[Expected]:
        """The requests that will follow from answers; none where `start` yields them all."""

    def notes(self) -> tuple[str, ...]:
        """What readers of the results should know, in plain sentences, such as that a judge judges its own answers."""

    def on_settled(self, settled: Answered | Failed, run: RunReader) -> Iterable[Request | Verdict]:
        """Requests and verdicts that follow from one settlement."""
