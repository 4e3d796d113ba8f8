"""System level: correlations of systems' means, and metrics held against each other on the captions of both."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from scipy.stats import kendalltau

from outputs.analysis_options import Options
from outputs.captions.agreement import human_agreement
from outputs.items import Item, Rating
from outputs.report import Report
from outputs.statistics.resampling import Floats
from outputs.statistics.systems import perm_both_systems, resampled_system_taus, system_means
from tests.test_captions import only, page, report

SYSTEMS = "ABCDEF"
FEW = Options(resamples=100)


def captions(of: Sequence[Callable[[int, int], float | None]], annotators: Sequence[int] = (0, 1)) -> list[Item]:
    """Eight captions of each of six systems, later ones better; scores of metrics M0, M1, ... by system and place."""
    return [
        Item(
            item=f"{system}{n}",
            system=system,
            media=f"p{n}",
            ratings=tuple(Rating(str(who), {"overall": float(rank + who * n % 3)}) for who in annotators),
            scores={f"M{at}": {"overall": value} for at, one in enumerate(of) if (value := one(rank, n)) is not None},
        )
        for rank, system in enumerate(SYSTEMS)
        for n in range(8)
    ]


def good(rank: int, n: int) -> float:
    return rank + n / 10


def noisy(rank: int, n: int) -> float:
    return (rank * 5 + n) % 11


def partial(rank: int, n: int) -> float | None:
    """As good, but the last three captions of the worse systems are missing."""
    return None if rank < 3 and n > 4 else rank + n / 10


def test_metrics_are_compared_on_the_captions_of_both(tmp_path: Path) -> None:
    """A metric that lacks captions of some systems says so, and is held against another on what both scored."""
    found = report(tmp_path, captions([noisy, partial]))
    rows = {
        row["metric"]: row for row in found.tables["correlations"].iter_rows(named=True) if row["level"] == "system"
    }
    assert {name: (row["n"], row["items"], row["rated"], row["left_out"]) for name, row in rows.items()} == {
        "M0": (6, 48, 48, 0),
        "M1": (6, 39, 48, 9),
    }
    assert rows["M1"]["coverage"] == pytest.approx(39 / 48)
    compared = only(found.tables["comparisons"], level="system")
    assert (compared["items"], compared["n"], compared["clusters"]) == (39, 6, 8)
    assert (compared["first_metric"], compared["left_out_first"], compared["left_out_second"]) == ("M1", 0, 9)
    common = [item for item in captions([noisy, partial]) if "M1" in item.scores]
    values: list[Callable[[Item], float]] = [
        lambda item: item.scores["M0"]["overall"],
        lambda item: item.scores["M1"]["overall"],
        lambda item: fmean(one.scores["overall"] for one in item.ratings),
    ]
    means = [[fmean(value(item) for item in common if item.system == name) for name in SYSTEMS] for value in values]
    taus = [100 * kendalltau(one, means[2]).statistic for one in means[:2]]
    assert (compared["tau_second"], compared["tau_first"]) == (pytest.approx(taus[0]), pytest.approx(taus[1]))
    assert compared["difference"] == pytest.approx(taus[1] - taus[0])
    assert compared["low"] <= compared["difference"] <= compared["high"]
    shown = page(found)
    assert "not all over the same captions, so the order is no ranking" in shown
    assert "M1 less the others, people's overall, system level" in shown


def test_few_systems_are_said_in_comparisons_too(tmp_path: Path) -> None:
    """Six systems are too few to tell metrics apart by, whatever p comes out, and the test is named."""
    compared = only(report(tmp_path, captions([good, noisy])).tables["comparisons"], level="system")
    assert "only 6 systems" in compared["warning"]
    assert (compared["test"], compared["pairs"]) == ("PERM-BOTH by caption, standardised", 1)
    assert 0 < compared["p"] <= compared["p_holm"] <= 1


def system_rows(found: Report) -> list[tuple[str, str]]:
    rows = found.tables["correlations"].iter_rows(named=True)
    return [(row["metric"], row["protocol"]) for row in rows if row["level"] == "system"]


def test_systems_are_there_once_whatever_the_protocols(tmp_path: Path) -> None:
    """A system's mean is the same under every protocol, and so there is one row of it."""
    found = report(
        tmp_path, captions([good]), Options(resamples=100, protocols=("ratings", "averaged", "per-annotator"))
    )
    assert system_rows(found) == [("M0", "averaged")]
    assert len(found.tables["correlations"]) == 4


def test_the_ceiling_of_systems_is_of_annotators_means() -> None:
    """Annotators who order systems alike agree wholly, though they differ on captions."""
    items = captions([good])
    assert human_agreement(items, "overall").tau_b < 1
    assert human_agreement(items, "overall", by_system=True).tau_b == pytest.approx(1)
    assert human_agreement(captions([good], (0,)), "overall", by_system=True).reason == "no item with two annotators"


def test_the_ceiling_of_systems_stands_in_their_rows(tmp_path: Path) -> None:
    """The agreement of a row is that of its level."""
    rows = report(tmp_path, captions([good])).tables["correlations"]
    assert only(rows, level="system")["human_tau_b"] == pytest.approx(100)
    assert only(rows, level="segment")["human_tau_b"] < 100


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_correlations_are_the_same_at_any_scale(tmp_path: Path, scale: float) -> None:
    """Scores that are tiny or huge have the correlations of ordinary ones, and a mean that can be read."""
    plain = report(tmp_path / "plain", captions([noisy])).tables["correlations"]
    found = report(tmp_path / "scaled", captions([lambda rank, n: scale * noisy(rank, n)]))
    for name in ("pearson", "spearman", "tau_b", "tau_b_low", "tau_c"):
        assert found.tables["correlations"][name].to_list() == pytest.approx(plain[name].to_list(), abs=1e-9)
    assert "0000000" not in page(found)


def drawn(rows: int, seed: int = 0) -> tuple[Floats, Floats, list[str]]:
    rng = np.random.default_rng(seed)
    names = [SYSTEMS[n % len(SYSTEMS)] for n in range(rows)]
    quality = np.array([SYSTEMS.index(name) for name in names], dtype=float)
    return quality + rng.normal(size=rows), quality + rng.normal(size=rows), names


def test_a_resample_has_the_taus_of_its_systems_means() -> None:
    """Weights give what scipy gives for the means of the repeated captions, NaN where a system has none."""
    scores, ratings, names = drawn(60)
    rng = np.random.default_rng(1)
    weights = rng.multinomial(60, np.full(60, 1 / 60), size=20).astype(float)
    weights[-1, [name == "A" for name in names]] = 0
    found = resampled_system_taus(scores[:, None], ratings, names)(weights)
    assert np.isnan(found[-1]).all()
    for values, one in zip(found[:-1], weights[:-1], strict=True):
        at = np.repeat(np.arange(60), one.astype(int))
        labels = [names[place] for place in at]
        sides = system_means(scores[at], labels), system_means(ratings[at], labels)
        assert values.tolist() == pytest.approx([kendalltau(*sides, variant=kind).statistic for kind in "bc"])


def test_swaps_tell_a_metric_of_systems_from_noise() -> None:
    """A metric that orders systems as people do differs from one that reverses them, and not from its copy."""
    scores, ratings, names = drawn(120)
    assert perm_both_systems(scores, -scores, ratings, names, permutations=199) < 0.03
    assert perm_both_systems(scores, 7 * scores + 3, ratings, names, permutations=199) == 1.0
    assert np.isnan(perm_both_systems(np.full(120, 0.1), scores, ratings, names, permutations=199))
