"""The reader "prompts": what models are to answer, a question a row or a whole dialogue.

A row says it in one of four columns: `prompt`, the text of one question; `messages`, as in a chat completion;
`conversations`, as in ShareGPT; `turns`, the user's alone, as in ArenaHard and MT-Bench.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jobs.registry import DatasetSpec
from jobs.row_tables import ID, Row, fields_of, read_identified
from jobs.table_files import check_writable, parse_json
from outputs.items import Item, Turn
from prompts.input_error import InputError
from prompts.toml_text import near_miss

SYSTEM, USER, ASSISTANT = ROLES = ("system", "user", "assistant")
_SYSTEM_COLUMN = "system"
_USUAL_IDS = (ID, "question_id")
_SPEAKERS = {  # of ShareGPT
    "human": USER,
    "user": USER,
    "gpt": ASSISTANT,
    "chatgpt": ASSISTANT,
    "bing": ASSISTANT,
    "bard": ASSISTANT,
    "assistant": ASSISTANT,
    "system": SYSTEM,
}


def read_prompts(path: Path, spec: DatasetSpec) -> Iterator[Item]:
    """Items with messages to answer, in the file's order; the columns that are no part of them are fields.

    `columns` names the file's columns where they are called otherwise: `id`, `system` (put before all else) and one of
    those above. Where it names one of those, the others are fields like any. Any other name is that of a field, as in a
    general table. In files of text, such as CSV, all but `prompt` and `system` is JSON. Raises InputError for a row
    without a message of the user, and for one with two kinds of them.
    """
    named = [name for name in spec.columns if name in _FORMS]
    if len(named) > 1:
        raise InputError("a row's messages are in one of them", file=path, field=f"columns: {' and '.join(named)}")
    system = spec.columns.get(_SYSTEM_COLUMN, _SYSTEM_COLUMN)
    renamed = {name: column for name, column in spec.columns.items() if name not in (ID, _SYSTEM_COLUMN, *_FORMS)}
    for row in read_identified(path, spec, _USUAL_IDS):
        form, column = _form(row, spec)
        messages = (*_system(row, system), *_FORMS[form](row, column))
        _check_messages(row, column, messages)
        used = {column, system, row.id_column or column}
        yield Item(item=row.item, messages=messages, fields=fields_of(row, renamed, used))


def _form(row: Row, spec: DatasetSpec) -> tuple[str, str]:
    """The form that a row's messages have, and the column that has them."""
    named = [(form, spec.columns[form]) for form in _FORMS if form in spec.columns]
    there = [entry for entry in named or [(form, form) for form in _FORMS] if entry[1] in row.columns]
    said = [entry for entry in there if row.columns[entry[1]] not in (None, "")]
    if not there:
        wanted = named[0][1] if named else f"one of the columns {', '.join(_FORMS)}"
        row.refuse(f"the row has nothing to answer: {wanted} is expected{near_miss(wanted, row.columns)}")
    if not said:
        row.refuse("is empty", there[0][1])
    if len(said) > 1:
        row.refuse("the row has both; name the one that counts under columns", " and ".join(name for _, name in said))
    return said[0]


def _system(row: Row, column: str) -> tuple[Turn, ...]:
    value = row.columns.get(column)
    return () if value in (None, "") else (Turn(SYSTEM, _text(row, value, column)),)


def _from_prompt(row: Row, column: str) -> tuple[Turn, ...]:
    return (Turn(USER, _text(row, row.columns[column], column)),)


def _from_messages(row: Row, column: str) -> tuple[Turn, ...]:
    return tuple(
        Turn(_role(row, entry, "role", dict.fromkeys(ROLES), place), _content(row, entry, "content", place))
        for place, entry in _entries(row, column)
    )


def _from_conversations(row: Row, column: str) -> tuple[Turn, ...]:
    return tuple(
        Turn(_SPEAKERS[_role(row, entry, "from", _SPEAKERS, place)], _content(row, entry, "value", place))
        for place, entry in _entries(row, column)
    )


def _from_turns(row: Row, column: str) -> tuple[Turn, ...]:
    return tuple(
        Turn(USER, _text(row, entry, place) if isinstance(entry, str) else _content(row, entry, "content", place))
        for place, entry in _entries(row, column)
    )


_FORMS: dict[str, Callable[[Row, str], tuple[Turn, ...]]] = {
    "prompt": _from_prompt,
    "messages": _from_messages,
    "conversations": _from_conversations,
    "turns": _from_turns,
}


def _entries(row: Row, column: str) -> list[tuple[str, Any]]:
    """(place, entry) of a list, or of the JSON text of one."""
    value = row.columns[column]
    if isinstance(value, str):
        value = parse_json(row.path, row.number, value, column)
        check_writable(row.path, row.number, column, value)
    if not isinstance(value, list):
        row.refuse("a list is expected", column)
    return [(f"{column}[{number}]", entry) for number, entry in enumerate(value)]


def _role(row: Row, entry: Any, key: str, known: dict[str, Any], place: str) -> str:
    role = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(role, str) or role not in known:
        row.refuse(f"{role!r} is nobody who speaks{near_miss(str(role), known)}", f"{place}.{key}")
    return role


def _content(row: Row, entry: Any, key: str, place: str) -> str:
    """What a message says: text, or parts that are all text, of which each begins a line."""
    place = f"{place}.{key}"
    value = entry.get(key) if isinstance(entry, dict) else None
    if isinstance(value, list):
        parts = [part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in value]
        if not all(isinstance(part, str) for part in parts):
            row.refuse("a part that is no text: pictures and the like are not read here", place)
        value = "\n".join(map(str, parts))
    return _text(row, value, place)


def _text(row: Row, value: Any, place: str) -> str:
    if value is None:
        row.refuse("is missing", place)
    if not isinstance(value, str):
        row.refuse("text is expected", place)
    if not value.strip():
        row.refuse("is empty", place)
    return value


def _check_messages(row: Row, column: str, messages: tuple[Turn, ...]) -> None:
    if not any(message.role == USER for message in messages):
        row.refuse("no message of the user in it, so there is nothing to answer", column)
    if any(message.role == SYSTEM for message in messages[1:]):
        row.refuse("a system message stands first, and once", column)
