"""JSON inside a page, which no text in it can end, and what is read back of a page."""

import re
from typing import Any

import orjson

from prompts.input_error import InputError

_ESCAPES = {
    b"<": rb"\u003c",
    b">": rb"\u003e",
    b"&": rb"\u0026",
    "\u2028".encode(): rb"\u2028",
    "\u2029".encode(): rb"\u2029",
}


def embedded(value: Any) -> str:
    """A value as JSON for a script element of type application/json: without any character that HTML looks for."""
    text = orjson.dumps(value)
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text.decode()


def read_embedded(page: str, name: str) -> Any:
    """The value of the element with this id. Raises InputError where the page has none."""
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
    try:
        if found is not None:
            return orjson.loads(found.group(1))
    except orjson.JSONDecodeError:
        pass
    raise InputError("is no report that overnight made, or not a whole one")


def block(page: str, name: str) -> str | None:
    """What a page shows between its marks of this name; None where it has none."""
    found = re.search(rf"<!--begin {name}-->(.*?)<!--end {name}-->", page, re.DOTALL)
    return None if found is None else found.group(1)
