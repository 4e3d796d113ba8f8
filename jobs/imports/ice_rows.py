"""What ICE's files say of each row: who was asked what, in which template, and what was judged of the answer.

The verdicts are kept as they are (`imported` in a row's metadata), never as a judge's answer, for there is none. The
request is put together from template and question, as the method says; what was sent is not in the files.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs.ice.words import digest
from jobs.imports.ice_files import IceFile, IceRow, Key
from jobs.imports.ice_pairing import TargetFiles
from jobs.imports.rows import origin

SLOT = "{query}"  # where the released templates take the question
PER_TEMPLATE = 50  # questions: what the released runs ask through each template


@dataclass(frozen=True, slots=True)
class AskedRow:
    """A question asked of a target. `iteration` counts the target's templates from 1, in the file's order.

    `imported` says where it is from, and `conflict` and `claim`, each None where nobody told.
    """

    target: str
    iteration: int
    template: str
    query: str
    answer: str
    imported: dict[str, Any]

    @property
    def template_sha256(self) -> str:
        """The digest that tells templates apart, as in runs of our own."""
        return digest(self.template)

    @property
    def asked(self) -> str:
        """The question in the template's slots, or below it where it has none."""
        if SLOT in self.template:
            return self.template.replace(SLOT, self.query)
        return f"{self.template}\n{self.query}"


@dataclass(slots=True)
class _Judged:
    """The rows of a CSV that are still to be met in the raw file."""

    file: IceFile | None
    left: dict[Key, list[IceRow]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for row in reversed(self.file.rows if self.file is not None else ()):
            self.left[row.key].append(row)

    def take(self, key: Key) -> IceRow | None:
        rows = self.left.get(key)
        return rows.pop() if rows else None

    @property
    def unmet(self) -> list[IceRow]:
        return [row for rows in self.left.values() for row in rows]


def rows_of(files: TargetFiles, notes: list[str]) -> list[AskedRow]:
    """The rows of a target in the raw file's order; what the files disagree about goes to `notes`."""
    loose, strict = _Judged(files.loose), _Judged(files.strict)
    asked: list[AskedRow] = []
    unlisted: list[IceRow] = []
    for iteration, rows in enumerate(_iterations(files.raw.rows), 1):
        if len(rows) != PER_TEMPLATE:
            place = f"{files.raw.path}:{rows[0].line}"
            notes.append(f"{files.name}: {len(rows)} rows of a template, not {PER_TEMPLATE}, from {place}")
        for row in rows:
            listed = None if row.conflict is False else loose.take(row.key)
            if row.conflict and files.loose is not None and listed is None:
                unlisted.append(row)
            told = _imported(files, row, listed, strict)
            asked.append(AskedRow(files.name, iteration, row.template, row.query, row.answer, told))
    notes.extend(_disagreements(files, unlisted, loose, strict))
    return asked


def _iterations(rows: Sequence[IceRow]) -> Iterator[list[IceRow]]:
    """Rows of one template, until it changes or a question comes again."""
    block: list[IceRow] = []
    queries: set[str] = set()
    for row in rows:
        if block and (row.template != block[0].template or row.query in queries):
            yield block
            block, queries = [], set()
        block.append(row)
        queries.add(row.query)
    if block:
        yield block


def _imported(files: TargetFiles, row: IceRow, listed: IceRow | None, strict: _Judged) -> dict[str, Any]:
    """The raw file says what conflicts, or else the loose one does; the strict file has the rows that claim."""
    conflict = row.conflict
    if conflict is None and files.loose is not None:
        conflict = listed is not None and listed.conflict is not False
    claimed = strict.take(row.key) if conflict else None
    claim = None
    if conflict and files.strict is not None:
        claim = False if claimed is None else claimed.claim
    told = origin(files.raw.path, row.line, conflict=conflict, claim=claim)
    for name, file, found in (("loose", files.loose, listed), ("strict", files.strict, claimed)):
        if file is not None and found is not None:
            told[name] = origin(file.path, found.line)
    return told


def _disagreements(files: TargetFiles, unlisted: Sequence[IceRow], loose: _Judged, strict: _Judged) -> Iterator[str]:
    raw = files.raw.path
    if unlisted and files.loose is not None:
        yield (
            f"{files.name}: {len(unlisted)} conflicts of {raw} are not in {files.loose.path}, first line "
            f"{unlisted[0].line}; {raw.name} counts"
        )
    for name, judged in (("loose", loose), ("strict", strict)):
        unmet = [row for row in judged.unmet if (row.conflict if name == "loose" else row.claim) is not False]
        if unmet and judged.file is not None:
            yield (
                f"{files.name}: {len(unmet)} rows of {judged.file.path} are no conflicts in {raw}, first line "
                f"{min(row.line for row in unmet)}; {raw.name} counts"
            )
    if files.strict is None:
        yield f"{files.name}: without a strict file, strict and hard are not known"


def repeated_rows(rows: Sequence[AskedRow]) -> int:
    """How many rows have template, question and answer of an earlier one."""
    counts = Counter((row.template, row.query, row.answer) for row in rows)
    return counts.total() - len(counts)
