"""The files that were released of ICE: all answers of a target, its conflicts, and its conflicts that claim.

- raw, JSON lines: `{"jailbreak_prompt", "query", "target_responses": [text], "eval_results": bool}`, a row a question;
- loose, CSV with those columns: the rows whose answer conflicts with the fact;
- strict, CSV with the column `re_judge` too: those of them in which a second judgement found a claim.

In a CSV the list of answers is written as Python writes a list, or as JSON.
"""

import ast
import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from jobs.table_files import read_rows
from prompts.input_error import InputError

TEMPLATE, QUERY, ANSWERS, CONFLICT, CLAIM = (
    "jailbreak_prompt",
    "query",
    "target_responses",
    "eval_results",
    "re_judge",
)
_TEXTS = (TEMPLATE, QUERY)
_RAW_NAME = re.compile(r"(?:gpt_)?GPT_(?P<target>.+)")
_CSV_NAME = re.compile(r"(?:GPT_)?(?P<target>.+?)_[01](?:\.\d+)?")
_TRUTHS = {"true": True, "false": False, "1": True, "0": False}


class Holds(StrEnum):
    """What a file has."""

    RAW = "raw"
    LOOSE = "loose"
    STRICT = "strict"


Key = tuple[str, str, str]  # template, question, answer


@dataclass(frozen=True, slots=True)
class IceRow:
    """A row of a file. `conflict` and `claim` are None where the file does not say."""

    line: int
    template: str
    query: str
    answer: str
    conflict: bool | None
    claim: bool | None = None

    @property
    def key(self) -> Key:
        """What tells it from others, whatever was judged of it."""
        return self.template, self.query, self.answer


@dataclass(frozen=True, slots=True)
class IceFile:
    """A file as read; `target` is what its name calls the target."""

    path: Path
    holds: Holds
    target: str
    rows: tuple[IceRow, ...] = field(repr=False)


def read_ice_file(path: Path) -> IceFile:
    """A file of any of the three kinds. Raises InputError naming file, line and field."""
    suffix = path.suffix.lower()
    if suffix not in (".jsonl", ".csv"):
        what = "ICE's files are JSON lines (.jsonl: all answers) and CSV (.csv: the loose or the strict ones)"
        raise InputError(what, file=path)
    columns, rows = _rows(path)
    holds = Holds.RAW if suffix == ".jsonl" else Holds.STRICT if CLAIM in columns else Holds.LOOSE
    return IceFile(path, holds, _target(path, holds), tuple(_row(path, line, row, holds) for line, row in rows))


def _rows(path: Path) -> tuple[list[str], Iterator[tuple[int, dict[str, Any]]]]:
    """The columns of the first row, and all rows; a CSV may have none beneath its header."""
    rows = read_rows(path)
    try:
        first = next(rows)
    except InputError as error:
        if path.suffix.lower() != ".csv" or error.line is not None or not (header := _header(path)):
            raise
        return header, iter(())
    return list(first[1]), _chain(first, rows)


def _chain(first: tuple[int, dict[str, Any]], rest: Iterator[tuple[int, dict[str, Any]]]) -> Iterator[Any]:
    yield first
    yield from rest


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
    return header if {*_TEXTS, ANSWERS} <= set(header) else []


def _target(path: Path, holds: Holds) -> str:
    """`gpt_GPT_NAME.jsonl`, `GPT_NAME_0.34.csv`: NAME; else the file's name without its suffix."""
    stem = path.name.removesuffix(path.suffix)
    found = (_RAW_NAME if holds is Holds.RAW else _CSV_NAME).fullmatch(stem)
    return found["target"] if found else stem


def _row(path: Path, line: int, row: dict[str, Any], holds: Holds) -> IceRow:
    for name in (*_TEXTS, ANSWERS, CONFLICT, *((CLAIM,) if holds is Holds.STRICT else ())):
        if name not in row:
            raise InputError("is missing", file=path, line=line, field=name)
    for name in _TEXTS:
        if not isinstance(row[name], str) or not row[name].strip():
            raise InputError("text is expected that says something", file=path, line=line, field=name)
    return IceRow(
        line=line,
        template=row[TEMPLATE],
        query=row[QUERY],
        answer=_answer(path, line, row[ANSWERS]),
        conflict=_truth(path, line, CONFLICT, row[CONFLICT]),
        claim=_truth(path, line, CLAIM, row[CLAIM]) if holds is Holds.STRICT else None,
    )


def _answer(path: Path, line: int, value: Any) -> str:
    found = _listed(value) if isinstance(value, str) else value
    if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], str):
        raise InputError("a list of one answer, which is text, is expected", file=path, line=line, field=ANSWERS)
    answer: str = found[0]
    if any("\ud800" <= character <= "\udfff" for character in answer):
        raise InputError("has half of a surrogate pair, which is no character", file=path, line=line, field=ANSWERS)
    return answer


def _listed(text: str) -> Any:
    """What a list written out is; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _truth(path: Path, line: int, name: str, value: Any) -> bool | None:
    """True or false, also written as 1 and 0, as text, or as a list of one; None where nothing stands there."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or value == "":
        return None
    found = _TRUTHS.get(str(value).strip().lower()) if isinstance(value, str | bool | int) else None
    if found is None:
        raise InputError(f"true or false is expected, not {value!r}", file=path, line=line, field=name)
    return found
