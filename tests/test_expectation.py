"""The expectation of a score over the alternatives of its one token."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.expectation import UNLISTED_LOGPROB, integer_in, score_at
from prompts.records import Alternative, Mode, SampledToken, Score

SCALE = (0, 100)


def token(text: str, p: float = 0.5, **others: float) -> SampledToken:
    """A token sampled with probability p; `others` are listed alternatives beside it, as `t85=0.2` for the token 85."""
    listed = {text: p} | {name.removeprefix("t"): value for name, value in others.items()}
    return listing(text, p, listed)


def listing(text: str, p: float, listed: dict[str, float]) -> SampledToken:
    alternatives = tuple(Alternative(name, math.log(value)) for name, value in listed.items())
    return SampledToken(text, math.log(p), text.encode(), alternatives)


def score_of(digits: str, *tokens: SampledToken) -> Score:
    """The score at the last occurrence of `digits` in the tokens."""
    start = b"".join(t.token.encode() for t in tokens).rindex(digits.encode())
    return score_at(tokens, (start, start + len(digits)), SCALE)


def test_expectation_is_the_weighted_mean_of_integer_alternatives() -> None:
    """The value is sum(i p) / sum(p) over integers only; the mass is sum(p)."""
    score = score_of("85", token("[["), listing("85", 0.5, {"85": 0.5, "90": 0.25, "high": 0.2}), token("]]"))
    assert score.value == pytest.approx((85 * 0.5 + 90 * 0.25) / 0.75)
    assert score.mass == pytest.approx(0.75)
    assert (score.sampled, score.mode) == (85, Mode.EXPECTATION)


@pytest.mark.parametrize("spelt", [" 85", "85.", "[[85", "**85**", "(85)", "\n85", "▁85", "85]]", "_85_"])
def test_space_and_punctuation_around_the_score_do_not_matter(spelt: str) -> None:
    """A token that is the score but for space and punctuation is the score."""
    score = score_of("85", token("x"), listing(spelt, 0.6, {spelt: 0.6, "95": 0.2}))
    assert score.mode is Mode.EXPECTATION
    assert score.value == pytest.approx((85 * 0.6 + 95 * 0.2) / 0.8)


def test_spellings_of_one_integer_both_count() -> None:
    """`85` and ` 85` are two alternatives with one value, and both have weight."""
    score = score_of("85", listing("85", 0.4, {"85": 0.4, " 85": 0.2, "70": 0.4}))
    assert score.value == pytest.approx(85 * 0.6 + 70 * 0.4)
    assert score.mass == pytest.approx(1.0)


def test_score_over_several_tokens_is_the_sampled_integer() -> None:
    """The alternatives of a part of a number are never read."""
    assert score_of("85", token("8", 0.5, t9=0.4), token("5", 0.5, t0=0.4)) == Score(85.0, 85, Mode.SPLIT)


def test_score_glued_to_other_words_is_split() -> None:
    """A token with more in it than the score has alternatives that are no scores."""
    assert score_of("85", listing("score85", 0.5, {"score85": 0.5, "90": 0.5})).mode is Mode.SPLIT


@pytest.mark.parametrize("spelt", ["-85", ".85", "+85", "1,85"])
def test_a_sign_or_decimal_mark_in_front_belongs_to_the_number(spelt: str) -> None:
    """`-85` and `.85` are not the integer 85."""
    assert integer_in(spelt, SCALE) is None


@pytest.mark.parametrize("spelt", ["101", "high", "", " ", "8 5", "85.5", "8x", "²", "٣", "9" * 5000])
def test_what_is_no_integer_of_the_scale_is_none(spelt: str) -> None:
    """Words, fractions, foreign digits and integers beyond the scale have no weight."""
    assert integer_in(spelt, SCALE) is None


def test_integers_beyond_the_scale_have_no_weight() -> None:
    """An alternative of 101 neither moves the value nor adds to the mass."""
    score = score_of("100", listing("100", 0.5, {"100": 0.5, "101": 0.5}))
    assert score.value == 100.0
    assert score.mass == pytest.approx(0.5)


def test_sampled_token_absent_from_its_list_counts() -> None:
    """A provider may leave the sampled token out of the list: its own probability counts then."""
    score = score_of("40", listing("40", 0.1, {"60": 0.3}))
    assert score.value == pytest.approx((40 * 0.1 + 60 * 0.3) / 0.4)


def test_unlisted_probability_counts_as_zero() -> None:
    """-9999.0 says that the sampled token is outside the list, so the listed ones decide."""
    sampled = SampledToken("40", UNLISTED_LOGPROB, b"40", (Alternative("60", math.log(0.3)),))
    score = score_at([sampled], (0, 2), SCALE)
    assert (score.value, score.sampled, score.mode) == (60.0, 40, Mode.EXPECTATION)


@pytest.mark.parametrize(
    "alternatives", [(), (Alternative("40", UNLISTED_LOGPROB),), (Alternative("40", -math.inf), Alternative("x", 0.0))]
)
def test_no_probability_on_an_integer_is_no_expectation(alternatives: tuple[Alternative, ...]) -> None:
    """Without a listed alternative of weight the sampled integer stands, and the mode says so."""
    score = score_at([SampledToken("40", UNLISTED_LOGPROB, b"40", alternatives)], (0, 2), SCALE)
    assert score == Score(40.0, 40, Mode.NO_LOGPROBS)


def test_sampled_token_without_listed_alternatives_is_no_expectation() -> None:
    """A probability of the sampled token alone is not a distribution to take an expectation over."""
    assert score_at([SampledToken("40", -0.1, b"40")], (0, 2), SCALE).mode is Mode.NO_LOGPROBS


def test_empty_tokens_and_tokens_without_bytes_are_passed_over() -> None:
    """Tokens of no text do not split a score, and a token without bytes has those of its text."""
    blank = SampledToken("", 0.0, b"")
    spelt = SampledToken("85", math.log(0.9), None, (Alternative("85", math.log(0.9)),))
    score = score_at([SampledToken("é", 0.0, None), blank, spelt, blank], (2, 4), SCALE)
    assert (score.mode, score.value) == (Mode.EXPECTATION, 85.0)


def test_logprobs_above_zero_do_not_overflow() -> None:
    """A log probability above zero is a rounding fault, not a weight of e to its power."""
    score = score_at([SampledToken("40", 5e4, b"40", (Alternative("40", 5e4), Alternative("60", 0.0)))], (0, 2), SCALE)
    assert score.value == pytest.approx(50.0)


@given(
    sampled=st.integers(0, 100),
    listed=st.dictionaries(st.integers(-20, 130).map(str) | st.text(max_size=3), st.floats(-30, 0), max_size=20),
    logprob=st.floats(-30, 0),
)
def test_expectation_equals_a_direct_computation(sampled: int, listed: dict[str, float], logprob: float) -> None:
    """For any list of alternatives the value is the weighted mean, written out plainly."""
    plain = {name: value for name, value in listed.items() if name.isascii() and name.lstrip("-").isalnum()}
    alternatives = {"x": -1.0} | plain
    weights = {str(sampled): logprob} | alternatives
    scores = [(int(k), math.exp(v)) for k, v in weights.items() if k.isdecimal() and k.isascii() and 0 <= int(k) <= 100]
    mass = sum(p for _, p in scores)
    spelt = SampledToken(str(sampled), logprob, None, tuple(Alternative(k, v) for k, v in alternatives.items()))
    score = score_at([spelt], (0, len(str(sampled))), SCALE)
    assert score.mode is Mode.EXPECTATION
    assert score.mass == pytest.approx(mass)
    assert score.value == pytest.approx(sum(i * p for i, p in scores) / mass)
