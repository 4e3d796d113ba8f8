"""An edited manifest, or a changed spec, against a run made before: what is new, changed, or asked for no more.

Memory: some 30 bytes a row for each side, while it lasts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.requests_file import NewRow, row_key
from outputs.fold import RowFlag, RunState
from outputs.journal import Log
from outputs.key_index import KeyIndex
from outputs.log_reader import read_records
from outputs.records import RequestHead

_DERIVED = 2


@dataclass(slots=True)
class Difference:
    """What was asked for anew against what the run has."""

    is_added: bytearray = field(default_factory=bytearray)  # per asked row: 1 where the run does not have it
    added: int = 0
    changed: int = 0  # of those added: the run knows their custom_id with another body
    withdrawn: list[int] = field(default_factory=list)  # rows of the run
    restored: list[int] = field(default_factory=list)  # rows of the run
    unchanged: int = 0

    @property
    def any(self) -> bool:
        return bool(self.added or self.withdrawn or self.restored)

    def __str__(self) -> str:
        parts = (
            (self.changed, "changed"),
            (self.added - self.changed, "new"),
            (max(len(self.withdrawn) - self.changed, 0), "no longer asked for"),
            (len(self.restored), "asked for again"),
            (self.unchanged, "unchanged"),
        )
        return ", ".join(f"{count:,} {what}" for count, what in parts if count)


def compare(folder: Path, state: RunState, asked: Iterable[NewRow]) -> Difference:
    """How the asked rows differ from the run's. Rows that a job derived are left alone."""
    have, have_ids = KeyIndex(), KeyIndex()
    kept = bytearray(len(state))  # 1: asked for now; 2: derived, so none of this comparison's business
    for row, (_, head) in enumerate(read_records(folder / Log.REQUESTS.file_name, RequestHead)):
        have.add(row_key(head.custom_id, head.fingerprint))
        have_ids.add(head.custom_id.encode())
        kept[row] = _DERIVED if head.after is not None else 0
    want, want_ids = KeyIndex(), KeyIndex()
    for asked_row in asked:
        want.add(asked_row.key)
        want_ids.add(asked_row.custom_id.encode())
    found = Difference(is_added=bytearray(b"\x01") * len(want))
    for number, row in want.matches(have):
        found.is_added[number] = 0
        kept[row] = kept[row] or 1
    found.changed = sum(found.is_added[number] for number, _ in want_ids.matches(have_ids))
    found.added = found.is_added.count(1)
    _sort_rows(state, kept, found)
    return found


def _sort_rows(state: RunState, kept: bytearray, found: Difference) -> None:
    for row, flags in enumerate(state.flags):
        if kept[row] == _DERIVED:
            continue
        gone = bool(flags & RowFlag.WITHDRAWN)
        if gone and kept[row]:
            found.restored.append(row)
        elif not gone and not kept[row]:
            found.withdrawn.append(row)
        elif kept[row]:
            found.unchanged += 1
