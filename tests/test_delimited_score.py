"""Reading one score between delimiters, in reasoning that uses the same marks for money."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.delimited_score import parse
from prompts.records import Completion, Outcome, Parsed

DOLLARS = ("$", "$")


def read(text: str, marks: tuple[str, str] = DOLLARS, finish_reason: str = "stop") -> Parsed:
    return parse(Completion(text, finish_reason), ["Score"], (0, 100), marks)


@pytest.mark.parametrize(
    "text",
    [
        "$85$",
        "It costs $5 and $10. Score: $85$",
        "about $40$ maybe, final $85$",
        "A lamp of $1,200 or US$30, the pair 10 $. **$85$**",
        "An open $ sign. Score: $85$",
        "One more $ sign.\nScore:$85$.",
        "They paid $5,score=$85$",
        "$85$, for a lamp of $40",
        "$85$ out of $100 or $90 $80",
        "$85$, for lamps of $2-$4",
        "$85$, for lamps of 2$-4$",
        "Score: $**85**$",
        "Score: $ 85 $",
        "Score: $$85$$",
        "$85$\nThe form was $0-100$",
    ],
)
def test_between_dollars_prices_neither_become_nor_hide_the_score(text: str) -> None:
    """The last integer between two delimiters counts; a mark before or behind a price is not one of them."""
    assert read(text).scores["score"].sampled == 85


@pytest.mark.parametrize(
    "text",
    [
        "$85",
        "85$",
        "It costs $5 or $10",
        "$10 $20",
        "10$ 20$",
        "5 $ 10 $",
        "$5$85$",
        "$1,200$",
        "$0-100$",
        "$",
        "$$",
        "$\n85\n$",
        "about $40$, at last $n/a$",
        "about $40$, at last $101$",
        "about $40$, at last $-5$",
    ],
)
def test_what_is_not_clearly_a_score_is_none(text: str) -> None:
    """One mark, two prices, a price that might as well be a score, a last word that is no integer: unparseable."""
    parsed = read(text)
    assert (parsed.outcome, parsed.scores) == (Outcome.UNPARSEABLE, {})


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("[[40]] at first, [[85]] at last", 85),
        ("[[ open, [[85]]", 85),
        ("[[85]] closed ]]", 85),
        ("[[[85]]]", 85),
        ("[[\n**85** ]]", 85),
        ("[[85]], of [[0 to 100]]", 85),
        ("[[85]", None),
        ("[[40]], no: [[none]]", None),
        ("[[0-100]]", None),
    ],
)
def test_between_brackets_the_last_slot_counts(text: str, score: int | None) -> None:
    """Where the delimiters differ, what stands between them is the score, or is none."""
    parsed = parse(Completion(text), ["Score"], (0, 100))
    assert [one.sampled for one in parsed.scores.values()] == ([] if score is None else [score])


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("about $40$, but then", Outcome.TRUNCATED),
        ("Score: $8", Outcome.TRUNCATED),
        ("Score: $85$", Outcome.OK),
        ("**Score: $85$.**\n", Outcome.OK),
    ],
)
def test_of_an_answer_that_was_cut_a_draft_is_no_score(text: str, outcome: Outcome) -> None:
    """Where the token limit ended the reasoning, a number in it is not what it would have ended on."""
    assert read(text, finish_reason="length").outcome is outcome


WORDS = ["costs", "and,", "x", "(", "7", "-", "\n"]
MONEY = ["$5", "$1,200", "$10.50", "US$7", "5 $", "10$,", "($3)", "$2-$4"]


@given(st.lists(st.sampled_from([*WORDS, *MONEY, "$"])).map(" ".join), st.integers(0, 100))
def test_no_prices_hide_the_last_score(said: str, score: int) -> None:
    """Whatever money the reasoning speaks of, the score that it ends on is read."""
    assert read(f"{said} Score: ${score}$").scores["score"].sampled == score


@given(st.lists(st.sampled_from([*WORDS, *MONEY])).map(" ".join))
def test_prices_alone_are_no_score(said: str) -> None:
    """Reasoning that speaks of money and ends on no score has none."""
    assert read(said).scores == {}
