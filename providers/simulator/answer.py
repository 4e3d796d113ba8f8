"""What a body is answered with: a function of the seed and the body, never of when or after what it came."""

from collections.abc import Sequence
from random import Random

from providers.simulator.alternatives import plain_token
from providers.simulator.chat import Chat
from providers.simulator.draws import generator, uniform
from providers.simulator.forms import Form, asked_form
from providers.simulator.identity import about_itself
from providers.simulator.judge import garbled_tokens, judge_tokens
from providers.simulator.mutation import mutated_template, sources
from providers.simulator.personas import persona_of
from providers.simulator.pictures import Picture, describe
from providers.simulator.plain import plain_words
from providers.simulator.tokens import Choice, SimulatedAnswer, Token, split


def answer(
    seed: int, chat: Chat, body_digest: bytes, mean_tokens: int = 64, pictures: Sequence[Picture] = ()
) -> SimulatedAnswer:
    """As many choices as `n` asks for: judgements where the prompt asks for scores, a template where it shows
    templates, what a model says of itself where its name wants that, else sentences.

    Judgements and sentences describe the body's pictures first.
    """
    form = asked_form(chat)
    return SimulatedAnswer(
        tuple(_choice(seed, chat, body_digest, form, mean_tokens, pictures, index) for index in range(chat.n or 1))
    )


def _choice(
    seed: int,
    chat: Chat,
    body_digest: bytes,
    form: Form | None,
    mean_tokens: int,
    pictures: Sequence[Picture],
    index: int,
) -> Choice:
    tokens = _tokens(seed, chat, body_digest, form, mean_tokens, pictures, index)
    most = chat.most_tokens
    if most is not None and len(tokens) > most:
        return Choice(tuple(tokens[:most]), "length")
    return Choice(tuple(tokens), "stop")


def _tokens(
    seed: int,
    chat: Chat,
    body_digest: bytes,
    form: Form | None,
    mean_tokens: int,
    pictures: Sequence[Picture],
    index: int,
) -> list[Token]:
    persona = persona_of(chat.model)
    if persona.loose is not None:
        drawn = generator(seed, body_digest, f"itself {index}")
        return _worded(about_itself(persona, chat.last_user_text, drawn), drawn, chat)
    if form and uniform(seed, body_digest, f"garbled {index}") < persona.garbles:
        return garbled_tokens(seed, chat, body_digest, form.slots, index)
    if form:
        return judge_tokens(seed, chat, body_digest, form, index, pictures)
    if sources(chat.last_user_text):
        drawn = generator(seed, body_digest, f"mutation {index}")
        return _worded(mutated_template(chat.last_user_text, drawn), drawn, chat)
    return _plain_tokens(seed, chat, body_digest, mean_tokens, pictures, index)


def _worded(text: str, drawn: Random, chat: Chat) -> list[Token]:
    return [plain_token(part, drawn, chat.alternatives) for part in split(text)]


def _plain_tokens(
    seed: int, chat: Chat, body_digest: bytes, mean_tokens: int, pictures: Sequence[Picture], index: int
) -> list[Token]:
    words = generator(seed, body_digest, f"words {index}")
    seen = split(f"{describe(pictures)}\n") if pictures else []
    return [plain_token(word, words, chat.alternatives) for word in (*seen, *plain_words(words, mean_tokens))]
