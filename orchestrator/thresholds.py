"""The thresholds at which rows, lanes and stages are given up, and how the user sets them."""

from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from prompts.input_error import InputError, split_fault
from prompts.toml_text import convert_table, near_miss

_Attempts = Annotated[int, msgspec.Meta(ge=1, le=1000)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=7 * 86_400)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Verdicts = Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a row, a lane or a stage is given up.

    `*_attempts` are a row's attempts that failed so, `failures_in_row` a lane's blows without a success between,
    `throttled_row_s` the seconds for which a row may be throttled, `longest_wait_s` the longest wait that a provider
    may ask for before its lane stops. A stage pauses where under `min_readable_share` of its last `readable_of`
    answers could be read. Answers of judges and of test models count alike, as far as the job gives verdicts on them.

    Of batches: `batch_poll_s` is the longest time between two looks at one, `batch_look_s` for how long one whose
    creation was not answered is looked for before it is created again, `batch_queue_s` the longest wait for room in a
    full queue, `batch_gather_s` for how long rows that trickle in are gathered, `batch_cancel_s` what cancelling one
    may take, and `batch_least_s` what one must have until then to be worth it where there is a deadline.
    """

    transient_attempts: _Attempts = 5
    timed_out_attempts: _Attempts = 2
    unreadable_attempts: _Attempts = 2
    failures_in_row: _Verdicts = 20
    throttled_row_s: _Seconds = 3600.0
    longest_wait_s: _Seconds = 3600.0
    min_readable_share: _Share = 0.5
    readable_of: _Verdicts = 40
    batch_poll_s: _Seconds = 60.0
    batch_look_s: _Seconds = 30.0
    batch_queue_s: _Seconds = 600.0
    batch_gather_s: _Seconds = 600.0
    batch_cancel_s: _Seconds = 900.0
    batch_least_s: _Seconds = 1800.0


def parse_threshold(text: str) -> tuple[str, int | float]:
    """Read `failures_in_row=20`. Raises InputError for an unknown name and for what is no number."""
    name, equals, said = (part.strip() for part in text.partition("="))
    if not equals:
        raise InputError(f"{text!r} is not NAME=NUMBER, such as failures_in_row=20", field="threshold")
    _require_known(name)
    kind = int if _is_whole(name) else float
    try:
        return name, kind(said)
    except ValueError:
        what = "whole number" if kind is int else "number"
        raise InputError(f"{said!r} is not a {what}", field=f"threshold {name}") from None


def with_thresholds(base: Thresholds, pairs: Iterable[tuple[str, int | float]]) -> Thresholds:
    """`base` with the named values in place of its own, the last of a name counts. Raises InputError."""
    named = dict(pairs)
    for name in named:
        _require_known(name)
    try:
        return msgspec.convert({**msgspec.structs.asdict(base), **named}, Thresholds)
    except msgspec.ValidationError as error:
        what, field = split_fault(str(error))
        raise InputError(what, field=f"threshold {field}") from None


def thresholds_from_table(table: Mapping[str, Any], file: Path | str) -> Thresholds:
    """The thresholds of a `[thresholds]` table. Raises InputError naming file and key."""
    return convert_table(table, Thresholds, file=file, within="thresholds.")


def _require_known(name: str) -> None:
    if name not in Thresholds.__struct_fields__:
        raise InputError(f"unknown threshold {name!r}{near_miss(name, Thresholds.__struct_fields__)}")


def _is_whole(name: str) -> bool:
    return isinstance(getattr(Thresholds(), name), int)


class ReadableWatch:
    """Whether a stage's answers can be read: watches the last `of` verdicts, and wants at least `share` of them ok."""

    __slots__ = ("_last", "_share", "ok")

    def __init__(self, of: int, share: float) -> None:
        self._last: deque[bool] = deque(maxlen=of)
        self._share = share
        self.ok = 0  # of the last

    def note(self, ok: bool) -> bool:
        """Count a verdict; True when `of` were seen and under `share` of the last `of` were ok."""
        if len(self._last) == self._last.maxlen:
            self.ok -= self._last[0]
        self._last.append(ok)
        self.ok += ok
        # A quotient, for a share times a count may be rounded above the count that it stands for.
        return len(self._last) == self._last.maxlen and self.ok / len(self._last) < self._share
