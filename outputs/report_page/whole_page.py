"""What a page has beside its parts: title, badges, sentences, the spec and the prompts, style, script, and its rows."""

import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from outputs.report_page.embedding import read_embedded
from outputs.report_page.equality import equal, same_shown, short
from prompts.input_error import InputError

_COMPARED = (
    r"<!--begin ([\w-]+)-->.*?<!--end \1-->",
    r'<script type="application/json" id="(report-numbers|report-rows)">.*?</script>',
)
_MADE = re.compile(r'(?<=<p class="faint">Made )\d{4}-\d\d-\d\d \d\d:\d\d(?= UTC by )')
_COMMAND = re.compile(r"(?<=<code>overnight )(view|report --check) [^<]*(?=</code>)")
_WORDS = "the rows it carries"


def carried(page: str) -> int | None:
    """How many rows a page says to carry; None where that cannot be read."""
    rows = _rows(page).get("rows")
    return len(rows) if isinstance(rows, list) else None


def beside_the_parts(before: str, after: str) -> Iterator[str]:
    """The first difference in what stands beside the parts, but for the time and the commands with their folders."""
    for one, other in zip_longest(_beside(before), _beside(after), fillvalue=""):
        if not same_shown(one, other):
            was, now = _where(one, other)
            yield f"the page beside its parts: {short(was)} in the report, {short(now)} in the logs"
            return


def _beside(page: str) -> list[str]:
    for compared in _COMPARED:
        page = re.sub(compared, r"(\1)", page, flags=re.DOTALL)
    return _COMMAND.sub(r"\1", _MADE.sub("", page)).split("\n")


def _where(one: str, other: str) -> tuple[str, str]:
    """Two different lines from a little before where they part."""
    pairs = zip(one, other, strict=False)
    begins = next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
    return one[max(0, begins - 40) :], other[max(0, begins - 40) :]


def rows_carried(before: str, after: str) -> Iterator[str]:
    """Differences in the rows that the page carries, and in how many it says there are."""
    one, other = _rows(before), _rows(after)
    for name in ("columns", "total"):
        if one.get(name) != other[name]:
            yield f"{_WORDS}: {name} {short(one.get(name))} in the report, {short(other[name])} in the logs"
    if not _same_totals(one.get("totals"), other["totals"]):
        yield f"{_WORDS}: how many rows its numbers lead to is not what the logs come to"
    rows = one.get("rows")
    if not isinstance(rows, list) or len(rows) != len(other["rows"]):
        was = len(rows) if isinstance(rows, list) else "none"
        yield f"{_WORDS}: {was} in the report, {len(other['rows'])} from the logs"
        return
    for number, (row, anew) in enumerate(zip(rows, other["rows"], strict=True), 1):
        yield from _row(number, other["columns"], row, anew)


def _row(number: int, columns: list[str], row: Any, anew: list[Any]) -> Iterator[str]:
    if not isinstance(row, list) or len(row) != len(anew):
        yield f"{_WORDS}: row {number} is not whole"
        return
    for column, was, now in zip(columns, row, anew, strict=True):
        if not equal(was, now):
            yield f"{_WORDS}: row {number}, {column}: {short(was)} in the report, {short(now)} in the logs"


def _same_totals(one: Any, other: Mapping[str, int]) -> bool:
    """By the queries, whose numbers may differ in the last digits."""
    if not isinstance(one, dict) or list(one.values()) != list(other.values()):
        return False
    return all(map(same_shown, one, other))


def _rows(page: str) -> dict[str, Any]:
    try:
        kept = read_embedded(page, "report-rows")
    except InputError:
        return {}
    return kept if isinstance(kept, dict) else {}
