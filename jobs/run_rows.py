"""The reader "run": the answers of another run become rows, so that what one run asked another can judge."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from jobs.row_tables import Row, fields_of
from outputs.answers import is_simulated, read_items, read_responses
from outputs.items import Item
from outputs.journal import Log
from outputs.line_by_seq import line_by_seq
from outputs.run_record import read_run_record
from prompts.input_error import InputError
from providers.adapters import read_completion

ANSWER_STAGES = ("answer", "ask", None)  # None: of a plain manifest


class _Body(msgspec.Struct):
    messages: list[dict[str, Any]] = []


class _Asked(msgspec.Struct):
    body: _Body


_asked = msgspec.json.Decoder(_Asked).decode


def read_run(path: Path, columns: Mapping[str, str] | None = None) -> Iterator[Item]:
    """One item per answer of a run that counts, in the order of its log; judgements and mutations are left out.

    `path` is a run folder, or the `responses.jsonl` in it. An item's id is the request's, its dataset the one that the
    request was about. Its fields are those of the run's item; over them what the run's job said of the request, its
    metadata; and over these `answer`, `prompt` (the last message of the user), `model`, `custom_id`, `finish_reason`
    and `simulated`. An answer without text is there too, as the words of its refusal, or empty. A request that finally
    failed has no answer. `columns` gives fields names of their own, as in a general table.

    Raises InputError for a folder that is no run, or that has no answer.
    """
    folder = path if path.is_dir() else path.parent
    record = read_run_record(folder)
    simulated = is_simulated(folder, record)
    items = read_items(folder)
    none = True
    for line in read_responses(folder):
        told = line.metadata or {}
        if told.get("stage") not in ANSWER_STAGES:
            continue
        none = False
        completion = read_completion(record.catalog[line.provider]["protocol"], bytes(line.response.body))
        about = items.get(str(told.get("item")))
        own = {
            "answer": completion.text or completion.refusal or "",
            "prompt": _last_question(folder, line.request),
            "model": told.get("model", line.model),
            "custom_id": line.custom_id,
            "finish_reason": completion.finish_reason,
            "simulated": simulated,
        }
        known = (about.fields if about else {}) | told | own
        fields = fields_of(Row(folder, None, line.custom_id, known), columns or {})
        yield Item(item=line.custom_id, dataset=str(told.get("dataset") or ""), fields=fields)
    if none:
        raise InputError("the run has no answer to judge", file=folder)


def _last_question(folder: Path, request: int) -> str:
    """The text of the last message of the user; empty where the body is no chat completion's."""
    line = line_by_seq(folder / Log.REQUESTS.file_name, request)
    try:
        messages = [] if line is None else _asked(line).body.messages
    except msgspec.ValidationError:
        return ""
    content = next((message.get("content") for message in reversed(messages) if message.get("role") == "user"), "")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))
