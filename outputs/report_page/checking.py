"""Whether a report is what the logs come to: everything is computed anew from them, and held against the page."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec

from outputs.report_page.embedding import block, read_embedded
from outputs.report_page.equality import equal, same_shown, short
from outputs.report_page.making import FORMAT, Say, Wanted, make_report
from outputs.report_page.whole_page import beside_the_parts, carried, rows_carried
from prompts.input_error import InputError


@dataclass(frozen=True, slots=True)
class Checked:
    """How many parts were computed anew, and in words each difference."""

    parts: int
    differences: Sequence[str]


def check_report(page: Path, folders: Sequence[Path], say: Say = lambda _: None) -> Checked:
    """Make the report of `folders` anew from their logs, with the options that `page` was made with, and compare.

    No table of an earlier analysis is used. Raises InputError for what is no report, and where the runs are others.
    """
    text = _read(page)
    kept = _kept(text, page)
    with tempfile.TemporaryDirectory(prefix="overnight-check-") as place:
        made = make_report(folders, _wanted(kept, page), Path(place), say, carried=carried(text))
    anew_text = made.page.decode()
    anew = read_embedded(anew_text, "report-numbers")
    _same_runs(kept, anew, page)
    differences = [
        *_parts(kept["parts"], anew["parts"]),
        *_shown(text, anew_text, anew["parts"]),
        *beside_the_parts(text, anew_text),
        *rows_carried(text, anew_text),
    ]
    return Checked(len(anew["parts"]), list(dict.fromkeys(differences)))


def _read(page: Path) -> str:
    try:
        return page.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=page) from None


def _kept(text: str, page: Path) -> Mapping[str, Any]:
    try:
        kept = read_embedded(text, "report-numbers")
    except InputError as error:
        raise InputError(str(error), file=page) from None
    if not isinstance(kept, dict) or kept.get("format") != FORMAT:
        raise InputError(f"was made by another version of overnight: this one reads format {FORMAT}", file=page)
    return kept


def _wanted(kept: Mapping[str, Any], page: Path) -> Wanted:
    try:
        return msgspec.convert(kept["wanted"], Wanted)
    except (KeyError, msgspec.ValidationError):
        raise InputError("does not say how it was made", file=page) from None


def _same_runs(kept: Mapping[str, Any], anew: Mapping[str, Any], page: Path) -> None:
    if kept.get("runs") != anew["runs"]:
        raise InputError("is of other runs, or of these in another order", file=page)


def _parts(kept: Sequence[Mapping[str, Any]], anew: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Differences in the numbers that the page keeps."""
    before, after = ({part["part"]: part for part in parts} for parts in (kept, anew))
    yield from (f"{name}: is in the logs, and not in the report" for name in after if name not in before)
    yield from (f"{name}: is in the report, and not in the logs" for name in before if name not in after)
    for name in before:
        if name in after:
            yield from _part(name, before[name], after[name])


def _part(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    if before["lines"] != after["lines"] or before["columns"] != after["columns"]:
        was, now = (f"{part['lines']} lines of {part['columns']}" for part in (before, after))
        yield f"{name}: {was} in the report, {now} in the logs"
        return
    for number, (one, other) in enumerate(zip_longest(before["rows"], after["rows"], fillvalue=()), 1):
        for column, was, now in zip_longest(before["columns"], one, other):
            if not equal(was, now):
                yield f"{name}, line {number}, {column}: {short(was)} in the report, {short(now)} in the logs"


def _shown(before: str, after: str, parts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Differences in what a reader sees: tables, drawings, and what is noted of them."""
    sections = dict.fromkeys(f"notes-{part['section']}" for part in parts)
    for name in [*sections, *(f"part-{part['part']}" for part in parts)]:
        one, other = block(before, name), block(after, name)
        if one is None or other is None or not same_shown(one, other):
            kind, _, of = name.partition("-")
            yield f"{of}: {'its notes are' if kind == 'notes' else 'what is shown is'} not what the logs come to"
