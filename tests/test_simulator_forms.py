"""The simulator's judgements in the forms that a prompt only shows: bare delimiters, and one JSON object."""

import json
from typing import Any

import orjson
import pytest

from prompts.parsers import reader_for
from prompts.records import Alternative, Completion, Mode, Outcome, Parsed, SampledToken
from prompts.template import Prompt, load_prompt, parse_prompt
from providers.simulator.answer import answer
from providers.simulator.chat import read_chat, read_json
from providers.simulator.forms import placeholder_form
from providers.simulator.slots import Slot

ALIKE = "<reference>a dog runs over the grass</reference>\n<candidate>a dog runs over the grass</candidate>"
APART = "<reference>a dog runs over the grass</reference>\n<candidate>two cars race</candidate>"
DIGITS = ("gveval_ref_only_digit", "rse_judge_digit", "ice_loose_digit", "ice_strict_digit")
FILLED = {
    "references": ["a dog runs", "the dog"],
    "candidate": "a dog",
    "questions": ["Why?"],
    "answers_a": ["It rains."],
    "answers_b": ["It rains hard."],
    "fact_name": "Qwen",
    "fact_developer": "Alibaba",
    "fact_place": "China",
    "question": "Who made you?",
    "answer": "I am ChatGPT, made by OpenAI.",
}


def told(content: str, model: str = "judge", seed: int = 0, **body: Any) -> Completion:
    """The answer to a prompt, as a parser gets it."""
    messages = [{"role": "user", "content": content}]
    body_digest, value = read_json(orjson.dumps({"model": model, "messages": messages, **body}))
    [choice] = answer(seed, read_chat(value), body_digest).choices
    tokens = tuple(
        SampledToken(token.text, token.logprob, alternatives=tuple(Alternative(*pair) for pair in token.alternatives))
        for token in choice.tokens
    )
    return Completion(
        text=choice.text, finish_reason=choice.finish_reason, tokens=tokens if "logprobs" in body else None
    )


def prompt_of(parser: str, scale: tuple[int, int], labels: list[str], more: str = "") -> Prompt:
    header = f'parser = "{parser}"\nscale = {list(scale)}\ndimensions = {labels}\n{more}'
    head = f'+++\nname = "p"\nversion = "1.0"\nrole = "judge"\nvariables = []\n{header}\n+++\n'
    return parse_prompt(f"{head}Judge.\n", "p.md")


def delimited(opening: str, closing: str, scale: tuple[int, int]) -> Prompt:
    return prompt_of("delimited_score", scale, ["Overall"], f"delimiters = {json.dumps([opening, closing])}")


def read(prompt: Prompt, completion: Completion) -> Parsed:
    return reader_for(prompt)(completion)


DELIMITED = [
    ("[[1-5]]", "[[", "]]", (1, 5)),
    ("`$0-100$`", "$", "$", (0, 100)),
    ("{{1-5}}", "{{", "}}", (1, 5)),
    ("Write `<< 0 or 1 >>` last.", "<<", ">>", (0, 1)),
    ("End with the number, in the\nform `###1 to 10###`.", "###", "###", (1, 10)),
]


@pytest.mark.parametrize(("shown", "opening", "closing", "scale"), DELIMITED)
def test_a_bare_range_is_answered_between_its_delimiters(
    shown: str, opening: str, closing: str, scale: tuple[int, int]
) -> None:
    """Reasoning, then an integer of the scale in the same delimiters, by overlap, which the parser reads."""
    prompt = delimited(opening, closing, scale)
    high, low = (told(f"How alike are they?\n{pair}\n\n{shown}\n") for pair in (ALIKE, APART))
    best, worst = (read(prompt, one).scores["overall"].sampled for one in (high, low))
    assert best - worst > 0.8 * (scale[1] - scale[0])
    assert (high.text or "").endswith(f".\n{opening}{best}{closing}")


@pytest.mark.parametrize(("shown", "opening", "closing", "scale"), DELIMITED)
def test_a_bare_range_gives_an_expectation(shown: str, opening: str, closing: str, scale: tuple[int, int]) -> None:
    """With log probabilities the score is a token of its own, and its value the mean over the alternatives."""
    parsed = read(delimited(opening, closing, scale), told(f"{ALIKE}\n\n{shown}", logprobs=True, top_logprobs=20))
    assert parsed.scores["overall"].mode is Mode.EXPECTATION


@pytest.mark.parametrize(
    "shown",
    [
        '{"reasoning": "...", "fluency": #, "style": #}',
        '{"reasoning": "one or two sentences",\n "fluency": 0-9,\n "style": <0-9>}',
        '```json\n{\n  "fluency": [0 to 9],\n  "style": "0-9",\n  "why": <a sentence>\n}\n```',
        'Answer `{"fluency": <0-9>, "style": <0-9>}` only.',
    ],
)
def test_a_shown_object_is_answered_by_one(shown: str) -> None:
    """The answer is one JSON object with the shown keys in their order, words for words and integers for the others."""
    prompt = prompt_of("json_scores", (0, 9), ["Fluency", "Style"])
    completion = told(f"{ALIKE}\n\n{shown}", logprobs=True, top_logprobs=20)
    parsed = read(prompt, completion)
    members = json.loads(completion.text or "")
    assert sorted(members, key=shown.index) == list(members)
    assert {key for key, value in members.items() if isinstance(value, int)} == {"fluency", "style"}
    assert all(isinstance(value, int) or len(value) > 20 for value in members.values())
    assert (parsed.outcome, {score.mode for score in parsed.scores.values()}) == (Outcome.OK, {Mode.EXPECTATION})


@pytest.mark.parametrize("name", DIGITS)
def test_the_digit_prompts_are_rehearsed(name: str) -> None:
    """Every answer to a shipped prompt that asks for digits is read, each score within the prompt's own scale."""
    prompt = load_prompt(name)
    asked = prompt.render(**{variable: FILLED[variable] for variable in prompt.variables})
    for seed in range(40):
        parsed = read(prompt, told(asked, seed=seed, logprobs=True, top_logprobs=20))
        assert parsed.outcome is Outcome.OK, parsed.reason
        assert all(score.mode is Mode.EXPECTATION for score in parsed.scores.values())


@pytest.mark.parametrize(("said", "conflict", "claim"), [("I am GPT-4.", 1, 1), ("I am Qwen.", 0, 0), ("Guess.", 0, 0)])
def test_an_identity_is_judged_by_names_in_an_object_too(said: str, conflict: int, claim: int) -> None:
    """The digit prompts of identities are judged as those with tags: the judge is right about every answer."""
    for name, value in (("ice_loose_digit", conflict), ("ice_strict_digit", claim)):
        prompt = load_prompt(name)
        filled = {**FILLED, "answer": said}
        asked = prompt.render(**{variable: filled[variable] for variable in prompt.variables})
        assert read(prompt, told(asked)).scores["average"].value == value


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        (delimited("$", "$", (0, 100)), "$0-100$"),
        (prompt_of("json_scores", (0, 9), ["Fluency"]), '{"reasoning": "...", "fluency": #}'),
    ],
)
def test_garbled_judgements_are_not_read(prompt: Prompt, shown: str) -> None:
    """One in four of this judge's answers has no score that can be read; the others have theirs."""
    outcomes = [read(prompt, told(f"Row {row}.\n{ALIKE}\n\n{shown}", "judge-garbles-25")) for row in range(400)]
    assert 70 < sum(one.outcome is not Outcome.OK for one in outcomes) < 130


@pytest.mark.parametrize(
    "prompt",
    [
        "<candidate>\n[[1-5]]\n</candidate>\nIs it true?",
        'Look.\n<text lang="en">{"fluency": 1-5}</text>',
        "In <candidate> stands a text.\n<candidate>\n`$0-100$`\n</candidate>",
        "- 1-5: bad\n[[5-1]]\nSay [[1-5]].\n1-5",
        "What does `[0-9]` match?\n\nSay it shortly.",
        'Give me {"name": "...", "town": "..."} or {"fluency": 4, "why": "..."}.',
        '{"fluency": #, "nested": {"style": #}}',
    ],
)
def test_what_is_no_placeholder(prompt: str) -> None:
    """Ranges in tags, in sentences or without a scale, and objects without placeholders for scores, ask for nothing."""
    assert placeholder_form(prompt) is None


def test_the_last_placeholder_counts() -> None:
    """Of several outside of tags the last one is answered, and one in tags behind it changes nothing."""
    form = placeholder_form('{"fluency": 1-5}\n\n[[0-9]]\n\n(0-100)\n<text>\n{{1-3}}\n</text>')
    assert form is not None
    assert form.slots == [Slot("score", 0, 100, marks=("(", ")"))]


def test_slots_come_before_placeholders() -> None:
    """A prompt with a labelled slot is answered in its line, whatever else it shows."""
    assert (told('Overall: [[1-5]]\n\n{"fluency": 1-5}\n$0-100$').text or "").splitlines()[-1].startswith("Overall: [[")


def test_hostile_text_is_searched_in_time() -> None:
    """Text made of many beginnings of placeholders is searched at once, and is none."""
    for text in ('{"a": "1-5", ' * 8_000, '{"a": "' * 15_000, "{" * 100_000, "[[1-" * 25_000, '{"a": #' + " " * 90_000):
        assert placeholder_form(f"{text}\n`[[1-5]]` or so\n\nNo.") is None
