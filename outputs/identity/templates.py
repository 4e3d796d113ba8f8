"""The texts of templates, as far as they are to be had, each proved by its digest.

A template is an item (a seed; what was imported), or what remains of a request when the question is taken out of it.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from outputs.identity.metadata import DIGITS
from outputs.identity.rows import ASK
from outputs.items import Item
from outputs.journal import Log
from outputs.log_reader import read_records

SLOT = "[QUESTION]"  # as in jobs.ice.words
_TRIES = 3  # requests looked at for one template: a question may happen to stand in it


class AskedLine(msgspec.Struct):
    """What is read of a request's line."""

    custom_id: str
    body: Any = None
    metadata: dict[str, Any] | None = None


def digest(text: str) -> str:
    """The first `DIGITS` hex digits of the SHA-256, as the rows of a search have them."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


def template_texts(
    wanted: Iterable[str], requests: pl.LazyFrame, items: Mapping[str, Item], folder: Path
) -> dict[str, str]:
    """The text of each of the `wanted` templates, by digest; what is not to be had is not there.

    Raises InputError where the log is damaged.
    """
    missing = set(wanted)
    stated = (item.fields.get("template") for item in items.values())
    found = {key: text for text in stated if isinstance(text, str) and (key := digest(text)) in missing}
    missing -= found.keys()
    return {**found, **_from_requests(missing, requests, items, folder)} if missing else found


def _from_requests(
    missing: set[str], requests: pl.LazyFrame, items: Mapping[str, Item], folder: Path
) -> dict[str, str]:
    asked = requests.filter(pl.col("stage") == ASK).select(
        "custom_id", key=pl.col("metadata").str.json_path_match("$.template_sha256").str.slice(0, DIGITS)
    )
    some = asked.filter(pl.col("key").is_in(sorted(missing))).group_by("key").head(_TRIES).collect()
    keys = dict(some.select("custom_id", "key").iter_rows())
    found: dict[str, str] = {}
    for _, line in read_records(folder / Log.REQUESTS.file_name, AskedLine):
        key = keys.get(line.custom_id)
        if key is not None and key not in found:
            found.update((key, text) for text in templates_of(line, items) if digest(text) == key)
    return found


def templates_of(line: AskedLine, items: Mapping[str, Item]) -> Iterator[str]:
    """What the template of a request can have been."""
    item = items.get(str((line.metadata or {}).get("item")))
    question = None if item is None else item.fields.get("text")
    asked = _last_words(line.body)
    if isinstance(question, str) and question and asked is not None:
        yield asked.replace(question, SLOT)
        yield asked.removesuffix(f"\n{question}")


def _last_words(body: Any) -> str | None:
    try:
        words = body["messages"][-1]["content"]
    except (TypeError, KeyError, IndexError):
        return None
    return words if isinstance(words, str) else None
