"""The same run and seed give the same bytes: no sum of floats hangs on the order in which threads end."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from outputs.analysis_options import Options
from outputs.identity.differences import differences_table
from outputs.judged.agreement import order_table
from outputs.judged.gathering import gather
from outputs.similarity.judge import judge_values
from outputs.similarity.texts import read_texts
from tests.harness.answer_runs import answer_run
from tests.harness.identity_runs import rows_of, searched
from tests.harness.judgements import grid, judged_run

AGAIN = 8


def all_equal(make: Callable[[], pl.DataFrame]) -> bool:
    return len({make().write_csv(float_precision=17) for _ in range(AGAIN)}) == 1


def uneven(items: int, seed: int) -> list[float | None]:
    """Values that do not add up exactly."""
    return list((10 ** np.random.default_rng(seed).uniform(-6, 6, items)).tolist())


def test_differences_of_targets_are_the_same_every_time() -> None:
    """Neither standard error nor p changes in its last digits."""
    hits = np.random.default_rng(0).integers(0, 10, (2, 60)).tolist()
    rows = rows_of([*searched(hits[0], "a"), *searched(hits[1], "b")])
    assert all_equal(lambda: differences_table(rows))


def test_what_swapping_the_order_comes_to_is_the_same_every_time(tmp_path: Path) -> None:
    """Sums over the answers to an item have one order."""
    rows = [
        row
        for swapped in (False, True)
        for row in grid({name: uneven(60, 9 * swapped + n) for n, name in enumerate("abcdefgh")}, swapped=swapped)
    ]
    found = gather([judged_run(tmp_path / "run", rows)])
    assert all_equal(lambda: order_table(found, Options(resamples=20)))


def test_what_similarity_is_held_against_is_the_mean_over_judges(tmp_path: Path) -> None:
    """Each judge counts once, however often it was asked; what one of them could not read has no value."""
    said = {model: {"i0": "One thing.", "i1": "Another."} for model in ("a", "ref")}
    run = answer_run(tmp_path / "run", said, reference="ref", ratings={("i0", "a"): 1.0, ("i1", "a"): 4.0})
    one = pl.read_parquet(run.tables["scores"]).with_columns(judge=pl.lit("p/j"))
    often = one.filter(pl.col("item") == "i0").with_columns(judge=pl.lit("p/k"), value=pl.lit(5.0))
    lost = one.filter(pl.col("item") == "i1").with_columns(judge=pl.lit("p/k"), value=pl.lit(None, pl.Float64))
    pl.concat([one, often, often, often, lost]).write_parquet(run.tables["scores"])
    texts = read_texts([run], 200, 0)[0][1]
    values = judge_values([run], texts, {"a": "ref"})[:, texts.models.index("a")]
    assert np.array_equal(values, [3.0, np.nan], equal_nan=True)
