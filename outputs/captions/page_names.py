"""What a page calls metrics: as short as tells them apart."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Names = Callable[[Mapping[str, Any]], str]
_KEY = ("metric", "judge", "source")


def names_of(rows: Iterable[Mapping[str, Any]]) -> Names:
    """The name of a row's metric: with the judge where a metric has several, with the source where two share a name."""
    keys = list(dict.fromkeys(_key(row) for row in rows))
    found = {key: _name(key, keys) for key in keys}
    if len(set(found.values())) < len(keys):
        found = {key: ", ".join(part for part in key if part) for key in keys}
    return lambda row: found.get(_key(row), str(row["metric"]))


def _key(row: Mapping[str, Any]) -> tuple[str, str | None, str]:
    metric, judge, source = (row[name] for name in _KEY)
    return metric, judge, source


def _name(key: tuple[str, str | None, str], keys: list[tuple[str, str | None, str]]) -> str:
    metric, judge, source = key
    judges = {other for name, other, of in keys if (name, of) == (metric, source)}
    sources = {of for name, _, of in keys if name == metric}
    label = f"{metric}, {judge.partition('/')[2] or judge}" if judge and len(judges) > 1 else metric
    return f"{label} ({source})" if len(sources) > 1 else label
