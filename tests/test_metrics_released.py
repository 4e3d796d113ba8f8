"""The published correlations of the classic metrics with people, from the released captions, to three decimals."""

import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
from scipy.stats import kendalltau

from jobs.datasets import read_msvd_eval
from jobs.flickr8k import read_flickr8k_expert
from outputs.items import Item
from outputs.metrics.captions import caption_metrics
from outputs.metrics.meteor import meteor
from outputs.metrics.tokens import tokenize

pytestmark = pytest.mark.long

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
NOT_HERE = f"THE RELEASED CAPTIONS ARE NOT HERE ({DATA}): the published numbers go unchecked"
needs_msvd = pytest.mark.skipif(not (DATA / "MSVD-Eval.json").exists(), reason=NOT_HERE)
needs_flickr = pytest.mark.skipif(not (DATA / "flickr8k.json").exists(), reason=NOT_HERE)
needs_meteor = pytest.mark.skipif(
    shutil.which("java") is None or find_spec("pycocoevalcap") is None,
    reason="JAVA OR pycocoevalcap IS NOT HERE: METEOR goes unchecked",
)

# tau-b, tau-c x100
FLICKR = {
    "BLEU-1": (32.175, 32.324),
    "BLEU-4": (30.599, 30.776),
    "ROUGE-L": (32.139, 32.314),
    "CIDEr": (43.602, 43.891),
}
FLICKR_AVERAGED = {"BLEU-1": 32.821, "BLEU-4": 31.131, "ROUGE-L": 32.548, "CIDEr": 45.393}  # tau-c
MSVD = {
    "BLEU-1": (40.726, 41.165),
    "BLEU-4": (33.983, 34.381),
    "ROUGE-L": (39.760, 40.200),
    "CIDEr": (37.269, 37.703),
}
MSVD_METEOR = (45.359, 45.890)


def scores(items: Sequence[Item]) -> dict[str, dict[str, float]]:
    """By metric and item."""
    found: dict[str, dict[str, float]] = {}
    for item, metric, value in caption_metrics(items).values.iter_rows():
        found.setdefault(metric, {})[item] = value
    return found


def tau(variant: str, points: Sequence[tuple[float, float]]) -> float:
    """x100, to three decimals."""
    return round(100 * float(kendalltau(*zip(*points, strict=True), variant=variant).statistic), 3)


def taus(items: Sequence[Item], values: Mapping[str, float], dimension: str) -> tuple[float, float]:
    """Each rating is a point, paired with its caption's value."""
    points = [(values[item.item], rating.scores[dimension]) for item in items for rating in item.ratings]
    return tau("b", points), tau("c", points)


@needs_flickr
def test_flickr8k_experts_rows_are_the_published_ones() -> None:
    """16,992 ratings, each a point; and the averaged protocol, a point a caption."""
    items = list(read_flickr8k_expert(DATA / "flickr8k.json"))
    assert sum(len(item.ratings) for item in items) == 16_992
    values = scores(items)
    assert {metric: taus(items, values[metric], "overall") for metric in FLICKR} == FLICKR
    means = {item.item: sum(rating.scores["overall"] for rating in item.ratings) / 3 for item in items}
    averaged = {
        metric: tau("c", [(values[metric][item], mean) for item, mean in means.items()]) for metric in FLICKR_AVERAGED
    }
    assert averaged == FLICKR_AVERAGED


@needs_msvd
def test_msvd_evals_rows_are_the_published_ones() -> None:
    """394 points, the average of each annotator's ratings; BLEU-4 too, as the tokens are Stanford's."""
    items = list(read_msvd_eval(DATA / "MSVD-Eval.json"))
    values = scores(items)
    assert {metric: taus(items, values[metric], "average") for metric in MSVD} == MSVD


@needs_msvd
@pytest.mark.meteor
@needs_meteor
def test_msvd_evals_row_of_meteor_is_the_published_one() -> None:
    """By the program itself; a candidate without words that goes with them is 0, and the same text is near 1."""
    items = list(read_msvd_eval(DATA / "MSVD-Eval.json"))
    candidates = [*tokenize([item.candidate for item in items]), "", "a man rides a café horse"]
    references = [*(tokenize(item.references) for item in items), ["a man"], ["", "a man rides a café horse"]]
    *found, empty, same = meteor(candidates, references).tolist()
    assert taus(items, {item.item: score for item, score in zip(items, found, strict=True)}, "average") == MSVD_METEOR
    assert empty == 0
    assert same == 1
