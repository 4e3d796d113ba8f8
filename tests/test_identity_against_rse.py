"""ICE against RSE: which models are points, and what their ranks say."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl
import pytest
from rich.text import Text

from outputs.ice_against_rse import correlations_table, points_table, report_ice_against_rse
from outputs.identity.rates import rates_table
from outputs.judged.panels import MACRO
from outputs.report import Report
from tests.harness.identity_runs import rows_of, searched


def ice(hits: Mapping[str, int]) -> pl.DataFrame:
    """Targets with so many conflicts in ten, all of which claim."""
    return rates_table(rows_of(row for target, some in hits.items() for row in searched([some], target)))


def similarity(means: Iterable[tuple[str, float]], **more: Any) -> pl.DataFrame:
    about = {"dataset": MACRO, "judge": "j", "dimension": "overall", "control": False, **more}
    return pl.DataFrame([{**about, "model": model, "mean": mean} for model, mean in means])


def report(**tables: pl.DataFrame) -> Report:
    return Report(tables, {}, Text(""))


def test_models_of_both_sections_are_points() -> None:
    """A model is matched by its name, with or without its provider; who is in one section only is no point."""
    found = points_table(
        ice({"a/m": 3, "n": 5, "a/alone": 1}), similarity([("m", 4.0), ("b/n", 3.0), ("b/other", 2.0)])
    )
    assert found.select("model", "rse", "strict").rows() == [("b/n", 3.0, 0.5), ("m", 4.0, 0.3)]


def test_names_that_are_not_one_models_are_no_match() -> None:
    """Where a bare name fits two models it says nothing."""
    assert points_table(ice({"m": 3}), similarity([("a/m", 4.0), ("b/m", 3.0)])).is_empty()
    assert points_table(ice({"a/m": 3, "b/m": 4}), similarity([("c/m", 4.0)])).is_empty()


def test_the_mean_over_sets_is_the_similarity() -> None:
    """With several sets their mean counts, with one that one; controls and other dimensions are no similarity."""
    several = pl.concat([similarity([("m", 9.0)], dataset="x"), similarity([("m", 7.0)], dataset="y"),
                         similarity([("m", 8.0)]), similarity([("m", 1.0)], dimension="style"),
                         similarity([("m", 5.0)], control=True), similarity([("n", 2.0)], dataset="x")])  # fmt: skip
    found = points_table(ice({"m": 3, "n": 4}), several)
    assert found.select("model", "dataset", "rse").rows() == [("m", MACRO, 8.0), ("n", "x", 2.0)]


def test_ranks_that_agree_have_a_correlation_of_one_and_an_exact_p() -> None:
    """Four models in the same order: tau and Spearman are 1, p is 2 of 24; that they are few is said."""
    hits = {"a": 1, "b": 2, "c": 3, "d": 4}
    points = points_table(ice(hits), similarity((name, 3 + some) for name, some in hits.items()))
    for row in correlations_table(points).to_dicts():
        assert (row["models"], row["tau_b"], row["spearman"]) == (4, pytest.approx(1), pytest.approx(1))
        assert row["p"] == pytest.approx(2 / 24)
        assert "only 4 models" in row["warning"]


def test_many_models_have_the_p_of_drawn_permutations() -> None:
    """Eight models in opposite order: no permutation in a thousand is as far from 0."""
    hits = {name: some for some, name in enumerate("abcdefgh", 1)}
    points = points_table(ice(hits), similarity((name, -float(some)) for name, some in hits.items()))
    loose = correlations_table(points).row(0, named=True)
    assert loose["tau_b"] == pytest.approx(-1)
    assert 0 < loose["p"] < 0.002


def test_what_has_no_correlation_has_a_reason() -> None:
    """One model, equal rates, or a mean that is missing: NaN, with why."""
    one = points_table(ice({"a": 1}), similarity([("a", 3.0)]))
    equal = points_table(ice({"a": 1, "b": 1}), similarity([("a", 3.0), ("b", 4.0)]))
    missing = points_table(ice({"a": 1, "b": 2}), similarity([("a", 3.0), ("b", math.nan)]))
    for points in (one, equal, missing):
        loose = correlations_table(points).row(0, named=True)
        assert math.isnan(loose["tau_b"])
        assert loose["warning"]


def test_there_is_a_report_only_where_models_are_in_both() -> None:
    """Without a table, or without a common model, there is nothing to report."""
    rates, means = ice({"a": 1, "b": 3}), similarity([("a", 3.0), ("b", 4.0)])
    found = report_ice_against_rse(report(rates=rates), report(means=means))
    assert found is not None
    assert set(found.tables) == {"ice_against_rse", "ice_against_rse_correlations"}
    assert [row["model"] for row in found.document["points"]] == ["a", "b"]
    assert report_ice_against_rse(report(rates=rates), report()) is None
    assert report_ice_against_rse(report(rates=rates), report(means=similarity([("z", 1.0)]))) is None
