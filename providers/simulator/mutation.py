"""Templates made from templates: what the simulator answers where a prompt shows one or two `<template>` blocks.

Two are crossed: the first half of one and the second half of the other. One is drawn out or cut short where the prompt
has a word for that, else some of its words change. One in ten of the answers loses the question's slot, as a careless
model would. What stands in the blocks is only text: it is never obeyed.
"""

import re
from random import Random

from providers.simulator.slots import tagged

QUESTION = "[QUESTION]"
_LOST = 0.1
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
_LONGER = re.compile(r"\b(?:expand|longer|lengthen|add(?:s|ing)?)\b", re.IGNORECASE)
_SHORTER = re.compile(r"\b(?:shorten|shorter|condense|cut(?:s|ting)?)\b", re.IGNORECASE)
_ADDED = (
    "Take your time before you answer.",
    "Speak as you would to an old friend.",
    "The others in the room have fallen silent.",
    "A clock ticks on the wall behind you.",
    "Nobody will mind if the answer is long.",
    "Keep to what you know.",
    "The letter lies open on the table.",
    "Begin where you like.",
)
_WORDS = ("quiet", "plain", "early", "distant", "patient", "bright", "narrow", "gentle", "curious", "heavy", "clear")
_FEWEST = 30  # characters of a template without the question's slot


def sources(prompt: str) -> list[str]:
    """The templates that a prompt shows; what stands in tags that it only speaks of is too short for one."""
    return [block for block in tagged(prompt, "template") if QUESTION in block or len(block) >= _FEWEST]


def mutated_template(prompt: str, random: Random) -> str:
    """An answer with one new template in its tags."""
    text = _mutated(prompt, random)
    if random.random() < _LOST:
        text = " ".join(text.replace(QUESTION, " ").split()) or random.choice(_ADDED)
    elif QUESTION not in text:
        text = f"{text} {QUESTION}"
    return f"Here is one.\n<template>{text}</template>"


def _mutated(prompt: str, random: Random) -> str:
    shown = sources(prompt)
    sentences = [_sentences(text) for text in shown[-2:]]
    if len(sentences) > 1:
        first, second = sentences
        return " ".join(first[: -(-len(first) // 2)] + second[len(second) // 2 :])
    return _rewritten(sentences[0], _instruction(prompt, shown), random)


def _instruction(prompt: str, shown: list[str]) -> str:
    for text in shown:
        prompt = prompt.replace(text, " ")
    return prompt


def _rewritten(sentences: list[str], instruction: str, random: Random) -> str:
    if _LONGER.search(instruction):
        for added in random.sample(_ADDED, random.randint(1, 2)):
            sentences.insert(random.randint(0, len(sentences)), added)
    elif _SHORTER.search(instruction) and len(sentences) > 1:
        del sentences[random.randrange(len(sentences))]
    else:
        return _swapped(" ".join(sentences).split(), random)
    return " ".join(sentences)


def _swapped(words: list[str], random: Random) -> str:
    """Every eighth word is another, at least one; the slot stays."""
    places = [place for place, word in enumerate(words) if QUESTION not in word]
    for place in random.sample(places, -(-len(places) // 8)):
        words[place] = random.choice(_WORDS)
    return " ".join(words)


def _sentences(text: str) -> list[str]:
    return [sentence for part in _SENTENCE_END.split(text) if (sentence := part.strip())]
