"""What a run asked for: the requests that still count, with what the job said of each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from outputs.fold import RowFlag, RunState, fold
from outputs.journal import Log
from outputs.log_reader import read_records


class AskedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `stage` and all else that a job says of it is in `metadata`."""

    seq: int
    custom_id: str
    provider: str
    model: str
    metadata: dict[str, Any] | None = None

    @property
    def lane(self) -> str:
        """`provider/model`, as it is asked."""
        return f"{self.provider}/{self.model}"

    @property
    def told(self) -> dict[str, Any]:
        """The metadata; empty where there is none."""
        return self.metadata or {}


def read_asked(folder: Path, state: RunState | None = None) -> Iterator[AskedRow]:
    """The requests of a run in their order, less those that an accepted change took away.

    Raises InputError where the log is damaged.
    """
    state = fold(folder) if state is None else state
    for row, (_, line) in enumerate(read_records(folder / Log.REQUESTS.file_name, AskedRow)):
        if row < len(state) and not state.flags[row] & RowFlag.WITHDRAWN:
            yield line
