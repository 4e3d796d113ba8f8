"""What is said where an interval goes further than its number can, and the colours that models keep."""

import math

import polars as pl
from rich.text import Text

from outputs.figures import theme
from outputs.figures.model_colours import shown_colours
from outputs.figures.parts import Analysis
from outputs.figures.scales import IN_TABLE, cut_note, passed_ends, passing_note, too
from outputs.report import Report

ONE_TO_FIVE = (1.0, 5.0)


def test_only_intervals_beyond_an_end_are_counted() -> None:
    """One that ends at the scale's end is within it, and one that is not defined is none."""
    inside = [(1.0, 5.0), (4.9, 5.0 + 1e-12), (None, None), (math.nan, math.nan)]
    assert passing_note(inside, ONE_TO_FIVE) == ""
    assert passing_note([*inside, (4.5, 5.2), (0.7, 5.1)], ONE_TO_FIVE).startswith("2 intervals go beyond an end")
    assert passed_ends([(4.5, 5.2)], ONE_TO_FIVE) == [5.0]
    assert passed_ends([(0.7, 5.1)], ONE_TO_FIVE) == [1.0, 5.0]


def test_it_is_said_where_intervals_stand_that_no_chart_draws() -> None:
    """A reader of a figure is not sent to look for what is in its table only."""
    note = passing_note([(4.5, 5.2)], ONE_TO_FIVE, IN_TABLE)
    assert note.startswith("1 interval in the table goes beyond an end of the scale (1 to 5)")
    assert too([(4.5, 5.2), (0.7, 3.0)], ONE_TO_FIVE, IN_TABLE) == "2 intervals in the table do, too."
    assert too([(4.5, 5.0)], ONE_TO_FIVE, IN_TABLE) == ""


def test_without_a_scale_nothing_is_beyond_it() -> None:
    """Of a prompt that was not recorded nobody knows the ends."""
    assert passing_note([(-100.0, 100.0)], None) == ""
    assert passed_ends([(-100.0, 100.0)], None) == []


def test_limits_that_were_cut_are_spoken_of() -> None:
    """A tau of hundredths ends at -100 and 100; where no limit is there nothing is said."""
    assert "-100 and 100" in cut_note([20.0, 100.0], 100)
    assert cut_note([20.0, 99.9, None, math.nan], 100) == ""


def coloured(asked: list[str], labels: dict[str, str]) -> dict[str, str]:
    tables = {"coverage": pl.DataFrame({"model": asked})}
    return shown_colours(Analysis([], Report(tables, {}, Text(""))), labels)


def test_a_model_has_the_colour_that_it_has_in_all_charts() -> None:
    """Whatever the order of a chart's own models, it is that of all that were asked."""
    asked = ["p/judge", "p/a", "p/b"]
    assert coloured(asked, {"p/b": "b", "p/a": "a"}) == {"a": theme.OKABE_ITO[1], "b": theme.OKABE_ITO[2]}


def test_two_models_of_a_chart_never_share_a_colour() -> None:
    """There are eight colours for all models: the chart's own order tells them apart where these would not."""
    asked = [f"p/{place}" for place in range(9)]
    shown = coloured(asked, {"p/0": "0", "p/8": "8"})
    assert len(set(shown.values())) == 2
    assert coloured([], {"x": "x"}) == {"x": theme.OKABE_ITO[0]}
