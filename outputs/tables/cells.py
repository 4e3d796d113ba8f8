"""Values of a log as cells of a table: what a manifest says may be of any type, a column is of one."""

import math
from typing import Any

import msgspec

from providers.wire import Usage

_MOST = 2**63 - 1
_LAST_MS = 253_402_300_799_000  # the end of the year 9999


class Told(msgspec.Struct, frozen=True):
    """What a job or a manifest said of a request, as far as columns hold it."""

    stage: Any = None
    item: Any = None
    dataset: Any = None
    prompt_sha256: Any = None

    @property
    def about(self) -> tuple[str, str | None, str]:
        """The columns stage, item and dataset."""
        return words(self.stage) or "", words(self.item), words(self.dataset) or ""


NOTHING_TOLD = Told()
_told = msgspec.json.Decoder(Told | None)


def read_told(metadata: msgspec.Raw) -> Told:
    """What metadata says; nothing where it is no object that can be read."""
    try:
        return _told.decode(metadata) or NOTHING_TOLD
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return NOTHING_TOLD


def words(value: Any) -> str | None:
    """A text as it is, None as None, any other value as its JSON."""
    if value is None or isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except (msgspec.MsgspecError, RecursionError, OverflowError, TypeError):
        return str(value)


def whole(value: Any) -> int | None:
    """A whole number that 64 bits hold; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and -_MOST <= value <= _MOST else None


def moment(seconds: float) -> int | None:
    """Milliseconds since 1970 UTC; None where nobody knows the time (0), or for what is none."""
    milliseconds = seconds * 1000
    return round(milliseconds) if 0 < milliseconds < _LAST_MS else None


def known(value: float) -> float | None:
    """A number, or None for NaN."""
    return None if math.isnan(value) else value


def tokens(usage: Usage | None) -> tuple[int | None, int | None, int | None, int | None]:
    """input, output, cached and reasoning tokens."""
    if usage is None:
        return None, None, None, None
    return (
        whole(usage.input_tokens),
        whole(usage.output_tokens),
        whole(usage.cached_tokens),
        whole(usage.reasoning_tokens),
    )
