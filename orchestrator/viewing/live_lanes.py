"""The lanes of a run as a page shows them, each count leading to its rows, and the failures of their attempts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.amounts import amount, duration, short_money
from orchestrator.status import Status
from outputs.browsing.query import parameters
from outputs.fold import LaneTotals

NONE = "–"
Cells = Sequence[str]


@dataclass(frozen=True, slots=True)
class LiveLane:
    """A lane: what the log says of it, and what the process that works on it does. `rate` is answers a second."""

    totals: LaneTotals
    rate: float
    eta_s: float | None
    said: Mapping[str, Any]

    @classmethod
    def of(cls, status: Status, number: int, rates: Mapping[int, float], beat: Mapping[str, Any]) -> "LiveLane":
        """The lane with this number; `beat` is the process's heartbeat."""
        totals = status.lanes[number]
        rate = rates.get(number, 0.0)
        name = name_of(totals)
        said = next((one for one in _dicts(beat.get("lanes")) if one.get("name") == name), {})
        left = totals.open
        eta_s = 0.0 if not left else None if totals.in_batches or rate <= 0 else left / rate
        return cls(totals, rate, eta_s, said)

    def cells(self, alive: bool) -> Cells:
        """A line of the table."""
        lane = self.totals
        return (
            name_of(lane),
            f"{lane.answered:,} of {lane.asked:,}",
            f"{lane.failed:,}",
            count(self.said.get("in_flight")) if alive else NONE,
            f"{self.rate:,.1f}" if alive else NONE,
            (duration(self.eta_s) if lane.open else "done") if alive else NONE,
            _tokens(lane),
            short_money(lane.cost_usd, lane.unpriced),
            "; ".join(texts(self.said.get("limits"))) or NONE,
            self._note() or NONE,
        )

    def links(self) -> Cells:
        """Where its cells lead to, as far as they are counts of rows; "" where they do not."""
        lane = self.totals
        return (
            rows_link(lane=name_of(lane)) if lane.asked else "",
            rows_link(lane=name_of(lane), state="answered") if lane.answered else "",
            rows_link(lane=name_of(lane), state="failed") if lane.failed else "",
        )

    def _note(self) -> str:
        lane = self.totals
        notes = [str(self.said["note"])] if self.said.get("note") else []
        notes += [f"{lane.in_batches:,} in batches"] if lane.in_batches else []
        notes += [f"{lane.by_batch:,} answered by batch"] if lane.by_batch else []
        notes += [f"{lane.duplicates:,} answered as duplicates"] if lane.duplicates else []
        notes += [f"{lane.unpriced:,} answers unpriced"] if lane.unpriced else []
        notes += [f"{lane.billed_unanswered:,} billed without an answer"] if lane.billed_unanswered else []
        return "; ".join(notes)


def _tokens(lane: LaneTotals) -> str:
    """None at all where answers are there: nobody told."""
    if lane.answered and not lane.input_tokens and not lane.output_tokens:
        return NONE
    return f"{amount(lane.input_tokens)} + {amount(lane.output_tokens)}"


def failures_of(lanes: Sequence[LaneTotals]) -> Iterator[tuple[Cells, Cells]]:
    """How attempts failed, a line for each lane and kind; the count leads to the rows that had such an attempt."""
    for lane in lanes:
        for kind, number in sorted(lane.failures.items()):
            link = rows_link(lane=name_of(lane), attempt_failure=kind)
            yield (name_of(lane), kind, f"{number:,}"), ("", "", link)


def rows_link(**filters: str) -> str:
    """The rows with these values, from a run's page."""
    return f"rows?{parameters(filters)}"


def name_of(lane: LaneTotals) -> str:
    """As rows, too, call it."""
    return f"{lane.provider}/{lane.model}"


def count(value: object) -> str:
    """A count that a heartbeat names, which may be anything."""
    return f"{value:,}" if isinstance(value, int) else NONE


def texts(value: object) -> list[str]:
    """A heartbeat may hold anything."""
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
