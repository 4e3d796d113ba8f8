"""Reads labelled scores of which the last is the overall one: `Response Style: [[4]]`, ..., `Overall: [[4]]`.

The aspects before it have a mean of their own, `aspect_mean`, which is set beside what the judge said overall: a mean
over all of them would count the overall impression as one aspect more. Reading never raises.
"""

from collections.abc import Mapping, Sequence

from prompts.accr import read_labelled
from prompts.records import Completion, Parsed, Score
from prompts.score_reading import adding, mean_score, score_key

ASPECT_MEAN = "aspect_mean"


def score_names(labels: Sequence[str]) -> tuple[str, ...]:
    """The dimensions that an answer with these labels gives: the aspects, the overall, and the mean of the aspects."""
    return (*map(score_key, labels), ASPECT_MEAN)


def parse(completion: Completion, dimensions: Sequence[str], scale: tuple[int, int]) -> Parsed:
    """Read the scores of `dimensions` (labels, two at least, the overall last), integers of `scale`, as `accr` does."""
    return adding(_with_aspect_mean, read_labelled(completion, dimensions, scale))


def _with_aspect_mean(scores: Mapping[str, Score]) -> dict[str, Score]:
    return {**scores, ASPECT_MEAN: mean_score(list(scores.values())[:-1])}
