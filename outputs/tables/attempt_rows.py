"""The rows of `attempts`: each line before an attempt, joined with the line that settled it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outputs.journal import Log
from outputs.line_at import LinesAt
from outputs.log_reader import read_records
from outputs.records import AttemptLine
from outputs.tables.cells import known, moment, whole
from outputs.tables.parquet import Parts
from outputs.tables.replay import Replay, Settled
from providers.wire import Billing

_UNSETTLED = (None,) * 6
_SUPERSEDED = (None, Billing.MAYBE.value, "killed", None, None, "its process ended: the next attempt began")


@dataclass(frozen=True, slots=True)
class AttemptRows:
    """Reads attempts.jsonl once more, and of its settlements those without an answer."""

    folder: Path
    run: str
    replayed: Replay

    def write(self, attempts: Parts, end: int) -> None:
        """Add all rows. Raises InputError where a line is damaged, OSError where the tables cannot be written."""
        path, state = self.folder / Log.ATTEMPTS.file_name, self.replayed
        number = 0
        with LinesAt(path, AttemptLine) as settlements:
            for _, line in read_records(path, AttemptLine, end):
                row = state.row_of(line.request) if line.settled is None and line.step is None else None
                if row is None:
                    continue
                lane = state.lanes[state.lane_of[row]]
                begun = (self.run, line.seq, line.request, whole(line.attempt), lane.provider, lane.model)
                settlement = self._settlement(number, line.reserved_usd, settlements)
                attempts.add((*begun, moment(line.at), *settlement, whole(line.batch)))
                number += 1

    def _settlement(self, number: int, reserved: float | None, lines: LinesAt[AttemptLine]) -> tuple[Any, ...]:
        """settled_at, settled, kind, status, code, message, reserved_usd and cost_usd."""
        replayed = self.replayed
        match replayed.settled[number]:
            case Settled.ANSWERED:
                at = moment(replayed.settled_at[number])
                return (at, "answered", None, None, None, None, reserved, known(replayed.settled_usd[number]))
            case Settled.WITHOUT_ANSWER:
                line = lines.read(replayed.settled_where[number])
                settled = line.settled or Billing.MAYBE
                cost = 0.0 if settled is Billing.UNBILLED else line.cost_usd
                how = (settled.value, line.kind, whole(line.status), line.code, line.message)
                return (moment(line.at), *how, reserved, cost)
            case Settled.SUPERSEDED:
                return (*_SUPERSEDED, reserved, None)
        return (*_UNSETTLED, reserved, None)
