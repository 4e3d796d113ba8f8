"""How many tokens a chat body has: counted for OpenAI's models, estimated by its bytes for all others.

What OpenAI adds to the texts is as its cookbook counts it: 3 tokens a message, 1 a name, 3 to begin the answer. How it
writes out tools and schemas for its models is not published: their JSON text stands for them, and they are the unsure
part of a count. So are pictures.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from providers.chat_text import ChatText, read_chat_text
from providers.vocabulary import load_encoding

PER_MESSAGE = 3
PER_NAME = 1
PER_ANSWER = 3
MEDIUM_TOKENS = 765  # a square picture of 1024 pixels on gpt-4o
MEDIUM_UNSURE = 680  # down to a picture of low detail
BYTES_A_TOKEN = 4
GUESSED_ERROR = 0.25  # of a count by bytes: English prose, code and JSON lie within it

_OPENAI = re.compile(r"gpt-(?:3\.5|35|[4-9])|chatgpt-|o[1-9](?:-|$)")
_O200K = re.compile(r"gpt-4o|gpt-4\.|gpt-5|chatgpt-|o[1-9](?:-|$)")
_LONGEST = 50_000  # characters that are handed to the tokenizer in one piece: its stack overflows on very long runs
_AT_A_CUT = 16
_MORE_A_MESSAGE = 8
_MORE_A_PART = 16
_MORE_A_BODY = 64


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens of a body, give or take `unsure`; how many parts are pictures or the like, and what they count of it.

    `text_bytes` are the UTF-8 bytes of its text.
    """

    tokens: int
    unsure: int
    media: int
    text_bytes: int
    media_tokens: int = 0


def is_openai_model(name: str) -> bool:
    """Whether this is one of OpenAI's chat models by its name, fine-tuned ones too."""
    return _OPENAI.match(_untuned(name)) is not None


def encoding_name(model: str) -> str | None:
    """The vocabulary of one of OpenAI's models; None where the model is another's, or not known."""
    name = _untuned(model)
    if _OPENAI.match(name) is None:
        return None
    if _O200K.match(name):
        return "o200k_base"
    try:
        from tiktoken.model import encoding_name_for_model

        return encoding_name_for_model(name)
    except (ImportError, KeyError):
        return None


def count_body(body: bytes, encoding: str | None) -> Counted | None:
    """Tokens of a chat body by a vocabulary, or by its bytes where `encoding` is None.

    None where the body is no chat body or the vocabulary is not to be had.
    """
    chat = read_chat_text(body)
    count = _by_bytes if encoding is None else _counter(encoding)
    if chat is None or count is None:
        return None
    texts = sum(map(count, chat.texts))
    schemas = sum(map(count, chat.schemas))
    around = PER_MESSAGE * chat.messages + PER_NAME * chat.names + PER_ANSWER
    tokens = texts + schemas + around + MEDIUM_TOKENS * chat.media
    pictures = MEDIUM_TOKENS * chat.media
    return Counted(tokens, schemas // 2 + MEDIUM_UNSURE * chat.media, chat.media, chat.text_bytes, pictures)


def count_tokens(model: str, body: bytes) -> int | None:
    """Input tokens of a chat body for one of OpenAI's models, a picture as `MEDIUM_TOKENS`.

    None where the model is not one of them, its vocabulary is not to be had, or the body is no chat body.
    """
    encoding = encoding_name(model)
    counted = None if encoding is None else count_body(body, encoding)
    return None if counted is None else counted.tokens


def upper_bound_tokens(model: str, body: bytes) -> int | None:
    """What a call with this body can have as input tokens at most, by the vocabulary of one of OpenAI's models.

    All of the body counts, but for the model's name, with room around messages, parts, tools and the whole.
    None where no bound is known: another's model, no vocabulary, no chat body, or one with pictures, sounds, files or
    a web search.
    """
    encoding = encoding_name(model)
    count = None if encoding is None else _counter(encoding)
    chat = None if count is None else read_chat_text(body)
    if count is None or chat is None or chat.media or b'"web_search_options"' in body:
        return None
    texts = [*chat.texts, *chat.schemas, *chat.other]
    cuts = sum(len(text) // _LONGEST for text in texts)
    return sum(map(count, texts)) + _room(chat) + _AT_A_CUT * cuts


def _room(chat: ChatText) -> int:
    around = (PER_MESSAGE + _MORE_A_MESSAGE) * chat.messages + PER_NAME * chat.names
    extras = chat.parts + len(chat.schemas) + sum(text.count("{") for text in chat.schemas)
    return around + _MORE_A_PART * extras + _MORE_A_BODY


def _untuned(model: str) -> str:
    """The model's own name in that of a fine-tuned one, `ft:gpt-4o-mini-2024-07-18:team::id`."""
    return model.removeprefix("ft:").split(":", 1)[0] if model.startswith("ft:") else model


def _by_bytes(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_A_TOKEN)


def _counter(encoding: str) -> Callable[[str], int] | None:
    loaded = load_encoding(encoding)
    if loaded is None:
        return None
    return lambda text: sum(len(loaded.encode_ordinary(piece)) for piece in _pieces(text))


def _pieces(text: str) -> Iterable[str]:
    if len(text) <= _LONGEST:
        return (text,)
    return (text[start : start + _LONGEST] for start in range(0, len(text), _LONGEST))
