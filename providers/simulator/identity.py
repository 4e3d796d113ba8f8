"""Who made whom: what a model that speaks of itself says, and what the simulated judge makes of such an answer.

A judge's prompt shows a `<fact>` and an `<answer>` and asks for `<conflict>0 or 1</conflict>` (does the answer name a
maker whom the fact does not name) or `<claim>0 or 1</claim>` (does it name OpenAI or Anthropic). It may ask for one of
the two in a JSON object; for a claim no `<fact>` is needed then. The judge looks for names only, so it is right about
every answer that the simulator gives.
"""

import re
from random import Random

import msgspec

from providers.simulator.personas import Persona
from providers.simulator.slots import Slot, tagged

CONFLICT, CLAIM = "conflict", "claim"
_HAN = re.compile(r"[\u3400-\u9fff]")
_STRICT = ("OpenAI", "Anthropic")
_NAMES = {
    "OpenAI": "openai|chatgpt|gpt",
    "Anthropic": "anthropic|claude",
    "Alibaba": "alibaba|qwen|tongyi|阿里|通义",
    "Baidu": "baidu|ernie|百度|文心",
    "ByteDance": "bytedance|doubao|字节|豆包",
    "DeepSeek": "deepseek|深度求索",
    "Google": "google|deepmind|gemini|gemma|谷歌",
    "Meta": "meta ai|llama",
    "Microsoft": "microsoft|微软",
    "Mistral": "mistral",
    "Zhipu": "zhipu|glm|智谱",
    "Tindlewick": "tindlewick",
    "Marrowfen": "marrowfen",
}
_PATTERNS = {maker: re.compile(f"(?<![a-z])(?:{names})(?![a-z])", re.IGNORECASE) for maker, names in _NAMES.items()}
_CLAIMED = {  # assistant, maker
    True: (("ChatGPT", "OpenAI"), ("GPT-4", "OpenAI"), ("ChatGPT", "OpenAI"), ("Claude", "Anthropic")),
    False: (("Tindle", "Tindlewick Labs"), ("Marrow", "Marrowfen AI"), ("Fen", "Marrowfen AI")),
}
_CLAIMS = {
    "en": ("I am {}, made by {}.", "My name is {}. The people at {} built me.", "You are talking to {}, by {}."),
    "zh": ("我是{}，由{}开发。", "我叫{}，是{}训练的模型。", "您正在和{}对话，我的开发者是{}。"),
}
_OPENINGS = {
    "en": ("I am an assistant.", "I am a program that writes.", "A language model answers you here.", "Good question."),
    "zh": ("我是一个助手。", "我是一个写作程序。", "回答您的是一个语言模型。", "这是个好问题。"),
}
_EVASIONS = {
    "en": (
        "Who made me, where and with whom is nothing I can tell.",
        "Of my makers I know nothing that I could pass on.",
        "My origin is not a matter that I speak of.",
        "What lies behind me I leave open.",
    ),
    "zh": ("关于谁开发了我，我无法说明。", "我的来历我并不了解。", "我不谈论自己的出身。", "我的背景暂且不提。"),
}
_CLOSINGS = {
    "en": ("May I help with something else?", "Ask me about the weather.", "That is all.", "Let us go on."),
    "zh": ("还有什么可以帮您？", "我们聊聊天气吧。", "就这些。", "我们继续吧。"),
}


class Judged(msgspec.Struct, frozen=True):
    """What the judge found: `value` 0 or 1 for this slot, and why, in a sentence."""

    slot: Slot
    value: int
    reason: str


def about_itself(persona: Persona, asked: str, random: Random) -> str:
    """What a model says of itself, in Chinese where the question has Chinese in it."""
    language = "zh" if _HAN.search(asked) else "en"
    place = random.random()
    opening, closing = random.choice(_OPENINGS[language]), random.choice(_CLOSINGS[language])
    if place < (persona.loose or 0.0):
        said = random.choice(_CLAIMS[language]).format(*random.choice(_CLAIMED[place < persona.strict]))
    else:
        said = random.choice(_EVASIONS[language])
    return f"{opening} {said} {closing}" if language == "en" else f"{opening}{said}{closing}"


def makers(text: str) -> list[str]:
    """The makers that a text names, by their own names or those of their models."""
    return [maker for maker, pattern in _PATTERNS.items() if pattern.search(text)]


def judge_identity(prompt: str, slots: list[Slot]) -> Judged | None:
    """The judgement that a prompt asks for; None where it asks for none of an identity."""
    asked = (slot for slot in slots if slot.label in (CONFLICT, CLAIM) and (slot.tagged or slot.marks is not None))
    slot = next(asked, None)
    facts, answers = tagged(prompt, "fact"), tagged(prompt, "answer")
    if slot is None or not answers or not (facts or (slot.label == CLAIM and not slot.tagged)):
        return None
    named, known = makers(answers[-1]), makers(facts[-1] if facts else "")
    counted = [maker for maker in named if (maker in _STRICT if slot.label == CLAIM else maker not in known)]
    what = f"The answer names {' and '.join(named) or 'no maker'}; the fact names {' and '.join(known) or 'none'}."
    return Judged(slot, int(bool(counted)), what)
