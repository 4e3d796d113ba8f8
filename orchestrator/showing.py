"""Results and states as a person reads them. Model text and ids are shown without their control characters."""

import shlex
import time
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.amounts import amount, duration, money, short_money
from orchestrator.budget import Caps
from orchestrator.estimates.against_actual import estimate_lines
from orchestrator.session import Result
from orchestrator.showing_batches import show_batches
from orchestrator.status import Status
from outputs.fold import LaneTotals
from prompts.plain_text import plain_text


def show_result(result: Result) -> None:
    """Two lines: what was done, and what to do next."""
    console = Console()
    label = "SIMULATED: " if result.simulated else ""
    cost = _cost(result.lanes)
    line = f"{label}{result.answered:,} of {result.asked:,} answered, {result.failed:,} failed, {cost}; {result.folder}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    if result.outcomes:
        outcomes = ", ".join(f"{count:,} {outcome.value}" for outcome, count in sorted(result.outcomes.items()))
        console.print(f"read: {outcomes}", markup=False, highlight=False)
    if result.rebought:
        what = (
            f"{result.rebought:,} rows were sent again although their batch may have answered them too (--allow-rebuy)"
        )
        console.print(what, markup=False, highlight=False, soft_wrap=True)
    if result.exit_code not in (0, 3):
        reason = plain_text(result.reason)
        console.print(f"stopped: {reason}; {result.unsent:,} left", markup=False, highlight=False, soft_wrap=True)
        if result.batches_open:
            console.print(_still_open(result), markup=False, highlight=False, soft_wrap=True)
        elif result.unsent:
            console.print(f"go on with: overnight run {result.folder}", markup=False, highlight=False, soft_wrap=True)
    elif result.batches_open:
        console.print(_still_open(result), markup=False, highlight=False, soft_wrap=True)
    if result.exit_code == 3:
        console.print(f"failed rows: overnight retry {result.folder}", markup=False, highlight=False, soft_wrap=True)


def _still_open(result: Result) -> str:
    """What goes on without us, and how it is taken in."""
    several = result.batches_open > 1
    what = f"{result.batches_open:,} batches go" if several else "1 batch goes"
    return f"{what} on at the provider: overnight run {result.folder} fetches {'them' if several else 'it'}"


def _cost(lanes: tuple[LaneTotals, ...]) -> str:
    text = money(sum(lane.cost_usd for lane in lanes), sum(lane.unpriced for lane in lanes))
    maybe = sum(lane.maybe_billed for lane in lanes)
    if not maybe:
        return text
    unpriced = sum(lane.maybe_unpriced for lane in lanes)
    most = "unknown" if unpriced == maybe else money(sum(lane.maybe_usd for lane in lanes), unpriced)
    return f"{text}, and {maybe:,} attempt{'s' if maybe > 1 else ''} maybe billed (at most {most})"


def result_json(result: Result) -> dict[str, Any]:
    """A result for `--json`."""
    return {**msgspec.to_builtins(result, enc_hook=str), "unsent": result.unsent}


def show_status(status: Status) -> None:
    """A head line, a table of lanes, and a line of failures for each lane that has some."""
    console = Console()
    label = "SIMULATED: " if status.simulated else ""
    head = f"{label}{status.folder}: {plain_text(_state(status))}"
    console.print(head, markup=False, highlight=False, soft_wrap=True)
    line = (
        f"{status.answered:,} of {_in_all(status)} answered, {status.failed:,} failed, {status.unsent:,} left, "
        f"{status.in_flight:,} in flight, {_in_batches(status)}{_cost(status.lanes)}"
    )
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    for text in _bounds(status):
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("lane", overflow="fold")
    for heading in ("asked", "answered", "failed", "attempts", "tokens\nin", "tokens\nout", "cost"):
        table.add_column(heading, justify="right", no_wrap=True)
    for lane in status.lanes:
        table.add_row(*(Text(plain_text(cell)) for cell in _lane_cells(lane)))
    console.print(table)
    for lane in status.lanes:
        notes = [f"{count:,} {kind}" for kind, count in sorted(lane.failures.items())]
        notes += [f"{lane.unpriced:,} answers unpriced"] if lane.unpriced else []
        notes += [f"{lane.duplicates:,} answered as duplicates"] if lane.duplicates else []
        notes += [f"{lane.by_batch:,} answered by batch"] if lane.by_batch else []
        notes += [f"{lane.in_batches:,} in batches"] if lane.in_batches else []
        notes += [f"{lane.billed_unanswered:,} billed without an answer"] if lane.billed_unanswered else []
        if notes:
            text = plain_text(f"{lane.provider}/{lane.model}: {', '.join(notes)}")
            console.print(text, markup=False, highlight=False, soft_wrap=True)

    show_batches(console, status.batches, time.time())
    for text in _live_notes(status):
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    if status.expected:
        console.print("estimated, against actual:", markup=False, highlight=False)
        for text in estimate_lines(status.expected):
            console.print(plain_text(text), markup=False, highlight=False, soft_wrap=True)


def _in_batches(status: Status) -> str:
    return f"{status.in_batches:,} in batches, " if status.in_batches else ""


def _state(status: Status) -> str:
    """What the run does, or why it stopped."""
    if status.pid is None:
        return status.last_stop or "not running"
    if status.heartbeat is None:
        return f"running (pid {status.pid})"
    if status.silent:
        since = duration(time.time() - status.heartbeat.at)
        return f"running (pid {status.pid}), but nothing was heard of it for {since}: it may be stuck or asleep"
    return f"{status.state} (pid {status.pid})"


def _in_all(status: Status) -> str:
    more = f" (about {status.about:,} in all, as answers bring more)" if status.about > status.asked else ""
    return f"{status.asked:,}{more}"


def _bounds(status: Status) -> list[str]:
    """The caps and the deadline."""
    texts = []
    if status.caps != Caps():
        spent = sum(lane.cost_usd + lane.unpriced_usd for lane in status.lanes)
        maybe = sum(lane.maybe_usd for lane in status.lanes)
        caps = {"run": status.caps.run, **status.caps.providers, **status.caps.models}
        told = ", ".join(f"{name} {money(usd)}" for name, usd in caps.items() if usd is not None)
        texts.append(plain_text(f"budget: {money(spent)} spent, {money(maybe)} maybe billed; caps: {told or 'none'}"))
    if status.heartbeat is not None and status.heartbeat.rest.get("deadline"):
        texts.append(plain_text(f"deadline: {status.heartbeat.rest['deadline']}"))
    return texts


def _live_notes(status: Status) -> list[str]:
    """What the process itself says of its lanes."""
    said = status.heartbeat.rest if status.heartbeat is not None else {}
    lanes = [f"{lane['name']}: {lane['note']}" for lane in said.get("lanes", ()) if lane.get("note")]
    return [plain_text(text) for text in (*lanes, *said.get("stages_paused", ()))]


def _lane_cells(lane: LaneTotals) -> tuple[str, ...]:
    return (
        f"{lane.provider}/{lane.model}",
        f"{lane.asked:,}",
        f"{lane.answered:,}",
        f"{lane.failed:,}",
        f"{lane.attempts:,}",
        amount(lane.input_tokens),
        amount(lane.output_tokens),
        short_money(lane.cost_usd, lane.unpriced),
    )


def steered_line(folder: Path, answer: dict[str, Any]) -> str:
    """How a run stands after a command from another terminal."""
    parts = [f"{answer['in_flight']:,} in flight"]
    if answer["in_batches"]:
        parts.append(f"{answer['in_batches']:,} in batches")
    if answer["held"]:
        parts.append(f"{answer['held']:,} held")
    if answer["stages_paused"]:
        parts.append(f"{len(answer['stages_paused'])} stages paused")
    parts += spent_texts(answer["spent_usd"], answer["maybe_usd"], answer["cap_usd"])
    if answer["deadline"]:
        parts.append(f"until {answer['deadline']}")
    line = f"{folder}: {answer['state']}, {', '.join(parts)}"
    return plain_text(line + cap_words(folder, answer["spent_usd"] + answer["maybe_usd"], answer["cap_usd"]))


def spent_texts(spent_usd: float, maybe_usd: float, cap_usd: float | None) -> list[str]:
    """What is spent, of the cap where there is one; and apart from it what nobody knows. Both count under the cap."""
    spent = f"{money(spent_usd)} spent" if cap_usd is None else f"{money(spent_usd)} of {money(cap_usd)} spent"
    return [spent, f"{money(maybe_usd)} maybe billed"] if maybe_usd else [spent]


def cap_words(folder: Path, spent_usd: float, cap_usd: float | None) -> str:
    """What follows where a cap is used up; empty where it is not."""
    if cap_usd is None or spent_usd < cap_usd:
        return ""
    again = f"overnight run {shlex.quote(str(folder))} --budget USD"
    return (
        f"; the budget is used up: only what costs nothing is still sent, then the run ends, and goes on with: {again}"
    )
