"""What a body is answered with: a function of the seed and the body, never of when or after what it came."""

from collections.abc import Sequence

from providers.simulator.alternatives import plain_token
from providers.simulator.chat import Chat
from providers.simulator.draws import generator
from providers.simulator.judge import Slot, judge_tokens, score_slots
from providers.simulator.pictures import Picture, describe
from providers.simulator.plain import plain_words
from providers.simulator.tokens import Choice, SimulatedAnswer, Token, split


def answer(
    seed: int, chat: Chat, body_digest: bytes, mean_tokens: int = 64, pictures: Sequence[Picture] = ()
) -> SimulatedAnswer:
    """As many choices as `n` asks for: judgements where the prompt has score slots, else sentences.

    Each describes the body's pictures first.
    """
    slots = score_slots(chat.text)
    return SimulatedAnswer(
        tuple(_choice(seed, chat, body_digest, slots, mean_tokens, pictures, index) for index in range(chat.n or 1))
    )


def _choice(
    seed: int,
    chat: Chat,
    body_digest: bytes,
    slots: list[Slot],
    mean_tokens: int,
    pictures: Sequence[Picture],
    index: int,
) -> Choice:
    if slots:
        tokens = judge_tokens(seed, chat, body_digest, slots, index, pictures)
    else:
        tokens = _plain_tokens(seed, chat, body_digest, mean_tokens, pictures, index)
    most = chat.most_tokens
    if most is not None and len(tokens) > most:
        return Choice(tuple(tokens[:most]), "length")
    return Choice(tuple(tokens), "stop")


def _plain_tokens(
    seed: int, chat: Chat, body_digest: bytes, mean_tokens: int, pictures: Sequence[Picture], index: int
) -> list[Token]:
    words = generator(seed, body_digest, f"words {index}")
    seen = split(f"{describe(pictures)}\n") if pictures else []
    return [plain_token(word, words, chat.alternatives) for word in (*seen, *plain_words(words, mean_tokens))]
