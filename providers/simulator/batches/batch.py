"""One batch: how it stands follows from the time, which is passed in.

Times are seconds of the simulator's clock. A tenth of a batch's duration goes to validation and a tenth to writing its
files; between these its lines are processed, in order and evenly.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from providers.simulator.batches.fates import Fate
from providers.simulator.batches.records import Form, Line, Problem
from providers.simulator.batches.results import Results

WINDOW_S = 24 * 3600.0  # after which what has not had its turn is expired
_VALIDATION_SHARE = 0.1
_FINALIZING_SHARE = 0.1


class State(StrEnum):
    """How a batch stands, in OpenAI's words."""

    VALIDATING = "validating"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether it stays so."""
        return self in (State.FAILED, State.COMPLETED, State.EXPIRED, State.CANCELLED)


class Asked(msgspec.Struct, frozen=True):
    """What a batch was created with. `name` is its input file's; `path` is where its lines lie."""

    path: Path
    lines: Sequence[Line]
    tokens: int
    form: str
    name: str = ""
    model: str | None = None
    input_file_id: str = ""
    endpoint: str = ""
    metadata: dict[str, str] | None = None


class Counts(msgspec.Struct):
    """Lines by how they ended, and the tokens that were billed. `unrun` are those whose turn never came."""

    succeeded: int = 0
    errored: int = 0
    unrun: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Batch:
    """A batch of the simulator. `wall` is the time since 1970 UTC at `created`."""

    def __init__(
        self,
        id_: str,
        asked: Asked,
        form: Form,
        *,
        created: float,
        wall: float,
        takes_s: float,
        held: bool,
        validates: bool,
        problems: Sequence[Problem],
        results: Results,
    ) -> None:
        validation = takes_s * _VALIDATION_SHARE if validates else 0.0
        self.id = id_
        self.asked = asked
        self.form = form
        self.created = created
        self.validated = created + validation
        self.worked = created + takes_s * (1 - _FINALIZING_SHARE)
        self.ended = math.inf if held else created + takes_s
        self.expires = created + WINDOW_S
        self.cancel_asked: float | None = None
        self.cancelled: float | None = None
        self.problems = list(problems)
        self.results = results
        self.counts = Counts()
        self.fates: list[Fate] | None = None  # drawn once the batch is admitted
        self.processed = 0
        self.looks = 0  # how often somebody asked for it
        self.output_id: str | None = None
        self.error_id: str | None = None
        self._wall = wall - created

    def wall(self, moment: float) -> int:
        """A moment as whole seconds since 1970 UTC."""
        return int(self._wall + moment)

    def exact_wall(self, moment: float) -> float:
        """A moment as seconds since 1970 UTC."""
        return self._wall + moment

    @property
    def end(self) -> float:
        """When it is over; infinite for one that is held and not cancelled."""
        if self.problems and (self.cancelled is None or self.cancelled > self.validated):
            return self.validated
        return min(self.ended, self.expires) if self.cancelled is None else self.cancelled

    @property
    def cut_off(self) -> bool:
        """Whether it ends by its window, and not because all is done."""
        return self.cancelled is None and self.expires < self.ended

    @property
    def expired(self) -> bool:
        """Whether it ends as an expired one."""
        return self.cancelled is None and (self.cut_off or Fate.EXPIRED in (self.fates or ()))

    def state(self, now: float) -> State:
        """How it stands."""
        if now >= self.end:
            return self._last()
        if self.cancelled is not None:
            return State.CANCELLING
        if now < self.validated:
            return State.VALIDATING
        return State.IN_PROGRESS if now < self.worked or math.isinf(self.ended) else State.FINALIZING

    def due(self, now: float) -> int:
        """How many lines have had their moment."""
        if self.fates is None:
            return 0
        moment, count = min(now, self.end), len(self.asked.lines)
        if moment >= self.worked:
            return count
        share = max(0.0, moment - self.validated) / (self.worked - self.validated)
        return min(count, math.floor(share * count + 1e-9))

    def cancel(self, now: float, takes_s: float) -> None:
        """Ask for its end; once is enough."""
        if self.cancelled is None:
            self.cancel_asked, self.cancelled = now, now + takes_s

    def _last(self) -> State:
        if self.end == self.validated and self.problems:
            return State.FAILED
        if self.cancelled is not None:
            return State.CANCELLED
        return State.EXPIRED if self.expired else State.COMPLETED
