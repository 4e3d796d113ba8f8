"""Reading labelled, delimited scores from a judge's answer."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.accr import AVERAGE, parse, score_names
from prompts.records import Alternative, Completion, Mode, Outcome, Parsed, SampledToken

LABELS = ("Accuracy", "Completeness", "Conciseness", "Relevance")
SCALE = (0, 100)
ENDING = "Accuracy: [[85]]\nCompleteness: [[70]]\nConciseness: [[90]]\nRelevance: [[75]]"


def read(text: str | None, *tokens: SampledToken, finish_reason: str = "stop", refusal: str | None = None) -> Parsed:
    return parse(Completion(text, finish_reason, refusal, tokens or None), LABELS, SCALE)


def word(text: str, *listed: tuple[str, float]) -> SampledToken:
    p = dict(listed).get(text, 0.5)
    alternatives = tuple(Alternative(name, math.log(value)) for name, value in listed)
    return SampledToken(text, math.log(p), text.encode(), alternatives)


def scored(label: str, value: str, *listed: tuple[str, float]) -> list[SampledToken]:
    """The tokens of `Label: [[value]]` and a line break, with alternatives at the value's token."""
    listed = listed or ((value, 1.0),)
    return [word(label), word(": [["), word(value, *listed), word("]]"), word("\n")]


def answer(tokens: list[SampledToken]) -> Parsed:
    return read("".join(t.token for t in tokens), *tokens)


def rest(*labels: str) -> list[SampledToken]:
    return [t for label in labels for t in scored(label, "50")]


def test_scores_without_logprobs_are_the_sampled_integers() -> None:
    """An answer without log probabilities gives the integers, and says that no expectation was taken."""
    parsed = read("Some reasoning.\n" + ENDING)
    assert parsed.outcome is Outcome.OK
    assert {name: score.value for name, score in parsed.scores.items()} == {
        "accuracy": 85,
        "completeness": 70,
        "conciseness": 90,
        "relevance": 75,
        "average": 80,
    }
    assert {score.mode for score in parsed.scores.values()} == {Mode.NO_LOGPROBS}
    assert tuple(parsed.scores) == score_names(LABELS)


def test_score_tokens_give_expectations() -> None:
    """Each score is the expectation at its own token, and the average takes the least mass."""
    tokens = scored("Accuracy", "85", ("85", 0.5), ("95", 0.3)) + rest("Completeness", "Conciseness", "Relevance")
    parsed = answer(tokens)
    assert parsed.scores["accuracy"].value == pytest.approx((85 * 0.5 + 95 * 0.3) / 0.8)
    average = parsed.scores[AVERAGE]
    assert average.mode is Mode.EXPECTATION
    assert average.mass == pytest.approx(0.8)
    assert average.value == pytest.approx((parsed.scores["accuracy"].value + 150) / 4)


def test_prices_and_earlier_slots_in_the_reasoning_do_not_matter() -> None:
    """Only the last slot of a label counts, whatever numbers and delimiters stand before it."""
    draft = "A price of $20, say [[12]] of [[100]]. At first Accuracy: [[10]] seemed right, in 2024.\n"
    tokens = [word(draft), *scored("Accuracy", "85", ("85", 0.5), ("10", 0.5)), *rest(*LABELS[1:])]
    assert answer(tokens).scores["accuracy"].value == pytest.approx(47.5)
    assert read(draft + ENDING).scores["accuracy"].sampled == 85


def test_a_score_split_over_tokens_weakens_the_average() -> None:
    """A split score keeps its sampled integer, and the average is no expectation any more."""
    split = [word("Accuracy"), word(": [["), word("8", ("9", 0.9)), word("5", ("0", 0.9)), word("]]\n")]
    parsed = answer(split + rest(*LABELS[1:]))
    assert (parsed.scores["accuracy"].value, parsed.scores["accuracy"].mode) == (85.0, Mode.SPLIT)
    assert parsed.scores["relevance"].mode is Mode.EXPECTATION
    assert (parsed.scores[AVERAGE].mode, parsed.scores[AVERAGE].mass) == (Mode.SPLIT, None)


def test_score_glued_to_its_delimiter_is_one_token() -> None:
    """A tokeniser that joins `[[` to the number still samples the score as one token."""
    glued = [word("Accuracy:"), word(" "), word("[[85", ("[[85", 0.5), ("[[80", 0.5)), word("]]\n")]
    assert answer(glued + rest(*LABELS[1:])).scores["accuracy"].value == pytest.approx(82.5)


def test_empty_tokens_and_partial_characters_keep_the_place() -> None:
    """Tokens without text, and a character spread over two tokens, do not shift the score's place."""
    accent = "é".encode()
    parts = [
        SampledToken("\ufffd", 0.0, accent[:1]),
        SampledToken("\ufffd", 0.0, accent[1:]),
        SampledToken("", 0.0, b""),
        word("\n"),
    ]
    tokens = [*parts, *scored("Accuracy", "85", ("85", 0.5), ("95", 0.5)), *rest(*LABELS[1:])]
    parsed = read("é" + "".join(t.token for t in tokens[3:]), *tokens)
    assert parsed.scores["accuracy"].value == pytest.approx(90.0)


def test_tokens_may_begin_with_a_space_that_the_text_lacks() -> None:
    """Scores are found in the tokens themselves, not by their place in the text."""
    tokens = [word(" "), *scored("Accuracy", "85", ("85", 0.5), ("95", 0.5)), *rest(*LABELS[1:])]
    parsed = read("".join(t.token for t in tokens).strip(), *tokens)
    assert parsed.scores["accuracy"].value == pytest.approx(90.0)


def test_tokens_that_tell_another_score_are_not_used() -> None:
    """Where the tokens do not end on the text's score, that one score has no log probabilities."""
    parsed = read(ENDING, *scored("Accuracy", "20"), *scored("Completeness", "70", ("70", 0.5), ("60", 0.5)))
    assert {name: score.mode for name, score in parsed.scores.items() if score.mode is not Mode.NO_LOGPROBS} == {
        "completeness": Mode.EXPECTATION
    }
    assert parsed.scores["accuracy"].value == 85.0
    assert parsed.scores["completeness"].value == pytest.approx(65.0)


@pytest.mark.parametrize(
    "line",
    [
        "**Accuracy:** [[85]]",
        "**Accuracy**: [[85]]",
        "Accuracy: **[[85]]**",
        "- *accuracy* : [[ 85 ]]",
        "### ACCURACY:\n[[**85**]]",
        "`Accuracy: [[85]]`/100.",
        "_Accuracy_: [[85]]",
        "Accuracy： [[085]]",
    ],
)
def test_emphasis_and_case_are_tolerated(line: str) -> None:
    """Markdown around the label or the slot, and the label's case, do not matter."""
    parsed = read(ENDING.replace("Accuracy: [[85]]", line))
    assert parsed.outcome is Outcome.OK
    assert parsed.scores["accuracy"].sampled == 85


@pytest.mark.parametrize(
    "slot", ["[[101]]", "[[-5]]", "[[85.5]]", "[[85%]]", "[[high]]", "[[]]", "[[²]]", f"[[{'9' * 5000}]]", "[[8 5]]"]
)
def test_a_slot_that_is_no_score_is_unparseable_and_named(slot: str) -> None:
    """An integer beyond the scale, a fraction or a word never becomes a number, and the reason names the dimension."""
    parsed = read(ENDING.replace("[[70]]", slot))
    assert (parsed.outcome, parsed.scores) == (Outcome.UNPARSEABLE, {})
    assert parsed.reason is not None
    assert parsed.reason.startswith("completeness: ")
    assert len(parsed.reason) < 120


def test_a_later_faulty_slot_is_not_healed_by_an_earlier_score() -> None:
    """The last slot counts even where it is the one that cannot be read."""
    assert read(ENDING + "\nAccuracy: [[n/a]]").outcome is Outcome.UNPARSEABLE


def test_the_repeated_form_of_the_prompt_is_no_slot() -> None:
    """An answer that repeats `[[0-100]]` has not answered with it."""
    assert read(ENDING + "\nAccuracy: [[0-100]]").scores["accuracy"].sampled == 85
    assert read("Accuracy: [[0-100]]").outcome is Outcome.UNPARSEABLE


def test_all_missing_dimensions_are_named() -> None:
    """The reason names every dimension without a score, and a label within a word is no label."""
    parsed = read("Inaccuracy: [[3]]\nConciseness: [[90]]\nRelevance: 75")
    assert parsed.outcome is Outcome.UNPARSEABLE
    assert parsed.reason == "accuracy: no score; completeness: no score; relevance: no score"


def test_refused_filtered_and_truncated_answers_are_told_apart() -> None:
    """Each way of not answering has its own outcome, and none has scores."""
    assert read(None, refusal="I cannot rate this.").outcome is Outcome.REFUSED
    assert read(ENDING, finish_reason="content_filter").outcome is Outcome.FILTERED
    assert read(None).outcome is Outcome.UNPARSEABLE
    cut = read(ENDING[:-2], finish_reason="length")
    assert (cut.outcome, cut.scores) == (Outcome.TRUNCATED, {})
    assert cut.reason is not None
    assert "relevance" in cut.reason


def test_an_answer_cut_after_its_last_score_is_ok() -> None:
    """What follows the last score is not needed."""
    assert read(ENDING + "\nOverall, the", finish_reason="length").outcome is Outcome.OK


def test_labels_of_several_words_become_keys_with_underscores() -> None:
    """A label of two words is found over any space and keyed with an underscore."""
    parsed = parse(Completion("Response  Style: [[4]]"), ["Response Style"], (1, 5))
    assert parsed.scores["response_style"].sampled == 4


PIECES = st.sampled_from([*LABELS, ": ", "[[", "]]", "85", "101", "*", "\n", "é", "\ud800", "0-100", " "])


@given(st.text() | st.lists(PIECES).map("".join), st.sampled_from([None, "stop", "length", "content_filter", "odd"]))
def test_reading_never_raises(text: str, finish_reason: str | None) -> None:
    """Any text at all has an outcome, with all scores or none, with and without tokens that tell it."""
    for tokens in (None, (), tuple(SampledToken(char, -0.5, None, (Alternative("9", -0.5),)) for char in text)):
        parsed = parse(Completion(text, finish_reason, None, tokens), LABELS, SCALE)
        assert tuple(parsed.scores) == (score_names(LABELS) if parsed.outcome is Outcome.OK else ())
        assert (parsed.reason is None) == (parsed.outcome is Outcome.OK)
