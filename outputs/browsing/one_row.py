"""One row of a run with all that the log has of it: what was asked, what came back, how that was read.

Lines are found by their numbers, the log is not read for them. Texts are whole, whatever their length; all of them are
what a model, a provider or a manifest wrote, and may be anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl

from outputs.browsing.ancestry import Ancestor, ancestry
from outputs.browsing.asked_words import Message, read_messages
from outputs.browsing.failure_places import FAILURES
from outputs.browsing.item_places import PLACES, find_item
from outputs.browsing.making import browse_table
from outputs.browsing.origins import Origin, origin_of
from outputs.browsing.related import Judgement, Related, Side, Told, read_told
from outputs.browsing.settlements import Answer, FinalFailure, answers_of, attempts_of, failures_of
from outputs.items import Item
from outputs.journal import Log
from outputs.line_by_seq import line_by_seq
from outputs.tables.loading import LoadedRun
from outputs.tables.request_rows import AskedLine
from outputs.tables.score_reading import readers_of
from prompts.input_error import InputError


class WholeLine(AskedLine, frozen=True, kw_only=True):
    """A line of `requests.jsonl` with its body, as JSON."""

    body: msgspec.Raw = msgspec.Raw(b"null")


@dataclass(frozen=True, slots=True)
class RowDetail:
    """A row. `row` has the columns of the table `outcomes`, None where the request was withdrawn. `answers` are all
    that came, `answer` is the one that counts. `sides` are the answers that a judgement is about, in the order in
    which the judge saw them; `judgements` are those of an answer. `ancestry` is that of the template, the seed first.
    `origin` is where an imported row is from.
    """

    line: WholeLine
    state: str
    row: Mapping[str, Any] | None
    messages: tuple[Message, ...]
    attempts: tuple[Mapping[str, Any], ...]
    answers: tuple[Answer, ...]
    failures: tuple[FinalFailure, ...]
    item: Item | None
    sides: tuple[Side, ...]
    judgements: tuple[Judgement, ...]
    ancestry: tuple[Ancestor, ...]
    told: Told
    origin: Origin | None = None

    @property
    def answer(self) -> Answer | None:
        """The answer that counts."""
        return next((one for one in self.answers if one.counts), None)

    @property
    def failure(self) -> FinalFailure | None:
        """The last final failure of a row that has failed."""
        return self.failures[-1] if self.failures and self.state == "failed" else None


def read_row(run: LoadedRun, request: int) -> RowDetail:
    """The row of the request with this seq. Raises InputError where there is none, or the log is damaged; OSError."""
    place = browse_table(run).parent
    raw = line_by_seq(run.folder / Log.REQUESTS.file_name, request)
    try:
        if raw is None:
            return _item_row(run, request)
        line = msgspec.json.decode(raw, type=WholeLine)
        known = run.scan("requests").filter(pl.col("seq") == request).select("state").collect()
        row = run.scan("outcomes").filter(pl.col("request") == request).collect().to_dicts()
        told = read_told(bytes(line.metadata))
        attempts = attempts_of(run, request)
        answers = tuple(answers_of(run, request, readers_of(run.record, run.folder)))
        failures = tuple(failures_of(run, request, place / FAILURES))
        name = told.item if isinstance(told.item, str) else None
        item = None if name is None else find_item(run.folder / Log.ITEMS.file_name, place / PLACES, name)
        related = Related(run, told)
        return RowDetail(
            line, known.item() if known.height else "open", row[0] if row else None,
            read_messages(bytes(line.body)), tuple(attempts), answers, failures, item,
            related.sides(), related.judgements(), ancestry(run, told, place), told,
            origin_of(bytes(line.metadata), *(bytes(one.line.metadata) for one in reversed(answers)),
                      *(one.metadata for one in reversed(failures))),
        )  # fmt: skip
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"the log is damaged at request {request}: {error}", file=run.folder) from None


def _item_row(run: LoadedRun, seq: int) -> RowDetail:
    """The row of an item, of a run that has no requests."""
    raw = None if run.counts.asked else line_by_seq(run.folder / Log.ITEMS.file_name, seq)
    if raw is None:
        raise InputError(f"the run has no request {seq}", file=run.folder)
    item = msgspec.json.decode(raw, type=Item)
    line = WholeLine(seq=seq, custom_id=item.item, provider="", model=item.system)
    return RowDetail(
        line, "answered", None, (), (), (), (), item, (), (), (), Told(), origin_of(item.fields)
    )  # fmt: skip
