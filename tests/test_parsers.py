"""What holds for every format of answers: expectations from constructed log probabilities, and no garbled number."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.parsers import PARSERS, AnswerReader
from prompts.records import Alternative, AnswerFormat, Completion, Mode, Outcome, Parsed, SampledToken, Score

PRICES = "It costs $5, once $1,200, and $30 in 2024. At first 40 of 100 seemed right. "
LABELS = {"labelled_aspects": ("Style", "Overall")}
FORMS = {  # a parser, what stands before the score, and what behind it
    "accr": ("accr", PRICES + "Overall: [[", "]]"),
    "json_scores": ("json_scores", f'{{"reasoning": "{PRICES}", "overall": ', "}"),
    "labelled_aspects": ("labelled_aspects", PRICES + "Style: [[50]]\nOverall: [[", "]]"),
    "tagged_integer": ("tagged_integer", PRICES + "<overall>", "</overall>"),
    "delimited_score": ("delimited_score", PRICES + "Score: [[", "]]"),
    "between dollars": ("delimited_score", PRICES + "Score: $", "$"),
}
every_form = pytest.mark.parametrize("form", FORMS)


def reader(form: str) -> AnswerReader:
    parser = FORMS[form][0]
    marks = ("$", "$") if form == "between dollars" else None
    labels = LABELS.get(parser, ("Overall",))
    return AnswerReader(
        PARSERS[parser], AnswerFormat(parser=parser, scale=(0, 100), dimensions=labels, delimiters=marks)
    )


def plain(text: str) -> SampledToken:
    return SampledToken(text, 0.0, text.encode(), (Alternative(text, 0.0),))


def token(text: str, p: float, **listed: float) -> SampledToken:
    """A token of probability `p`; the names of the listed ones are written with `_` for a space and `t` before them."""
    alternatives = {name.removeprefix("t").replace("_", " "): value for name, value in listed.items()}
    return SampledToken(text, math.log(p), None, tuple(Alternative(k, math.log(v)) for k, v in alternatives.items()))


def parse(form: str, *score: SampledToken, keep_tokens: bool = True) -> Parsed:
    """An answer in this form, the tokens of the score between those of the words around it."""
    _, before, after = FORMS[form]
    tokens = (*map(plain, before.split(" ")[:1]), plain(before[len(before.split(" ")[0]) :]), *score, plain(after))
    text = "".join(one.token for one in tokens)
    return reader(form)(Completion(text, "stop", None, tokens if keep_tokens else None))


def overall(parsed: Parsed) -> Score:
    assert parsed.outcome is Outcome.OK, parsed
    return parsed.scores["overall"]


@every_form
def test_the_expectation_is_that_of_the_score_s_token(form: str) -> None:
    """sum(i p) / sum(p) over the integers of the scale, all spellings of one together; the mass is sum(p)."""
    listed = {"t85": 0.5, "t_85": 0.125, "t90": 0.125, "thigh": 0.125, "t101": 0.0625}
    score = overall(parse(form, token("85", 0.5, **listed)))
    assert score.value == pytest.approx((85 * 0.5 + 85 * 0.125 + 90 * 0.125) / 0.75)
    assert (score.sampled, score.mode) == (85, Mode.EXPECTATION)
    assert score.mass == pytest.approx(0.75)


@every_form
def test_space_empty_tokens_and_marks_glued_to_the_score_do_not_matter(form: str) -> None:
    """A token that is the score with space or a mark around it is the score, also between tokens of no text."""
    blank = SampledToken("", 0.0, b"", (Alternative("7", 0.0),))
    spaced = overall(parse(form, blank, token(" 85", 0.5, t_85=0.5, t_95=0.25), blank))
    assert spaced.value == pytest.approx((85 * 0.5 + 95 * 0.25) / 0.75)
    assert spaced.mode is Mode.EXPECTATION
    _, before, after = FORMS[form]
    left, right = before[-1], after[0]
    for spelt, cut_before, cut_after in ((left + "85", 1, 0), ("85" + right, 0, 1)):
        head, tail = before[: len(before) - cut_before], after[cut_after:]
        glued = SampledToken(spelt, math.log(0.5), None, tuple(Alternative(t, math.log(0.5)) for t in (spelt, "15")))
        tokens = (plain(head), glued, plain(tail))
        score = overall(reader(form)(Completion(head + spelt + tail, "stop", None, tokens)))
        assert score.mode is Mode.EXPECTATION
        assert [score.value, score.mass] == pytest.approx([50.0, 1.0])


@every_form
def test_a_score_over_two_tokens_is_the_sampled_integer(form: str) -> None:
    """The alternatives of a part of a number are never read."""
    score = overall(parse(form, token("8", 0.5, t8=0.5, t9=0.5), token("5", 0.5, t5=0.5, t0=0.5)))
    assert score == Score(85.0, 85, Mode.SPLIT)


@every_form
def test_a_sampled_token_that_is_not_listed_counts(form: str) -> None:
    """The token's own probability is added where the list lacks it."""
    score = overall(parse(form, token("40", 0.25, t60=0.5, tno=0.25)))
    assert score.value == pytest.approx((40 * 0.25 + 60 * 0.5) / 0.75)
    assert score.mass == pytest.approx(0.75)


@every_form
def test_without_log_probabilities_the_sampled_integer_stands(form: str) -> None:
    """No tokens, tokens that list nothing, and tokens of another answer: the integer, and the mode says so."""
    wanted = Score(85.0, 85, Mode.NO_LOGPROBS)
    assert overall(parse(form, token("85", 0.5, t85=0.5), keep_tokens=False)) == wanted
    assert overall(parse(form, token("85", 0.5))) == wanted
    _, before, after = FORMS[form]
    other = (plain(before), plain("20"), plain(after))
    assert overall(reader(form)(Completion(f"{before}85{after}", "stop", None, other))) == wanted


@every_form
@pytest.mark.parametrize("written", ["101", "-5", "85.5", "85%", "1,200", "high", "٣", "85/100", "9" * 5000])
def test_what_is_no_integer_of_the_scale_is_no_score(form: str, written: str) -> None:
    """An integer beyond the scale, a fraction, a word, foreign digits: unparseable, with a short reason, no score."""
    parsed = parse(form, plain(written))
    assert (parsed.outcome, parsed.scores) == (Outcome.UNPARSEABLE, {})
    assert 0 < len(parsed.reason or "") < 150


@every_form
def test_the_ways_of_not_answering_are_told_apart(form: str) -> None:
    """A refusal, a filtered answer, one that was cut before its score, and one without words."""
    read, (_, before, after) = reader(form), FORMS[form]
    whole = f"{before}85{after}"
    assert read(Completion(whole, "stop", "I would rather not.")).outcome is Outcome.REFUSED
    assert read(Completion(whole, "content_filter")).outcome is Outcome.FILTERED
    assert read(Completion(before, "length")).outcome is Outcome.TRUNCATED
    assert read(Completion(whole, "length")).outcome is Outcome.OK
    assert read(Completion(None)).outcome is Outcome.UNPARSEABLE


MARKS = ["<overall>", "</overall>", "[[", "]]", "[[85]]", "$", "$85$", "*", "{", "}", '"', ",", "\n", "\ud800", "é"]
PIECES = st.sampled_from(["Overall:", "Style:", "Overall", "85", "101", "-5", "0-100", "²", "٣", *MARKS])
ANSWERS = st.text() | st.lists(PIECES).map("".join) | st.lists(PIECES).map(" ".join)
REASONS = st.sampled_from([None, "stop", "length", "content_filter", "odd"])


def tokens_of(text: str) -> tuple[SampledToken, ...]:
    return tuple(SampledToken(char, -0.5, None, (Alternative("9", -0.5), Alternative("300", -0.1))) for char in text)


def check(read: AnswerReader, text: str, reason: str | None, refusal: str | None) -> None:
    cases: Sequence[tuple[SampledToken, ...] | None] = (None, (), tokens_of(text))
    for tokens in cases:
        parsed = read(Completion(text, reason, refusal, tokens))
        assert tuple(parsed.scores) == (read.dimensions if parsed.outcome is Outcome.OK else ())
        assert (parsed.reason is None) == (parsed.outcome is Outcome.OK)
        assert all(0 <= s.value <= 100 and 0 <= s.sampled <= 100 for s in parsed.scores.values())


@given(ANSWERS, REASONS, st.sampled_from([None, "", "no"]))
def test_reading_never_raises(text: str, reason: str | None, refusal: str | None) -> None:
    """Any text at all has an outcome: all scores, each within the scale, or none and a reason."""
    for form in FORMS:
        check(reader(form), text, reason, refusal)


@given(st.integers(0, 100), st.sampled_from(sorted(FORMS)), st.text(max_size=20))
def test_a_score_that_is_written_comes_back(score: int, form: str, said: str) -> None:
    """Whatever a judge says before, the score that it ends on is the score."""
    _, before, after = FORMS[form]
    said = "" if form == "json_scores" else said.replace("/", "") + " "
    assert overall(reader(form)(Completion(f"{said}{before}{score}{after}", "stop"))).sampled == score
