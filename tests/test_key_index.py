"""Finding equal keys in little memory."""

from hypothesis import given
from hypothesis import strategies as st

from outputs.key_index import KeyIndex

_KEYS = st.lists(st.binary(max_size=3), max_size=60)


def _index(keys: list[bytes]) -> KeyIndex:
    index = KeyIndex()
    for key in keys:
        index.add(key)
    return index


@given(_KEYS)
def test_repeated_keys_are_those_seen_before(keys: list[bytes]) -> None:
    """The numbers of all but the first of equal keys, ascending."""
    expected = [number for number, key in enumerate(keys) if key in keys[:number]]
    assert _index(keys).repeated() == expected


@given(_KEYS, _KEYS)
def test_matches_are_a_join_with_the_last_of_equal_keys(here: list[bytes], there: list[bytes]) -> None:
    """Each key here that stands there too is paired with its last place there."""
    last = {key: number for number, key in enumerate(there)}
    expected = {(number, last[key]) for number, key in enumerate(here) if key in last}
    assert set(_index(here).matches(_index(there))) == expected
