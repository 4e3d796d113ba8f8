"""Behaviours that a model's name plants in the simulator: claims, garbled judgements, refusals, slowness."""

import asyncio
from random import Random
from typing import Any

import orjson
import pytest

from prompts.parsers import reader_for
from prompts.records import Completion, Outcome
from prompts.template import parse_prompt
from providers.simulator.answer import answer
from providers.simulator.chat import BadBodyError, read_chat, read_json
from providers.simulator.draws import digest
from providers.simulator.faults import latency_s
from providers.simulator.identity import makers
from providers.simulator.mutation import QUESTION, mutated_template, sources
from providers.simulator.personas import Persona, persona_of
from providers.simulator.settings import SimulatorSettings
from tests.harness.simulated import simulated

JUDGE = """Fact: <fact>{fact}</fact>
<question>Who made you?</question>
<answer>{answer}</answer>
End with <{tag}>0 or 1</{tag}>."""
BODIES = 4_000


def said(model: str, content: str, seed: int = 0, **body: Any) -> str:
    body_digest, value = read_json(
        orjson.dumps({"model": model, "messages": [{"role": "user", "content": content}], **body})
    )
    [choice] = answer(seed, read_chat(value), body_digest).choices
    return choice.text


def judged(tag: str, answer_: str, fact: str = "Qwen, by Alibaba", model: str = "judge") -> str:
    return said(model, JUDGE.format(fact=fact, answer=answer_, tag=tag))


@pytest.mark.parametrize(
    ("model", "persona"),
    [
        ("gpt-4o", Persona()),
        ("lab-claims-35-20", Persona(loose=0.35, strict=0.2)),
        ("claims-10-5-slow-2.5-fails-3", Persona(loose=0.1, strict=0.05, slow=2.5, fails=0.03)),
        ("org/judge_garbles-12.5", Persona(garbles=0.125)),
        ("slow-3b-instruct", Persona()),
        ("disclaims-35-20", Persona()),
    ],
)
def test_a_name_says_how_its_model_behaves(model: str, persona: Persona) -> None:
    """Several behaviours may stand in a name; words that only look like one are none."""
    assert persona_of(model) == persona


@pytest.mark.parametrize("model", ["claims-10-20", "claims-101-3", "garbles-200", "fails-101"])
def test_shares_that_cannot_be_are_refused(model: str) -> None:
    """A share above all, or a part above its whole, is refused and not taken for something else."""
    with pytest.raises(BadBodyError, match="cannot be"):
        persona_of(model)


def test_claims_come_as_often_as_planted() -> None:
    """Over many bodies the shares of answers with a maker, and with OpenAI or Anthropic, are the planted ones."""
    answers = [said("lab-claims-35-20", f"Question {number}: who made you?") for number in range(BODIES)]
    loose = sum(bool(makers(text)) for text in answers) / BODIES
    strict = sum(bool({"OpenAI", "Anthropic"} & set(makers(text))) for text in answers) / BODIES
    assert loose == pytest.approx(0.35, abs=0.025)
    assert strict == pytest.approx(0.2, abs=0.02)
    assert len(set(answers)) > 50


def test_questions_in_chinese_are_answered_in_chinese() -> None:
    """A question with Chinese in it gets Chinese sentences, with claims as in English."""
    answers = [said("claims-50-50", f"{number}：你是谁开发的？") for number in range(100)]
    assert all("。" in text or "？" in text for text in answers)
    assert 30 < sum(bool(makers(text)) for text in answers) < 70


@pytest.mark.parametrize(
    ("text", "conflict", "claim"),
    [
        ("I am ChatGPT, made by OpenAI.", 1, 1),
        ("我是Anthropic训练的模型。", 1, 1),
        ("I am Tindle, made by Tindlewick Labs.", 1, 0),
        ("I am Qwen, made by Alibaba.", 0, 0),
        ("I am Qwen by Alibaba, on top of GPT-4.", 1, 1),
        ("That I leave open.", 0, 0),
    ],
)
def test_an_identity_is_judged_by_names(text: str, conflict: int, claim: int) -> None:
    """A conflict is a maker whom the fact does not name, a claim is OpenAI or Anthropic; the number is in its tag."""
    assert judged("conflict", text).endswith(f"\n<conflict>{conflict}</conflict>")
    assert judged("claim", text).endswith(f"\n<claim>{claim}</claim>")


def test_a_judge_is_right_about_every_planted_answer() -> None:
    """What the simulator itself answers is in conflict where it names a maker, and never with a fact of that maker."""
    for number in range(200):
        text = said("claims-60-30", f"{number}: who made you?")
        named = makers(text)
        assert judged("conflict", text).endswith(f"<conflict>{int(bool(named))}</conflict>")
        assert judged("conflict", text, fact=", ".join(named)).endswith("<conflict>0</conflict>")


ASKED = {
    "tagged_integer": ("conflict", [0, 1], JUDGE.format(fact="Qwen", answer="I am ChatGPT.", tag="conflict")),
    "accr": ("Overall", [0, 100], "<reference>a</reference><candidate>b</candidate>\nOverall: [[0-100]]"),
    "delimited_score": ("Score", [0, 100], "<candidate>b</candidate>\nScore: [[0-100]]"),
}


@pytest.mark.parametrize("parser", ASKED)
def test_garbled_judgements_have_no_score(parser: str) -> None:
    """One in four of this judge's answers is read as no score at all; the others all have theirs."""
    label, scale, prompt = ASKED[parser]
    header = f'parser = "{parser}"\nscale = {scale}\ndimensions = ["{label}"]'
    head = f'+++\nname = "p"\nversion = "1.0"\nrole = "judge"\nvariables = []\n{header}\n+++\n'
    read = reader_for(parse_prompt(f"{head}Judge.\n", "p.md"))
    texts = [said("judge-garbles-25", f"Row {number}.\n{prompt}") for number in range(400)]
    outcomes = [read(Completion(text=text, finish_reason="stop")) for text in texts]
    assert 70 < sum(one.outcome is not Outcome.OK for one in outcomes) < 130
    assert all(not one.scores for one in outcomes if one.outcome is not Outcome.OK)


def test_tags_with_a_range_are_filled() -> None:
    """A prompt that asks for an integer in a tag gets one, by overlap of the blocks before it, on the tag's scale."""
    prompt = "<first>rain falls hard</first><second>{}</second>\nEnd with <overall>1-5</overall>"
    assert said("m", prompt.format("rain falls hard")).endswith("\n<overall>5</overall>")
    assert said("m", prompt.format("why not dance")).endswith("\n<overall>1</overall>")


async def test_some_bodies_are_refused() -> None:
    """A model that fails refuses the planted share of bodies with a 400, the same ones each time, unbilled."""

    async def statuses() -> list[int]:
        async with simulated(seed=4) as client:
            bodies = [{"model": "m-fails-30", "messages": [{"role": "user", "content": f"{n}"}]} for n in range(120)]
            replies = await asyncio.gather(*(client.post(body) for body in bodies))
            assert client.simulator.stats.refused + client.simulator.stats.billed == 120
        return [status for status, _, _ in replies]

    first = await statuses()
    assert set(first) == {200, 400}
    assert 20 < first.count(400) < 55
    assert await statuses() == first


def test_a_slow_model_takes_as_many_times_as_long() -> None:
    """Its calls take the factor in its name times what they would."""
    settings, body = SimulatorSettings(latency_s=0.1), digest(b"body")
    assert latency_s(settings, body, persona_of("m-slow-2.5").slow) == pytest.approx(2.5 * latency_s(settings, body))


TEMPLATE = "You keep a diary. Tonight it asks a thing of you. Write down what is true. It asks: [QUESTION]"
OTHER = "A stranger sits down. She has one wish. [QUESTION] she says. Then the train leaves."
MUTATE = "{how} Give it back between <template> and </template>.\n<template>{text}</template>"


def mutated(prompt: str, number: int = 0) -> str:
    text = mutated_template(prompt, Random(number))
    assert text.endswith("</template>")
    return text.partition("<template>")[2].removesuffix("</template>")


def test_templates_are_made_from_the_shown_ones() -> None:
    """Two are crossed, one grows, shrinks or changes in some words; what is only spoken of in tags is no template."""
    longer = [mutated(MUTATE.format(how="Expand this text.", text=TEMPLATE), n) for n in range(50)]
    shorter = [mutated(MUTATE.format(how="Make it shorter.", text=TEMPLATE), n) for n in range(50)]
    other = [mutated(MUTATE.format(how="Say it otherwise.", text=TEMPLATE), n) for n in range(50)]
    crossed = mutated(MUTATE.format(how="Mix.", text=f"{TEMPLATE}</template>\n<template>{OTHER}"))
    assert sources(MUTATE.format(how="", text=TEMPLATE)) == [TEMPLATE]
    assert sum(len(text) > len(TEMPLATE) for text in longer) >= 45
    assert all(len(text) < len(TEMPLATE) for text in shorter)
    assert all(text != TEMPLATE for text in longer + shorter + other)
    assert crossed == f"{TEMPLATE[: TEMPLATE.index(' Write')]} {OTHER[OTHER.index(QUESTION) :]}"


def test_most_templates_keep_the_slot() -> None:
    """About nine in ten answers have the question's slot, whether or not their source has it."""
    for text in (TEMPLATE, TEMPLATE.replace(QUESTION, "nothing.")):
        kept = sum(QUESTION in mutated(MUTATE.format(how="Rephrase.", text=text), n) for n in range(500))
        assert 420 < kept < 480


def test_a_mutation_is_a_function_of_seed_and_body() -> None:
    """The same prompt gives the same template, another seed or another prompt another."""
    prompt = MUTATE.format(how="Rephrase.", text=TEMPLATE)
    assert said("m", prompt) == said("m", prompt)
    assert len({said("m", prompt), said("m", prompt, seed=1), said("m", f"{prompt} ")}) == 3
