"""Reading aspects and an overall score, and the mean of the aspects beside it."""

import math

import pytest

from prompts.labelled_aspects import parse, score_names
from prompts.records import Alternative, Completion, Mode, Outcome, SampledToken

LABELS_OF_TWO = ("Style", "Detail", "Overall")
LABELS = ("Response Style", "Logical Structure", "Content Detail", "Overall")
ANSWER = "Response Style: [[4]]\nLogical Structure: [[2]]\nContent Detail: [[3]]\nOverall: [[5]]"


def test_the_mean_is_that_of_the_aspects_without_the_overall_score() -> None:
    """The last dimension is what the judge said overall, the mean of all before it stands beside; there is no other."""
    parsed = parse(Completion("Overall: [[1]]?\n" + ANSWER), LABELS, (1, 5))
    values = {name: score.value for name, score in parsed.scores.items()}
    aspects = {"response_style": 4, "logical_structure": 2, "content_detail": 3}
    assert values == {**aspects, "overall": 5, "aspect_mean": 3}
    assert tuple(values) == score_names(LABELS)


def token(text: str, *listed: tuple[str, float]) -> SampledToken:
    return SampledToken(text, math.log(dict(listed)[text]), None, tuple(Alternative(t, math.log(p)) for t, p in listed))


def test_the_mean_has_the_weakest_mode_of_the_aspects() -> None:
    """Expectations give a mean of them with the least mass; the overall score's own mode has no part in it."""
    words = [SampledToken(part, 0.0) for part in ("Style: [[", "]]\nDetail: [[", "]]\nOverall: [[", "]]")]
    scores = [token("4", ("4", 0.5), ("2", 0.5)), token("3", ("3", 0.25), ("5", 0.25)), SampledToken("5", 0.0)]
    tokens = tuple(one for pair in zip(words, [*scores, SampledToken("", 0.0)], strict=True) for one in pair)
    parsed = parse(Completion("".join(t.token for t in tokens), "stop", None, tokens), LABELS_OF_TWO, (1, 5))
    mean = parsed.scores["aspect_mean"]
    assert [mean.value, mean.mass] == pytest.approx([3.5, 0.5])
    assert mean.mode is Mode.EXPECTATION
    assert parsed.scores["overall"].mode is Mode.NO_LOGPROBS


def test_one_missing_score_is_no_mean() -> None:
    """A mean of what is left would not be comparable: the answer is unparseable and names what is missing."""
    parsed = parse(Completion(ANSWER.replace("Content Detail", "Detail")), LABELS, (1, 5))
    assert (parsed.outcome, parsed.scores) == (Outcome.UNPARSEABLE, {})
    assert parsed.reason == "content_detail: no score"
