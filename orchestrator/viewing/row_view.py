"""One row as its page shows it: every text cut to what a page holds, every number written as people read it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from orchestrator.amounts import dollars
from orchestrator.viewing.bars import bars_of
from orchestrator.viewing.compared_texts import pairs_of, steps_of
from orchestrator.viewing.excerpts import Sheet, laid_out, short
from outputs.browsing.asked_words import Message, Part
from outputs.browsing.one_row import RowDetail
from outputs.browsing.origins import Origin
from outputs.browsing.related import Judgement
from outputs.browsing.settlements import Answer, Score
from outputs.items import Item
from prompts.records import Outcome
from providers.wire import Billing

NONE = "–"
_LONGEST_REASON = 2000
_MOST_MESSAGES, _MOST_PARTS = 100, 100
_MOST_LINES = 200  # of a table
_MOST_REFERENCES = 40
_JUDGED = {"conflict": "conflict (loose)", "claim": "claim (strict)"}
_FOUND = {True: "yes", False: "no", None: "n/a"}


def view_of(detail: RowDetail) -> dict[str, Any]:
    """What the template is given of a row."""
    sheet = Sheet()
    answer = detail.answer
    return {
        "name": short(detail.line.custom_id, 300) or f"request {detail.line.seq}",
        "state": detail.state,
        "outcome": None if answer is None or answer.parsed is None else answer.parsed.outcome.value,
        "why": why_of(detail),
        "facts": [(label, short(value)) for label, value in _facts(detail) if value],
        **_answer_view(answer, sheet),
        "pairs": pairs_of(detail.sides, sheet),
        "ancestry": steps_of(detail.ancestry, sheet),
        "judgements": [_judgement(one) for one in detail.judgements[:_MOST_LINES]],
        "origin": None if detail.origin is None else _origin(detail.origin),
        "item": None if detail.item is None else _item(detail.item, sheet),
        "messages": [_message(one, sheet) for one in detail.messages[:_MOST_MESSAGES]],
        "more_messages": max(0, len(detail.messages) - _MOST_MESSAGES),
        "attempts": [_attempt(one) for one in detail.attempts[-_MOST_LINES:]],
        **_raw_view(detail, sheet),
    }


def why_of(detail: RowDetail) -> str:
    """Why a row has no score, or no answer: empty where there is nothing to say."""
    if (failure := detail.failure) is not None:
        return short(f"{failure.code}: {failure.message}", _LONGEST_REASON)
    parsed = None if detail.answer is None else detail.answer.parsed
    return "" if parsed is None or parsed.outcome is Outcome.OK else short(parsed.reason or "", _LONGEST_REASON)


def _facts(detail: RowDetail) -> Iterator[tuple[str, str]]:
    line, told, answer, row = detail.line, detail.told, detail.answer, detail.row or {}
    yield "asked of", f"{line.provider}/{line.model}" if line.provider else line.model
    yield "stage", _words(told.stage)
    yield "item", _words(told.item)
    yield "dataset", _words(row.get("dataset"))
    yield "judged", _words(told.model) if detail.sides else ""
    yield "cost", _cost(detail) if row else ""
    yield from _answer_facts(detail, answer)
    yield "attempts", f"{row['attempts']:,}" if row else ""
    yield "seq of the request" if line.provider else "seq of the item", f"{line.seq}"
    yield "follows from seq", "" if line.after is None else f"{line.after}"
    yield "fingerprint", line.fingerprint or ""


def _cost(detail: RowDetail) -> str:
    """What was billed, and what was perhaps billed: of an attempt that nobody knows of, its reservation counts."""
    row = detail.row or {}
    elsewhere = detail.origin is not None and detail.state == "failed" and not detail.attempts
    cost = "n/a" if elsewhere else _usd(row.get("cost_usd"))
    most = [one["reserved_usd"] for one in detail.attempts if one["settled"] in (None, Billing.MAYBE)]
    if not most:
        return cost
    return f"billed {cost}, maybe billed {'n/a' if None in most else f'at most {dollars(sum(most))}'}"


def _answer_facts(detail: RowDetail, answer: Answer | None) -> Iterator[tuple[str, str]]:
    if answer is None:
        return
    line, usage = answer.line, answer.line.usage
    called = line.duplicate_of is None  # a duplicate took no call
    yield "latency", "n/a" if line.latency_s is None or not called else f"{line.latency_s:,.2f} s"
    if usage is not None:
        yield "tokens", f"{usage.input_tokens:,} in, {usage.output_tokens:,} out"
    yield "finished", _words(answer.completion.finish_reason)
    yield "landed", moment(line.at)
    yield "came by", f"batch {line.batch}" if line.batch is not None else ""
    yield "repeats the answer to", "" if line.duplicate_of is None else f"request {line.duplicate_of}"
    yield "seq of the answer", f"{line.seq}"
    yield "answers in all", f"{len(detail.answers)}, this one counts" if len(detail.answers) > 1 else ""


def _answer_view(answer: Answer | None, sheet: Sheet) -> dict[str, Any]:
    if answer is None:
        return {"answer": None, "refused": False, "scores": [], "tokens": []}
    said = answer.completion
    text = said.text if said.text is not None else said.refusal
    return {
        "answer": None if text is None else sheet.excerpt(text),
        "refused": said.text is None and said.refusal is not None,
        "scores": [_score(one) for one in answer.scores[:_MOST_LINES]],
        "tokens": [bars_of(short(one.dimension), one.token) for one in answer.scores[:40] if one.token is not None],
    }


def _score(one: Score) -> dict[str, str]:
    return {
        "dimension": short(one.dimension),
        "value": f"{one.value:.4f}",
        "sampled": f"{one.sampled}",
        "mass": "n/a" if one.mass is None else f"{one.mass:.4f}",
        "mode": one.mode.replace("_", " "),
    }


def _judgement(one: Judgement) -> dict[str, str]:
    scores = ", ".join(f"{short(name, 40)} {value:.3f}" for name, value in list(one.scores.items())[:20])
    told = [
        short(one.outcome or NONE),
        "as the reference" if one.as_reference else "",
        "swapped" if one.swapped else "",
    ]
    return {
        "link": str(one.request),
        "name": short(one.custom_id),
        "stage": short(one.stage),
        "judge": short(one.judge),
        "outcome": ", ".join(text for text in told if text),
        "scores": scores or short(one.reason or NONE),
    }


def _origin(origin: Origin) -> dict[str, Any]:
    """Where it was imported from, and what was judged there."""
    return {
        "places": [
            (short(one.of) or "row", short(one.file, _LONGEST_REASON), "" if one.line is None else f"{one.line:,}",
             short(one.key or ""))
            for one in origin.places
        ],
        "judged": [(_JUDGED[name], _FOUND[found]) for name, found in origin.judged.items()],
    }  # fmt: skip


def _item(item: Item, sheet: Sheet) -> dict[str, Any]:
    dimensions = list(dict.fromkeys(name for rating in item.ratings for name in rating.scores))[:40]
    ratings = [
        (short(one.annotator), ["n/a" if (x := one.scores.get(name)) is None else f"{x:g}" for name in dimensions])
        for one in item.ratings[:_MOST_LINES]
    ]
    return {
        "name": short(item.item),
        "candidate": sheet.excerpt(item.candidate) if item.candidate else None,
        "references": [sheet.excerpt(text) for text in item.references[:_MOST_REFERENCES]],
        "more_references": max(0, len(item.references) - _MOST_REFERENCES),
        "dimensions": [short(name) for name in dimensions],
        "ratings": ratings,
        "kind": short(item.ratings_kind),
        "scores": [(short(metric), short(name), f"{value:g}") for metric, name, value in _given(item)],
    }


def _given(item: Item) -> list[tuple[str, str, float]]:
    return [(metric, name, x) for metric, values in item.scores.items() for name, x in values.items()][:_MOST_LINES]


def _message(message: Message, sheet: Sheet) -> dict[str, Any]:
    parts = [_part(part, sheet) for part in message.parts[:_MOST_PARTS]]
    return {"role": short(message.role), "parts": parts, "more": max(0, len(message.parts) - _MOST_PARTS)}


def _part(part: Part, sheet: Sheet) -> dict[str, Any]:
    text = None if part.text is None else sheet.excerpt(part.text)
    return {"text": text, "medium": part.medium, "kind": short(part.kind)}


def _attempt(one: Mapping[str, Any]) -> dict[str, str]:
    status = "" if one["status"] is None else str(one["status"])
    failure = " ".join(filter(None, (one["kind"], status, one["code"])))
    return {
        "attempt": f"{one['attempt']}",
        "at": _clock(one["began_at"]),
        "settled": one["settled"] or "not yet, or never",
        "failure": short(failure) or NONE,
        "reserved": _usd(one["reserved_usd"]),
        "cost": _usd(one["cost_usd"]),
        "batch": NONE if one["batch"] is None else str(one["batch"]),
        "message": short(one["message"] or NONE, _LONGEST_REASON),
    }


def _raw_view(detail: RowDetail, sheet: Sheet) -> dict[str, Any]:
    body, response = bytes(detail.line.body), response_of(detail)
    metadata = bytes(detail.line.metadata)
    return {
        "body": None if body == b"null" else sheet.excerpt(laid_out(body)),
        "metadata": None if metadata == b"null" else sheet.excerpt(laid_out(metadata)),
        "response": None if response is None else sheet.excerpt(laid_out(response)),
        "response_bytes": len(response or b""),
    }


def response_of(detail: RowDetail) -> bytes | None:
    """What came back, as JSON: the answer's body, or that of the final failure."""
    if detail.answer is not None:
        return detail.answer.body
    failure = detail.failures[-1] if detail.failures else None
    return None if failure is None or failure.response == b"null" else failure.response


def moment(at: float) -> str:
    """A moment of the log, in UTC."""
    try:
        return _clock(datetime.fromtimestamp(at, UTC)) if at else ""
    except (ValueError, OverflowError, OSError):
        return ""


def _clock(at: datetime | None) -> str:
    return NONE if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _usd(cost: float | None) -> str:
    return "n/a" if cost is None else dollars(cost)


def _words(value: object) -> str:
    return value if isinstance(value, str) else ""


def texts_of(messages: Sequence[Message]) -> str:
    """All words of a request, to be compared with those of another."""
    return "\n\n".join(f"{message.role}:\n{message.text}" for message in messages)
