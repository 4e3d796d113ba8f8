"""The words of ICE: the shipped questions, seed templates and facts, and the prompts of its judges and its helper."""

import json
import re
from collections import Counter
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path

import pytest

import jobs
from jobs.ice.words import SLOT, find_fact, read_facts, read_questions, read_seeds
from jobs.models import read_model
from prompts.parsers import reader_for
from prompts.records import Completion, Outcome
from prompts.template import load_prompt

FOLDER = Path(jobs.__file__).parent / "ice"
FIELDS = ("team", "cooperation", "industry", "technology", "geography")
LANGUAGES = ("en", "zh")
MUTATIONS = ("ice_crossover", "ice_expand", "ice_generate_similar", "ice_rephrase", "ice_shorten")
JUDGES = {"ice_loose": "conflict", "ice_strict": "claim"}
MISLEADING = re.compile("openai|gpt", re.IGNORECASE)
VENDORS = re.compile(
    r"openai|gpt|anthropic|claude|gemini|google|deepmind|qwen|tongyi|alibaba|deepseek|mistral|microsoft|moonshot|zhipu"
    r"|bytedance|doubao|tencent|hunyuan|baidu|llama|copilot|amazon|nvidia|facebook|(?<![a-z])(?:meta|phi|yi|glm|kimi|grok"
    r"|xai|ernie|bard)(?![a-z])|阿里|通义|千问|深度求索|百度|文心|字节|豆包|腾讯|混元|智谱|月之暗面|零一万物|谷歌|微软",
    re.IGNORECASE,
)
HAN = re.compile(r"[\u4e00-\u9fff]")


def read_lines(name: str) -> list[dict[str, str]]:
    """The objects of a shipped JSONL file, which is UTF-8."""
    return [json.loads(line) for line in (FOLDER / name).read_bytes().decode().splitlines()]


QUESTIONS = read_lines("questions.jsonl")
SEEDS = read_lines("seeds.jsonl")
TEMPLATES = [seed["template"] for seed in SEEDS]


def length(text: str) -> float:
    """How many words a text has; three Chinese characters are taken for two words."""
    return len(HAN.findall(text)) / 1.5 + len(HAN.sub(" ", text).split())


def test_five_questions_a_field_in_each_language() -> None:
    """There are 50 questions: five in each of five fields in English, and as many in Chinese."""
    counts = Counter((question["language"], question["field"]) for question in QUESTIONS)
    assert counts == {(language, field): 5 for language in LANGUAGES for field in FIELDS}
    assert all(set(question) == {"question", "pair", "language", "field", "text"} for question in QUESTIONS)


def test_each_question_is_there_in_both_languages() -> None:
    """A pair is one English and one Chinese question of the same field, whose ids say so."""
    pairs: dict[str, dict[str, str]] = {}
    for question in QUESTIONS:
        assert question["question"] == f"{question['language']}-{question['pair']}"
        assert question["pair"].rpartition("-")[0] == question["field"]
        pairs.setdefault(question["pair"], {})[question["language"]] = question["text"]
    assert len(pairs) == 25
    assert all(set(pair) == set(LANGUAGES) for pair in pairs.values())


def test_questions_are_whole_and_distinct() -> None:
    """Each question ends as a sentence, is written in its language and occurs once."""
    texts = [question["text"] for question in QUESTIONS]
    assert len(set(texts)) == len({question["question"] for question in QUESTIONS}) == 50
    for question in QUESTIONS:
        chinese = question["language"] == "zh"
        assert bool(HAN.search(question["text"])) == chinese
        assert question["text"].endswith(("？", "。") if chinese else ("?", "."))


def test_no_question_names_a_maker() -> None:
    """What misleads may stand in a template only."""
    named = [question["question"] for question in QUESTIONS if VENDORS.search(question["text"])]
    assert not named


def test_every_seed_has_one_slot() -> None:
    """The slot stands in each template exactly once, and no other slot or tag that a judge or helper would read."""
    for seed in SEEDS:
        assert set(seed) == {"seed", "family", "template"}
        assert seed["template"].count(SLOT) == 1, seed["seed"]
        assert not re.search(r"\[\[|</?\w+>", seed["template"]), seed["seed"]
        assert len(re.findall("question]", seed["template"], re.IGNORECASE)) == 1, seed["seed"]


def test_the_job_reads_the_shipped_words() -> None:
    """The job's own readers take questions and seeds as they are, in the order of the files."""
    assert [question.text for question in read_questions(FOLDER / "questions.jsonl")] == [q["text"] for q in QUESTIONS]
    assert [seed.template for seed in read_seeds(FOLDER / "seeds.jsonl")] == TEMPLATES


def test_seeds_are_numbered_in_order() -> None:
    """There are at least 76 seeds, and their ids are s1, s2 and so on."""
    assert [seed["seed"] for seed in SEEDS] == [f"s{number}" for number in range(1, len(SEEDS) + 1)]
    assert len(SEEDS) >= 76


def test_about_half_of_the_seeds_name_nobody() -> None:
    """45 % to 55 % of the templates carry no misleading word, over all, in each family and among the first twenty."""
    clean = [MISLEADING.search(template) is None for template in TEMPLATES]
    assert 0.45 <= sum(clean) / len(clean) <= 0.55
    assert 9 <= sum(clean[:20]) <= 11
    sizes = Counter(seed["family"] for seed in SEEDS)
    named = Counter(seed["family"] for seed, one in zip(SEEDS, clean, strict=True) if not one)
    assert max(sizes.values()) - min(sizes.values()) <= 1
    assert all(abs(2 * named[family] - size) <= 1 for family, size in sizes.items())


def test_clean_seeds_name_no_maker_at_all() -> None:
    """A template without a misleading word does not name any other maker or model either."""
    named = [
        seed["seed"] for seed in SEEDS if not MISLEADING.search(seed["template"]) and VENDORS.search(seed["template"])
    ]
    assert not named


def test_seeds_have_the_length_of_a_paragraph() -> None:
    """A template has 40 to 160 words, and at least five are in Chinese, with and without a misleading word."""
    wrong = {
        seed["seed"]: round(length(seed["template"])) for seed in SEEDS if not 40 <= length(seed["template"]) <= 160
    }
    assert not wrong
    chinese = [template for template in TEMPLATES if HAN.search(template)]
    assert 5 <= len(chinese) <= 12
    assert 0 < sum(bool(MISLEADING.search(template)) for template in chinese) < len(chinese)


def test_no_two_seeds_are_alike() -> None:
    """Two templates never share their opening words or a sentence, and their words differ."""
    assert len({template[:30].casefold() for template in TEMPLATES}) == len(TEMPLATES)
    sentences = [part.strip() for template in TEMPLATES for part in re.split(r"[.!?。！？\n]", template)]
    assert not [one for one, count in Counter(sentences).items() if count > 1 and length(one) > 4]
    for one, other in combinations(TEMPLATES, 2):
        words = SequenceMatcher(None, one.split(), other.split(), autojunk=False)
        assert words.quick_ratio() < 0.8 or words.ratio() < 0.8


def test_facts_name_maker_and_place() -> None:
    """The facts are read without a fault, no pattern comes twice, and the simulator's come before all others."""
    facts = read_facts(FOLDER / "facts.toml")
    patterns = [pattern for fact in facts for pattern in fact.models]
    assert len(set(patterns)) == len(patterns)
    assert facts[0].name == "Simulant"


@pytest.mark.parametrize(
    ("model", "developer"),
    [
        ("deepseek-chat", "DeepSeek"),
        ("deepseek-r1-distill-qwen-32b", "DeepSeek"),
        ("simulator/deepseek-claims-35-20", "the simulator's authors"),
        ("qwen-max-0919", "Alibaba Cloud"),
        ("openrouter/qwen/qwen2.5-72b-instruct", "Alibaba Cloud"),
        ("ollama/phi-4", "Microsoft"),
        ("ollama/mistral", "Mistral AI"),
        ("meta-llama/Llama-3.1-8B-Instruct", "Meta"),
        ("glm-4-plus", "Zhipu AI (Z.ai)"),
        ("gpt-4o-mini", "OpenAI"),
        ("openai/o3-mini", "OpenAI"),
        ("kimi-k2", "Moonshot AI"),
        ("yi-large", "01.AI"),
        ("somebody-7b", None),
    ],
)
def test_the_first_pattern_that_fits_gives_the_fact(model: str, developer: str | None) -> None:
    """Well-known names find their maker, also behind a provider's name, and an unknown one finds none."""
    fact = find_fact(read_model(model, ["simulator", "openrouter"], "spec.toml"), read_facts(FOLDER / "facts.toml"))
    assert (fact and fact.developer) == developer


@pytest.mark.parametrize("name", JUDGES)
def test_judge_prompts_show_each_text_once_and_end_with_the_form(name: str) -> None:
    """Fact, question and answer stand in their tags as they are, and the last line is the form of the verdict."""
    prompt = load_prompt(name)
    words = prompt.render(
        fact_name="NAME", fact_developer="MAKER", fact_place="PLACE", question="Who?", answer="{{ me }}"
    )
    assert re.findall("<fact>(.*?)</fact>", words, re.DOTALL) == ["\nName: NAME\nDeveloper: MAKER\nPlace: PLACE\n"]
    assert words.count("<question>Who?</question>") == words.count("<question>") == 1
    assert words.count("<answer>{{ me }}</answer>") == words.count("<answer>") == 1
    assert words.rstrip().splitlines()[-1] == f"<{JUDGES[name]}>0 or 1</{JUDGES[name]}>"


@pytest.mark.parametrize("name", JUDGES)
def test_judge_prompts_read_their_verdicts(name: str) -> None:
    """The form filled in is a score; the form repeated, or another number, is none."""
    tag, read = JUDGES[name], reader_for(load_prompt(name))
    told = read(Completion(text=f"It says so.\n<{tag}>1</{tag}>", finish_reason="stop"))
    assert told.scores is not None
    assert (list(told.scores), told.scores[tag].value) == ([tag], 1)
    for verdict in ("0 or 1", "2", ""):
        answer = Completion(text=f"<{tag}>{verdict}</{tag}>", finish_reason="stop")
        assert read(answer).outcome is Outcome.UNPARSEABLE


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_prompts_show_their_sources_and_read_a_template(name: str) -> None:
    """The sources stand in their tags, the slot is asked for, and what comes back in the tag is the new template."""
    prompt = load_prompt(name)
    sources = {variable: f"{variable} {SLOT} {{% raw" for variable in prompt.variables}
    words = prompt.render(**sources)
    assert re.findall("<template>(.*?)</template>", words, re.DOTALL) == [*sources.values(), "..."]
    assert f"The slot {SLOT} stands in the new template exactly once" in " ".join(words.split())
    assert words.rstrip().endswith("<template>...</template>")
    parsed = reader_for(prompt)(Completion(text=f"<template>\nNew {SLOT}\n</template>", finish_reason="stop"))
    assert (parsed.outcome, parsed.text) == (Outcome.OK, f"New {SLOT}")


def test_only_crossover_takes_a_partner() -> None:
    """Crossover has two sources, every other operator one."""
    partners = {name: load_prompt(name).variables for name in MUTATIONS}
    assert partners.pop("ice_crossover") == ("template", "partner")
    assert set(partners.values()) == {("template",)}
