"""When two values, and two texts that are shown, count as the same: sums differ in their last digits."""

import math
import re
from typing import Any

CLOSE = 1e-9  # of numbers, relative: the order in which a sum is added up is not fixed
_CLOSE_SHOWN = 1e-6  # of the numbers in a drawing
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_LONGEST = 120


def equal(one: Any, other: Any) -> bool:
    """Whether two kept values are the same; floats to nine digits."""
    if isinstance(one, float) or isinstance(other, float):
        numbers = isinstance(one, int | float) and isinstance(other, int | float)
        return numbers and math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)
    return type(one) is type(other) and bool(one == other)


def short(value: Any) -> str:
    """A value for a message, on one line."""
    text = ascii(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def same_shown(one: str, other: str) -> bool:
    """Whether two texts are the same but for the last digits of their numbers."""
    if one == other:
        return True
    if _NUMBER.sub("#", one) != _NUMBER.sub("#", other):
        return False
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    return all(a == b or math.isclose(float(a), float(b), rel_tol=_CLOSE_SHOWN, abs_tol=_CLOSE_SHOWN) for a, b in pairs)
