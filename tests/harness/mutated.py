"""Answers that have come to harm: a value that is another, a key that is gone, bytes that are cut or changed."""

import copy
from collections.abc import Iterator
from typing import Any

import orjson
from hypothesis import strategies as st

ODD: list[Any] = [None, True, -1, 0, 10**13, 1.5, "", "x", [], {}, [None], [{}], {"x": 1}, {"text": 5}, [[]]]
_GONE = object()


def _paths(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*here, key)
        yield from _paths(inner, (*here, key))


@st.composite
def mutated(draw: st.DrawFn, answer: dict[str, Any]) -> bytes:
    """The body of `answer` with up to three of its values changed or gone, then perhaps some of its bytes."""
    changed = copy.deepcopy(answer)
    for _ in range(draw(st.integers(1, 3))):
        paths = list(_paths(changed))
        if not paths:
            break
        *way, last = draw(st.sampled_from(paths))
        holder: Any = changed
        for key in way:
            holder = holder[key]
        value = draw(st.sampled_from([_GONE, *ODD]))
        if value is _GONE:
            del holder[last]
        else:
            holder[last] = copy.deepcopy(value)
    return draw(_harmed(orjson.dumps(changed)))


def _harmed(body: bytes) -> st.SearchStrategy[bytes]:
    at = st.integers(0, len(body))
    cut = at.map(lambda n: body[:n])
    swapped = st.builds(lambda n, byte: body[:n] + byte + body[n + 1 :], at, st.binary(min_size=1, max_size=1))
    return st.just(body) | st.just(body) | cut | swapped
