"""What the answers of a run will bring: the requests that its job expects, less those that it has derived."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from orchestrator.checking import RequestCheck
from orchestrator.requests_file import NewRow
from orchestrator.standing import standing_items
from outputs.fold import RowFlag, RunState
from outputs.items import Item
from outputs.journal import Log
from outputs.log_reader import read_records
from outputs.records import NO_METADATA, RequestHead

_FEW = 20  # examples of a stage's rows, which are kept while a run goes on


@dataclass(frozen=True, slots=True)
class Following:
    """About `rows` more requests of a stage, each much like `row`."""

    stage: str
    rows: int
    row: NewRow

    @property
    def lane(self) -> tuple[str, str]:
        """Provider and model."""
        return self.row.routed.provider, self.row.routed.model


def to_follow(check: RequestCheck, folder: Path | None = None, state: RunState | None = None) -> Iterator[Following]:
    """What will follow in the run of `folder`; all that will, where there is none yet. Raises InputError as `check`.

    Rows that fail bring nothing, and a search may end early, so that fewer may come.
    """
    if not check.job.follows_up:
        return
    derived: Counter[tuple[str, str, str]] | None = None  # counting them takes a look at every row
    for expected, row in check.expected(None if state is None else _items(check, state)):
        if derived is None:
            derived = Counter() if folder is None or state is None else _derived(folder, state)
        key = (expected.stage, row.routed.provider, row.routed.model)
        there = min(derived[key], expected.rows)
        derived[key] -= there
        if expected.rows > there:
            yield Following(expected.stage, expected.rows - there, row)


def merged(following: Iterable[Following], most: int = _FEW) -> tuple[Following, ...]:
    """The same rows by fewer examples, spread evenly: between `most` and twice as many for each stage of a lane."""
    found: dict[tuple[str, str, str], list[Following]] = {}
    for one in following:
        parts = found.setdefault((one.stage, *one.lane), [])
        parts.append(one)
        if len(parts) > 2 * most:
            pairs = zip_longest(parts[::2], parts[1::2])
            parts[:] = [replace(a, rows=a.rows + (b.rows if b else 0)) for a, b in pairs]
    return tuple(one for parts in found.values() for one in parts)


def by_stage(following: Iterable[Following]) -> Counter[tuple[str, str, str]]:
    """How many rows will follow, by stage, provider and model."""
    count = Counter[tuple[str, str, str]]()
    for one in following:
        count[one.stage, *one.lane] += one.rows
    return count


def _items(check: RequestCheck, state: RunState) -> Iterator[Item] | None:
    """The items of an edited run that it still asks about; None where those that the check reads are the right ones."""
    if check.folder is None or state.sha256 is None:
        return None
    return standing_items(check.folder, state)


def _derived(folder: Path, state: RunState) -> Counter[tuple[str, str, str]]:
    """How many requests were derived and are asked for, by stage, provider and model."""
    count = Counter[tuple[str, str, str]]()
    for row, (_, head) in enumerate(read_records(folder / Log.REQUESTS.file_name, RequestHead)):
        if head.after is not None and row < len(state) and not state.flags[row] & RowFlag.WITHDRAWN:
            count[(head.metadata or NO_METADATA).stage_name, head.provider, head.model] += 1
    return count
