"""Reading what an answer puts between tags: integers, and a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.parsers import reader_for
from prompts.records import Completion, Outcome, Parsed
from prompts.tags import parse_integers, parse_text
from prompts.template import parse_prompt

LABELS = ("Response Style", "Overall")
ENDING = "<response_style>2</response_style>\n<overall>4</overall>"


def read(text: str | None, finish_reason: str = "stop") -> Parsed:
    return parse_integers(Completion(text, finish_reason), LABELS, (1, 5))


def sampled(text: str) -> dict[str, int]:
    return {name: score.sampled for name, score in read(text).scores.items()}


@pytest.mark.parametrize(
    "text",
    [
        ENDING,
        "I write <overall> and <response_style> last.\n" + ENDING,
        "At first <overall>1</overall>.\n" + ENDING,
        "<overall>4</overall><response_style>2</response_style>",
        "<Overall> **4** </OVERALL>\n< response_style >\n2\n</ response_style >",
        ENDING + "\nI closed with </overall> and might open <overall>",
        ENDING + "\nThe form: <overall>1-5</overall> <response_style>1 to 5</response_style>",
        "<overall>5 or <overall>4</overall>" + ENDING,
    ],
)
def test_the_last_complete_pair_of_each_tag_counts(text: str) -> None:
    """Drafts, tags that are only spoken of, and the prompt's own form are no scores, nor do they hide one."""
    assert sampled(text) == {"response_style": 2, "overall": 4}


@pytest.mark.parametrize(
    ("overall", "reason"),
    [
        ("", "overall: no score"),
        ("<overall>1-5</overall>", "overall: no score"),
        ("<overall>4", "overall: no score"),
        ("4</overall>", "overall: no score"),
        ("<overalls>4</overalls>", "overall: no score"),
        ("<overall></overall>", "overall: '' is not an integer"),
        ("<overall>6</overall>", "overall: '6' is not within 1 to 5"),
        ("<overall>4/5</overall>", "overall: '4/5' is not an integer"),
        ("<overall><b>4</b></overall>", "overall: '<b>4</b>' is not an integer"),
        ("<overall>3</overall> no, <overall>none</overall>", "overall: 'none' is not an integer"),
    ],
)
def test_whatever_else_is_unparseable_and_named(overall: str, reason: str) -> None:
    """A missing tag, another number, a word: no score at all, and the reason names the dimension."""
    parsed = read(f"<response_style>2</response_style>{overall}")
    assert (parsed.outcome, parsed.scores, parsed.reason) == (Outcome.UNPARSEABLE, {}, reason)


@pytest.mark.parametrize("form", ["0 or 1", "0-1", "0 – 1", "0 to 1", "0..1"])
def test_the_repeated_form_of_the_prompt_is_no_answer(form: str) -> None:
    """A judge that repeats what it may write has written nothing."""
    one = f"<conflict>{form}</conflict>"
    assert parse_integers(Completion(one), ["conflict"], (0, 1)).outcome is Outcome.UNPARSEABLE
    after = parse_integers(Completion(f"<conflict>1</conflict>, of {one}"), ["conflict"], (0, 1))
    assert after.scores["conflict"].sampled == 1


def test_an_answer_that_was_cut_counts_once_its_last_tag_is_closed() -> None:
    """A tag that was opened and not closed before the limit was going to hold the score."""
    assert read(ENDING + "\nOverall, the", "length").outcome is Outcome.OK
    cut = read(ENDING + "\nNo: <overall>", "length")
    assert (cut.outcome, cut.reason) == (Outcome.TRUNCATED, "cut at the token limit before overall")


def text_of(text: str | None, finish_reason: str = "stop", refusal: str | None = None) -> Parsed:
    return parse_text(Completion(text, finish_reason, refusal), "template")


@pytest.mark.parametrize(
    "text",
    [
        "<template>\nYou are <b>bold</b>. [QUESTION]\n</template>",
        "I put it in <template> tags.\n<TEMPLATE>You are <b>bold</b>. [QUESTION]</template> Good?",
        "<template>Draft</template> <template>You are <b>bold</b>. [QUESTION]</template> <template> </template>",
        "<template>You are <b>bold</b>. [QUESTION]</template> The form: <template>...</template>",
    ],
)
def test_a_text_is_that_of_the_last_pair_that_holds_one(text: str) -> None:
    """Drafts, mentions of the tag, empty pairs and dots are not the text; markup within it is."""
    parsed = text_of(text)
    assert (parsed.outcome, parsed.text, parsed.scores) == (Outcome.OK, "You are <b>bold</b>. [QUESTION]", {})


def test_no_text_has_an_outcome_and_a_reason() -> None:
    """Without a complete pair an answer is unparseable, cut, refused or filtered, and has no text."""
    assert text_of("<template> </template>").outcome is Outcome.UNPARSEABLE
    assert text_of(None).reason == "template: no text between its tags"
    assert text_of("<template>You are", "length").outcome is Outcome.TRUNCATED
    assert text_of("<template>Draft</template> Better: <template>You", "length").outcome is Outcome.TRUNCATED
    assert text_of("<template>Whole</template> I hope", "length").text == "Whole"
    assert text_of("<template>Whole</template>", refusal="no").outcome is Outcome.REFUSED
    assert text_of("<template>Whole</template>", "content_filter").outcome is Outcome.FILTERED


def test_a_prompt_for_a_text_needs_no_scale() -> None:
    """Its header names the tag alone, and what reads its answers has no scores to name."""
    head = '+++\nname = "p"\nversion = "1"\nrole = "helper"\nparser = "tagged_text"\ndimensions = ["template"]\n+++\n'
    reader = reader_for(parse_prompt(head + "Write one.", "p.md"))
    assert (reader.dimensions, reader(Completion("<template>A</template>")).text) == ((), "A")


PIECES = st.sampled_from(["<template>", "</template>", "<", "template", ">", "/", "A", " ", "...", "\ud800", "é"])


@given(st.text() | st.lists(PIECES).map("".join), st.sampled_from([None, "stop", "length", "content_filter"]))
def test_reading_a_text_never_raises(text: str, finish_reason: str | None) -> None:
    """Any answer has a text or a reason, and the text stands in the answer."""
    parsed = text_of(text, finish_reason or "stop")
    assert (parsed.text is None) == (parsed.reason is not None) == (parsed.outcome is not Outcome.OK)
    assert parsed.text is None or (parsed.text in text and any(map(str.isalnum, parsed.text)))
