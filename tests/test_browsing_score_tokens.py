"""The token that a score was read at: its alternatives are those that the score is the expectation of."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outputs.browsing.score_tokens import score_tokens
from prompts.parsers import PARSERS, AnswerReader
from prompts.records import Alternative, AnswerFormat, Completion, Mode, SampledToken

FORMS = {
    "accr": (("Accuracy", "Relevance"), "The price is 7. Accuracy: [[5]]. Accuracy: [[{}]]\nRelevance: [[{}]]"),
    "json_scores": (("Accuracy", "Relevance"), '```json\n{{"why": "7 of 9", "accuracy": {}, "relevance": {}}}\n```'),
    "tagged_integer": (
        ("Accuracy", "Relevance"),
        "7 <accuracy>3</accuracy> <accuracy>{}</accuracy><relevance>{}</relevance>",
    ),
    "labelled_aspects": (("Style", "Overall"), "Style: [[{}]]\nOverall: **[[{}]]**"),
    "delimited_score": (("Overall",), "[[3]] 7, so [[{}]]"),
}
LISTED = st.lists(
    st.tuples(
        st.sampled_from(["1", " 2", "7", "9", "10", "11", "x", "-5", "05", "\u0663", "8."]), st.floats(-12.0, 0.5)
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda pair: pair[0],
)


def tokens_of(text: str, listed: Sequence[tuple[str, float]], split: bool) -> tuple[SampledToken, ...]:
    """A token for each word, number and mark; every number's has alternatives; the last one split where wanted."""
    pieces = [""]
    for character in text:
        number = character.isdigit() and pieces[-1].isdigit() and not split
        if number or (character.isalpha() and pieces[-1].isalpha()):
            pieces[-1] += character
        else:
            pieces.append(character)
    spread = tuple(Alternative(token, logprob) for token, logprob in listed)
    return tuple(
        SampledToken(
            piece, -0.25 - place / 100, alternatives=spread if piece.isdigit() else (Alternative(piece, -0.1),)
        )
        for place, piece in enumerate(pieces[1:])
    )


@settings(deadline=None)
@given(
    parser=st.sampled_from(sorted(FORMS)),
    values=st.tuples(st.integers(0, 10), st.integers(0, 10)),
    listed=LISTED,
    split=st.booleans(),
)
def test_the_expectation_over_the_alternatives_is_the_score(
    parser: str, values: tuple[int, int], listed: list[tuple[str, float]], split: bool
) -> None:
    """Value and mass come out as scoring has them, from the very token that holds the score's digits."""
    labels, form = FORMS[parser]
    reader = AnswerReader(PARSERS[parser], AnswerFormat(parser=parser, scale=(0, 10), dimensions=labels))
    text = form.format(*values)
    completion = Completion(text, "stop", None, tokens_of(text, listed, split))
    parsed = reader(completion)
    found = score_tokens(reader, completion, parsed)
    own = [label.lower() for label in labels]
    assert set(found) == {name for name in own if parsed.scores[name].mode is Mode.EXPECTATION}
    for name, token in found.items():
        score, taken = parsed.scores[name], [one for one in token.alternatives if one.integer is not None]
        mass = math.fsum(one.probability for one in taken)
        value = math.fsum(one.integer * one.probability for one in taken if one.integer is not None)
        assert mass == pytest.approx(score.mass)
        assert value / mass == pytest.approx(score.value)
        assert completion.tokens is not None
        assert completion.tokens[token.place].token == token.token == str(score.sampled)
        assert text.rfind(str(score.sampled)) >= 0
        assert [one.token for one in token.alternatives if one.sampled] == [token.token]
    places = [token.place for token in found.values()]
    assert len(set(places)) == len(places)


def test_without_log_probabilities_there_is_no_token() -> None:
    """Nothing is made up where the provider sent none."""
    labels, form = FORMS["accr"]
    reader = AnswerReader(PARSERS["accr"], AnswerFormat(parser="accr", scale=(0, 10), dimensions=labels))
    completion = Completion(form.format(3, 4), "stop")
    assert score_tokens(reader, completion, reader(completion)) == {}


def test_an_average_has_no_token_of_its_own() -> None:
    """Only what the judge wrote was read at a token."""
    labels, form = FORMS["accr"]
    reader = AnswerReader(PARSERS["accr"], AnswerFormat(parser="accr", scale=(0, 10), dimensions=labels))
    text = form.format(3, 4)
    completion = Completion(text, "stop", None, tokens_of(text, [("3", -1.0), ("4", -1.0)], False))
    parsed = reader(completion)
    assert "average" in parsed.scores
    assert set(score_tokens(reader, completion, parsed)) == {"accuracy", "relevance"}
