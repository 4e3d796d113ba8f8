"""The stored answers and items of a run, for whoever computes with them."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from outputs.fold import RowFlag, fold
from outputs.items import Item
from outputs.journal import Log
from outputs.log_reader import read_records
from outputs.records import EventLine, ResponseLine
from outputs.run_record import RunRecord, read_run_record
from prompts.records import Completion
from providers.adapters import read_completion


class StoredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One answered request, as read back from `responses.jsonl`."""

    seq: int
    custom_id: str
    provider: str
    model: str
    metadata: dict[str, Any]
    completion: Completion


class _ItemFields(msgspec.Struct, frozen=True):
    simulated: Any = None


class _ItemHead(msgspec.Struct, frozen=True):
    fields: _ItemFields = _ItemFields()


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Requests asked for, and how they stand."""

    asked: int
    answered: int
    failed: int


def read_responses(folder: Path) -> Iterator[ResponseLine]:
    """The answers that count, in the order of the log: per request still asked for the last one by seq."""
    state = fold(folder)
    for _, line in read_records(folder / Log.RESPONSES.file_name, ResponseLine):
        row = state.row_of(line.request)
        if row is not None and state.answer_seqs[row] == line.seq and _counts(state.flags[row]):
            yield line


def _counts(flags: int) -> bool:
    return bool(flags & RowFlag.ANSWERED) and not flags & RowFlag.WITHDRAWN


def read_answers(folder: Path) -> Iterator[StoredAnswer]:
    """`read_responses`, with each body normalised by its wire format. Raises InputError where the log is damaged."""
    catalog = read_run_record(folder).catalog
    for line in read_responses(folder):
        yield StoredAnswer(
            seq=line.seq,
            custom_id=line.custom_id,
            provider=line.provider,
            model=line.model,
            metadata=line.metadata or {},
            completion=read_completion(catalog[line.provider]["protocol"], bytes(line.response.body)),
        )


def read_items(folder: Path) -> dict[str, Item]:
    """The items of a run by their id; the last line of an id counts. Empty for a plain manifest."""
    return {item.item: item for item in iterate_items(folder)}


def is_simulated(folder: Path, record: RunRecord) -> bool:
    """Whether the run was made to be simulated, an answer said that it came from a simulator, or its items are such."""
    if record.simulated:
        return True
    events = read_records(folder / Log.EVENTS.file_name, EventLine)
    if any(line.event == "simulated" for _, line in events):
        return True
    return has_simulated_item(folder)


def has_simulated_item(folder: Path, end: int = sys.maxsize) -> bool:
    """Whether an item says that it is simulated; items.jsonl is read up to the offset `end`."""
    items = read_records(folder / Log.ITEMS.file_name, _ItemHead, end)
    return any(item.fields.simulated is True for _, item in items)


def iterate_items(folder: Path) -> Iterator[Item]:
    """The items of a run in the order of the log."""
    for _, line in read_records(folder / Log.ITEMS.file_name, Item):
        yield line


def count_requests(folder: Path) -> RowCounts:
    """How many requests are asked for, answered and finally failed."""
    lanes = fold(folder).lanes
    return RowCounts(sum(x.asked for x in lanes), sum(x.answered for x in lanes), sum(x.failed for x in lanes))
