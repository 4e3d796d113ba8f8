"""What is asked of a run's rows, as text in an address and back."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outputs.browsing.columns import Filter
from outputs.browsing.query import Query, parameters, parse_query, written
from prompts.input_error import InputError

ODD = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "model": ODD | st.sampled_from(["", "()", "\\", "\\()", "\\\\", "&model=x", "%00", "a+b"]),
        "q": ODD.filter(bool) | st.sampled_from(["()", "\\", "\\boxed{1}"]),
        "score_of": ODD,
        "level": st.integers(-5, 2**40) | st.just(""),
        "conflict": st.booleans() | st.just(""),
        "score": st.floats(-1e6, 1e6) | st.just(""),
        "score_min": st.floats(-1e300, 1e300),
    },
)


@settings(deadline=None)
@given(filters=FILTERS)
def test_a_filter_of_any_values_comes_back_from_its_address(filters: Filter) -> None:
    """Whatever stands in a value, the address says it and nothing else; an empty text is no missing filter."""
    read = parse_query(dict(parse_qsl(parameters(filters), strict_parsing=bool(filters), keep_blank_values=True)))
    assert read.filters == filters
    assert {name: type(value) for name, value in read.filters.items()} == {n: type(v) for n, v in filters.items()}


def test_half_a_surrogate_in_an_address_is_no_crash() -> None:
    """It selects what it can: nothing."""
    assert parse_query({"model": "a\ud800", "q": "\udfff"}).filters == {"model": "a?", "q": "?"}


def test_what_is_searched_for_is_what_was_typed() -> None:
    """No character of it is an escape; more than can be searched for is refused, and not cut."""
    for text in ("\\boxed", "\\", "()", "\\()"):
        assert parse_query({"q": text}).filters == {"q": text}
    with pytest.raises(InputError, match="at most 1,000 characters, not 1,001"):
        parse_query({"q": 1001 * "x"})


def test_an_empty_form_field_is_no_filter() -> None:
    """A form sends all of its fields; those that nobody filled in say nothing."""
    assert parse_query({"model": "", "score_min": "", "q": "", "sort": "", "offset": ""}) == Query()


def test_order_and_place_are_read() -> None:
    """Sort, direction, offset and limit come as numbers and truth."""
    asked = {"sort": "score", "descending": "1", "offset": "100", "limit": "20", "stage": "judge"}
    assert parse_query(asked) == Query({"stage": "judge"}, "score", True, 100, 20)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("modle", "x"), ("sort", "excerpt"), ("sort", "__class__"), ("descending", "perhaps"), ("offset", "-1"),
        ("limit", "0"), ("limit", "100000"), ("score_min", "nan"), ("score_max", "inf"), ("score_min", "'; drop"),
        ("level", "1.5"), ("request", "9" * 30), ("conflict", "2"), ("landed_at", "2026"), ("run", "x"),
    ],
)  # fmt: skip
def test_what_is_no_column_or_no_value_of_one_is_refused_by_name(name: str, value: str) -> None:
    """The error says which parameter is wrong."""
    with pytest.raises(InputError) as caught:
        parse_query({name: value})
    assert caught.value.field == name


def test_a_value_of_a_menu_is_never_empty() -> None:
    """A form can send each value of a menu, that of rows without one too."""
    assert [written(value) for value in ("", "()", "\\x", True, 2, 0.5, "m")] == [
        "()", "\\()", "\\\\x", "true", "2", "0.5", "m",
    ]  # fmt: skip
