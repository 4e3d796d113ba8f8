"""The scores in a JSON entry of G-VEval's results: a number, one for each dimension, or several by name."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from jobs.dataset_json import Value
from jobs.datasets import MSVD_DIMENSIONS

METRIC = "G-VEval"
OVERALL = "overall"
ALIASES = frozenset(
    {"gveval", "gvevalscore", "gvevalscores", "score", "scores", "accr", "accrscore", "accrscores", "finalscore"}
)  # letters and digits of the keys that are taken for G-VEval's
_INNER = ("final_score", "score", "gveval")  # where an entry has an object with a reason beside the score
_SHORT = {
    "acc": "accuracy",
    "com": "completeness",
    "comp": "completeness",
    "con": "conciseness",
    "conc": "conciseness",
    "rel": "relevance",
    "avg": "average",
    "mean": "average",
}
_NO_VALUE = "scores that are null"


def scores_of(entry: Value, fields: Sequence[str], left_out: Counter[str]) -> dict[str, dict[str, float]]:
    """By metric and dimension, the scores of an entry; `fields` names their keys, by default G-VEval's usual ones.

    The metric is G-VEval, or a named key that is none of its usual ones. Raises InputError; nulls go to `left_out`.
    """
    found: dict[str, dict[str, float]] = {}
    for key in _keys(entry, fields):
        value = entry.optional(key)
        if value is None:
            continue
        metric = METRIC if _is_alias(key) else key
        if metric in found:
            value.refuse(f"a second score of {metric} in this entry: say which with --score-field")
        if scores := dict(_dimensions(value, left_out)):
            found[metric] = scores
    return found


def _keys(entry: Value, fields: Sequence[str]) -> Sequence[str]:
    if fields:
        return fields
    return [key for key in entry.value if _is_alias(key)] if isinstance(entry.value, dict) else []


def _is_alias(key: str) -> bool:
    return re.sub(r"[^a-z0-9]", "", key.lower()) in ALIASES


def _dimensions(value: Value, left_out: Counter[str]) -> Iterator[tuple[str, float]]:
    told = value.value
    named: list[tuple[str, Value]]
    if isinstance(told, dict):
        inner = next((key for key in _INNER if key in told and "reason" in told), None)
        if inner is not None:
            yield from _dimensions(value.key(inner), left_out)
            return
        named = [(_SHORT.get(name.lower(), name), one) for name, one in value.entries()]
    elif isinstance(told, list):
        if len(told) not in (len(MSVD_DIMENSIONS), len(MSVD_DIMENSIONS) - 1):
            value.refuse(
                f"{len(told)} scores where those of {', '.join(MSVD_DIMENSIONS)} (the last may lack) are usual"
            )
        named = list(zip(MSVD_DIMENSIONS, value.rows(), strict=False))
    else:
        named = [(OVERALL, value)]
    for name, one in named:
        if one.value is None:
            left_out[_NO_VALUE] += 1
        else:
            yield name, one.number()
