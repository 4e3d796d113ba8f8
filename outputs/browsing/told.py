"""What a job said of its requests, as far as rows are looked through by it: metadata, JSON, into columns."""

from typing import Any

import msgspec
import polars as pl

from outputs.identity.metadata import DIGITS

TEXTS = ("model", "target", "question", "field", "language", "operator", "node", "template_sha256", "prompt")
NUMBERS = ("tree", "iteration", "level")
JUDGED = "conflict"  # what an import says was judged elsewhere
_KIND = pl.Struct({**dict.fromkeys((*TEXTS, *NUMBERS), pl.String), "imported": pl.Struct({JUDGED: pl.String})})
_AT_ONCE = 20_000  # rows: reading JSON takes memory
_SAID = {"true": True, "1": True, "false": False, "0": False}


def told(metadata: pl.Series) -> pl.DataFrame:
    """The columns `TEXTS`, `NUMBERS` and `said_conflict`; null where it is not said, or is of another type."""
    starts = range(0, max(len(metadata), 1), _AT_ONCE)
    found = pl.concat([_decoded(metadata.slice(start, _AT_ONCE)) for start in starts]).struct.unnest()
    numbers = [pl.col(name).cast(pl.Float64, strict=False).cast(pl.Int64, strict=False) for name in NUMBERS]
    said = pl.col("imported").struct.field(JUDGED).str.to_lowercase()
    conflict = said.replace_strict(_SAID, default=None, return_dtype=pl.Boolean).alias("said_conflict")
    return found.with_columns(*numbers, pl.col("template_sha256").str.slice(0, DIGITS), conflict).drop("imported")


def _decoded(metadata: pl.Series) -> pl.Series:
    try:
        return metadata.str.json_decode(_KIND)
    except pl.exceptions.ComputeError:  # some row is no object, or has a list where a text belongs
        return pl.Series([_texts(text) for text in metadata], dtype=_KIND)


def _texts(metadata: str | None) -> dict[str, Any]:
    found = _object(metadata)
    return {
        **{name: _text(found.get(name)) for name in (*TEXTS, *NUMBERS)},
        "imported": {JUDGED: _text(_dict(found.get("imported")).get(JUDGED))},
    }


def _object(metadata: str | None) -> dict[str, Any]:
    try:
        return _dict(msgspec.json.decode(metadata or "null"))
    except (msgspec.DecodeError, RecursionError):
        return {}


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None
