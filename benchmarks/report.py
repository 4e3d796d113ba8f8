"""What a benchmark found: a small table, what was measured with what, and one line for each comparison; or JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """One comparison: `command` was `figure`, beside `baseline`."""

    command: str
    figure: str
    baseline: str
    target: str
    met: bool

    def __str__(self) -> str:
        verdict = "met" if self.met else "MISSED"
        return f"{self.command}: {self.figure} {self.baseline}; target {self.target}: {verdict}"

    def to_json(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in ("command", "figure", "baseline", "target", "met")}


@dataclass(slots=True)
class Report:
    """`numbers` holds what the table rounds, for `--json`."""

    title: str
    headings: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """For a person."""
        lines = [self.title, "", *_table([self.headings, *self.rows]), ""]
        return "\n".join([*lines, *self.notes, *(str(verdict) for verdict in self.verdicts)])

    def json(self) -> str:
        """For a program."""
        document = {
            "title": self.title,
            "numbers": self.numbers,
            "notes": self.notes,
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
        }
        return json.dumps(document, indent=2)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(_cells(row, widths)).rstrip() for row in rows]


def _cells(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(row, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
