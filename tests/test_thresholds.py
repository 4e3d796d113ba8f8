"""Thresholds: what a user may set them to, and the watch on answers that do not parse."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.thresholds import (
    ReadableWatch,
    Thresholds,
    parse_threshold,
    thresholds_from_table,
    with_thresholds,
)
from prompts.input_error import InputError


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("failures_in_row=7", ("failures_in_row", 7)),
        (" min_readable_share = 0.25 ", ("min_readable_share", 0.25)),
        ("longest_wait_s=90", ("longest_wait_s", 90.0)),
    ],
)
def test_a_threshold_is_read_as_the_kind_of_number_that_it_is(text: str, pair: tuple[str, float]) -> None:
    """Counts are whole numbers, seconds and shares are not."""
    name, value = parse_threshold(text)
    assert (name, value) == pair
    assert type(value) is type(pair[1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("failures_in_a_row=7", "did you mean 'failures_in_row'"),
        ("failures_in_row", "NAME=NUMBER"),
        ("failures_in_row=2.5", "'2.5' is not a whole number"),
        ("throttled_row_s=1h", "'1h' is not a number"),
        ("=3", "unknown threshold"),
    ],
)
def test_a_bad_threshold_is_named(text: str, said: str) -> None:
    """A typo is answered with the nearest name, a wrong value with what is wanted."""
    with pytest.raises(InputError, match=said):
        parse_threshold(text)


def test_named_values_take_the_place_of_the_others() -> None:
    """What is not named stays, and the last value of a name counts."""
    base = Thresholds(readable_of=20)
    changed = with_thresholds(base, [("transient_attempts", 3), ("transient_attempts", 9)])
    assert changed == Thresholds(readable_of=20, transient_attempts=9)
    assert with_thresholds(base, []) == base


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("transient_attempts", 0),
        ("min_readable_share", 1.5),
        ("min_readable_share", math.nan),
        ("longest_wait_s", math.inf),
        ("longest_wait_s", -1),
        ("readable_of", 0),
        ("readable_of", 2.5),
    ],
)
def test_a_value_out_of_its_range_is_refused(name: str, value: float) -> None:
    """No threshold takes a value with which a run could never end, or never start."""
    with pytest.raises(InputError, match=f"threshold {name}"):
        with_thresholds(Thresholds(), [(name, value)])


def test_an_unknown_name_is_refused() -> None:
    """A caller's typo is not dropped in silence."""
    with pytest.raises(InputError, match="did you mean 'readable_of'"):
        with_thresholds(Thresholds(), [("readable_off", 3)])


def test_a_table_is_read_with_its_file_and_key_in_every_fault() -> None:
    """The `[thresholds]` table gives whole records; a fault says where it is."""
    assert thresholds_from_table({"readable_of": 10, "longest_wait_s": 60}, "o.toml") == Thresholds(
        readable_of=10, longest_wait_s=60.0
    )
    with pytest.raises(InputError, match=r"o\.toml: thresholds\.readable_of: Expected `int` >= 1"):
        thresholds_from_table({"readable_of": 0}, Path("o.toml"))
    with pytest.raises(InputError, match=r"o\.toml: thresholds\.tries: unknown key"):
        thresholds_from_table({"tries": 3}, "o.toml")


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 12), st.integers(0, 12))
def test_the_watch_cries_where_too_few_of_the_last_can_be_read(oks: list[bool], of: int, least: int) -> None:
    """It does so exactly where `of` were seen and fewer than the share of the last `of` were ok."""
    least = min(least, of)
    watch = ReadableWatch(of, least / of)
    for seen in range(1, len(oks) + 1):
        last = oks[max(0, seen - of) : seen]
        assert watch.note(oks[seen - 1]) == (len(last) == of and sum(last) < least)


@pytest.mark.parametrize(("ok", "cries"), [(6, True), (7, False)])
def test_a_share_that_is_just_met_is_enough(ok: int, cries: bool) -> None:
    """7 of 100 meet 0.07, although 0.07 x 100 is a little more than 7 to a machine."""
    watch = ReadableWatch(100, 0.07)
    assert [watch.note(number < ok) for number in range(100)][-1] is cries
