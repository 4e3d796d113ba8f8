"""Reading the scores of an answer that is a JSON object."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.json_scores import parse, score_names
from prompts.parsers import reader_for
from prompts.records import Alternative, Completion, Mode, Outcome, Parsed, SampledToken
from prompts.template import load_prompt

LABELS = ("Accuracy", "Relevance")
SCALE = (0, 9)
ANSWER = '{"reasoning": "a 3, {\\"accuracy\\": 1}", "accuracy": 7, "relevance": 5}'


def read(text: str | None, *tokens: SampledToken, finish_reason: str = "stop", refusal: str | None = None) -> Parsed:
    return parse(Completion(text, finish_reason, refusal, tokens or None), LABELS, SCALE)


def word(text: str, *listed: tuple[str, float]) -> SampledToken:
    alternatives = tuple(Alternative(name, math.log(p)) for name, p in listed or ((text, 1.0),))
    return SampledToken(text, math.log(dict(listed).get(text, 1.0)), text.encode(), alternatives)


def sampled(parsed: Parsed) -> dict[str, int]:
    return {name: score.sampled for name, score in parsed.scores.items()}


@pytest.mark.parametrize(
    "text",
    [
        ANSWER,
        f"\n  {ANSWER}\t\n",
        f"```json\n{ANSWER}\n```",
        f"``` {ANSWER}```\n",
        f"```JSON\r\n{ANSWER}\r\n```",
        '{"Accuracy":7 ,\n"RELEVANCE"\t:5,"more":[{"accuracy":1},null,1e999,NaN]}'.replace("NaN", "0"),
        '{"acc\\u0075racy": 7, "relevance": 5}',
    ],
)
def test_an_object_gives_its_scores(text: str) -> None:
    """The object may stand in a fence, its keys in any case and order, and what other keys hold does not matter."""
    parsed = read(text)
    assert (parsed.outcome, sampled(parsed)) == (Outcome.OK, {"accuracy": 7, "relevance": 5, "average": 6})
    assert {score.mode for score in parsed.scores.values()} == {Mode.NO_LOGPROBS}


def test_score_tokens_give_expectations() -> None:
    """Each score is the expectation at its own token, whatever numbers stand before it."""
    parsed = read(
        '{"reasoning": "7 of 9", "accuracy": 7, "relevance": 5}',
        *map(word, ('{"', "reasoning", '":', ' "', "7", " of", " 9", '",', ' "', "accuracy", '":', " ")),
        word("7", ("7", 0.5), ("3", 0.25), ("x", 0.25)),
        *map(word, (",", ' "', "relevance", '":')),
        word(" 5", (" 5", 0.5), ("4", 0.5)),
        word("}"),
    )
    assert parsed.scores["accuracy"].value == pytest.approx((7 * 0.5 + 3 * 0.25) / 0.75)
    assert parsed.scores["accuracy"].mass == pytest.approx(0.75)
    assert parsed.scores["relevance"].value == pytest.approx(4.5)
    assert parsed.scores["average"].mode is Mode.EXPECTATION
    assert parsed.scores["average"].mass == pytest.approx(0.75)


def test_a_fence_that_only_the_tokens_have_does_not_shift_the_place() -> None:
    """A server may cut the fence off the text: the scores are found where the tokens say the same text last."""
    said = '{"accuracy": 7, "relevance": 5}'
    before = [word("é"), word('{"accuracy": 7, "relevance": 5}'), word("```"), word("json\n"), word("", ("a", 0.1))]
    parts = [word('{"accuracy": '), word("7", ("7", 0.5), ("8", 0.5)), word(', "relevance": '), word("5"), word("}")]
    parsed = read(said, *before, *parts, word("\n```"))
    assert parsed.scores["accuracy"].value == pytest.approx(7.5)
    assert parsed.scores["relevance"].mode is Mode.EXPECTATION


def test_tokens_that_say_another_text_are_not_used() -> None:
    """Where the tokens do not hold the answer, the sampled integers stand without log probabilities."""
    parsed = read('{"accuracy": 7, "relevance": 5}', word('{"accuracy":'), word("7"), word(',"relevance":'), word("5}"))
    assert (parsed.outcome, parsed.scores["accuracy"].mode) == (Outcome.OK, Mode.NO_LOGPROBS)


def test_a_score_of_two_tokens_is_split() -> None:
    """A number that the tokeniser splits keeps its sampled integer."""
    tokens = (word('{"a": '), word("8", ("9", 0.9)), word("5", ("0", 0.9)), word("}"))
    parsed = parse(Completion('{"a": 85}', "stop", None, tokens), ["A"], (0, 100))
    assert (parsed.scores["a"].value, parsed.scores["a"].mode) == (85.0, Mode.SPLIT)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"accuracy": 7}', "relevance: no score"),
        ("{}", "accuracy: no score; relevance: no score"),
        ('{"accuracy": 7.0, "relevance": 5}', "accuracy: '7.0' is not an integer"),
        ('{"accuracy": "7", "relevance": true}', "accuracy: '\"7\"' is not an integer; relevance: 'true' is not"),
        ('{"accuracy": 7e0, "relevance": 5}', "accuracy: '7e0' is not an integer"),
        ('{"accuracy": [7], "relevance": 5}', "accuracy: '[7]' is not an integer"),
        ('{"accuracy": 10, "relevance": -1}', "accuracy: '10' is not within 0 to 9; relevance: '-1' is not an integer"),
        (f'{{"accuracy": {"9" * 5000}, "relevance": 5}}', "is not within 0 to 9"),
        ('{"accuracy": 7, "relevance": 5, "Accuracy": 7}', "accuracy: given 2 times"),
        ('{"accuracy": 07, "relevance": 5}', "not one JSON object: , or } is expected at character 14"),
        ('{"accuracy": 7, "relevance": 5,}', "not one JSON object: Expecting value at character 31"),
        ('{accuracy: 7, "relevance": 5}', "not one JSON object: Expecting value at character 1"),
        ('{7: 7, "relevance": 5}', "not one JSON object: a key in quotes"),
        ('{"accuracy": NaN, "relevance": 5}', "not one JSON object: NaN is not JSON"),
        ('{"accuracy": 7, "relevance": 5', "not one JSON object: it ends early"),
        ('{"accuracy": 7 "relevance": 5}', "not one JSON object: , or } is expected at character 15"),
        ('{"accuracy" 7, "relevance": 5}', "not one JSON object: : is expected at character 12"),
        ('Here: {"accuracy": 7, "relevance": 5}', "not one JSON object: { is expected at character 0"),
        ('{"accuracy": 7, "relevance": 5} {"accuracy": 1}', "not one JSON object: there is text after it"),
        ('[{"accuracy": 7, "relevance": 5}]', "not one JSON object: { is expected at character 0"),
        ('```json\n{"accuracy": 7, "relevance": 5}', "not one JSON object: one end of its fence is missing"),
        ('{"accuracy": 7, "relevance": 5}```', "not one JSON object: one end of its fence is missing"),
        ('{"x": ' + "[" * 100_000, "not one JSON object: nested too deeply"),
        ("", "not one JSON object: it ends early"),
    ],
)
def test_whatever_else_is_unparseable_and_says_why(text: str, reason: str) -> None:
    """A missing key, another type, a number beyond the scale, text beside the object: no score, and a short reason."""
    parsed = read(text)
    assert (parsed.outcome, parsed.scores) == (Outcome.UNPARSEABLE, {})
    assert parsed.reason is not None
    assert reason in parsed.reason
    assert len(parsed.reason) < 150


def test_refused_filtered_and_truncated_answers_are_told_apart() -> None:
    """Each way of not answering has its own outcome, and none has scores."""
    assert read(None, refusal="no").outcome is Outcome.REFUSED
    assert read(ANSWER, finish_reason="content_filter").outcome is Outcome.FILTERED
    assert read(None).outcome is Outcome.UNPARSEABLE
    cut = read('{"reasoning": "x", "accuracy": 7, "relevance": 5', finish_reason="length")
    assert (cut.outcome, cut.reason) == (Outcome.TRUNCATED, "cut at the token limit before relevance")


def test_an_answer_cut_after_its_last_score_is_ok() -> None:
    """A score is whole once a comma or a brace has followed it; what comes later is not needed."""
    assert sampled(read('{"accuracy": 7, "relevance": 5, "reaso', finish_reason="length"))["relevance"] == 5
    assert read('{"accuracy": 77, "relevance": 5, "reaso', finish_reason="length").outcome is Outcome.UNPARSEABLE


def test_the_shipped_prompt_asks_for_what_the_parser_reads() -> None:
    """The digits prompt has four dimensions on a scale whose every score is one character."""
    prompt = load_prompt("gveval_ref_only_digit")
    reader = reader_for(prompt)
    assert prompt.scale == (0, 9)
    assert reader.dimensions == ("accuracy", "completeness", "conciseness", "relevance", "average")
    answer = json.dumps(dict.fromkeys(reader.dimensions[:-1], 4))
    assert reader(Completion(answer, "stop")).scores["average"].value == 4


VALUES = st.integers(0, 9)
OTHER = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.permutations(["accuracy", "relevance", "why"]), VALUES, VALUES, OTHER, st.booleans(), st.sampled_from([None, 2])
)
def test_every_written_object_comes_back(
    order: list[str], accuracy: int, relevance: int, why: object, plain: bool, indent: int | None
) -> None:
    """Whatever a JSON writer makes of the scores is read, and each score is found in tokens of one character."""
    values = {"accuracy": accuracy, "relevance": relevance, "why": why}
    text = json.dumps({key: values[key] for key in order}, ensure_ascii=plain, indent=indent)
    tokens = tuple(SampledToken(char, -0.1, None, (Alternative(char, -0.1),)) for char in text)
    parsed = read(text, *tokens)
    assert {name: parsed.scores[name].sampled for name in ("accuracy", "relevance")} == {
        "accuracy": accuracy,
        "relevance": relevance,
    }
    assert {score.mode for score in parsed.scores.values()} == {Mode.EXPECTATION}
    assert parsed.scores["accuracy"].value == pytest.approx(accuracy)


PIECES = st.sampled_from(
    [
        "{",
        "}",
        '"accuracy"',
        '"relevance"',
        ":",
        ",",
        "7",
        "-1",
        "[",
        "]",
        "```",
        "json",
        "\n",
        '"',
        "\\",
        "NaN",
        "\ud800",
    ]
)


@given(st.text() | st.lists(PIECES).map("".join), st.sampled_from([None, "stop", "length", "content_filter", "odd"]))
def test_reading_never_raises(text: str, finish_reason: str | None) -> None:
    """Any text at all has an outcome, with all scores or none, with and without tokens that tell it."""
    for tokens in (None, (), tuple(SampledToken(char, -0.5, None, (Alternative("9", -0.5),)) for char in text)):
        parsed = parse(Completion(text, finish_reason, None, tokens), LABELS, SCALE)
        assert tuple(parsed.scores) == (score_names(LABELS) if parsed.outcome is Outcome.OK else ())
        assert (parsed.reason is None) == (parsed.outcome is Outcome.OK)
