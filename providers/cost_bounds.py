"""The most that one call can cost, from its body alone: what is reserved under a cap before it is sent."""

import re
from typing import Any

import msgspec

from providers.protocols.paths import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES
from providers.rates import Rates

_USUAL_TIERS = frozenset({"auto", "default", "standard", "standard_only", "flex", "batch"})  # no dearer than usual


class _Chat(msgspec.Struct, frozen=True):
    service_tier: str | None = None
    web_search_options: Any = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None

    @property
    def tokens(self) -> int | None:
        return max(self.max_tokens or 0, self.max_completion_tokens or 0) or None

    @property
    def answers(self) -> int:
        return self.n or 1


class _Completions(msgspec.Struct, frozen=True):
    """`best_of` answers are written for each prompt, and `n` of them are sent. A prompt may be a list of tokens."""

    service_tier: str | None = None
    max_tokens: int | None = None
    n: int | None = None
    best_of: int | None = None
    prompt: str | list[Any] = ""

    @property
    def tokens(self) -> int | None:
        return self.max_tokens or None

    @property
    def answers(self) -> int:
        several = isinstance(self.prompt, list) and not all(isinstance(part, int) for part in self.prompt)
        return max(self.n or 1, self.best_of or 1) * (len(self.prompt) if several else 1)


class _Single(msgspec.Struct, frozen=True):
    """Of paths that give one answer."""

    service_tier: str | None = None
    speed: str | None = None  # Anthropic's
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None
    max_tokens: int | None = None
    max_output_tokens: int | None = None

    @property
    def answers(self) -> int:
        return 1


class _Responses(_Single, frozen=True):
    @property
    def tokens(self) -> int | None:
        return self.max_output_tokens or None


class _Messages(_Single, frozen=True):
    @property
    def tokens(self) -> int | None:
        return self.max_tokens or None


class _Generation(msgspec.Struct, frozen=True):
    most_output: int | None = msgspec.field(name="maxOutputTokens", default=None)
    max_output_tokens: int | None = None
    candidates: int | None = msgspec.field(name="candidateCount", default=None)
    candidate_count: int | None = None


class _Contents(msgspec.Struct, frozen=True):
    """Gemini reads its fields in either spelling: where a maximum may stand in the other one, it is as good as none."""

    service_tier: str | None = None
    gemini_tier: str | None = msgspec.field(name="serviceTier", default=None)
    config: _Generation | None = msgspec.field(name="generationConfig", default=None)
    generation_config: _Generation | None = None

    @property
    def tokens(self) -> int | None:
        config = self.config
        if config is None or self.generation_config is not None or config.max_output_tokens is not None:
            return None
        return config.most_output or None

    @property
    def answers(self) -> int:
        configs = [config for config in (self.config, self.generation_config) if config is not None]
        return max([1, *(count or 1 for x in configs for count in (x.candidates, x.candidate_count))])


_FILE = re.compile(rb'"type"\s*:\s*"file"')
_ELSEWHERE = re.compile(
    rb'"type"\s*:\s*"(?:input_image|image|input_file|file|document|url|web_search\w*|web_fetch\w*|file_search|mcp\w*'
    rb'|code_interpreter|code_execution\w*|computer\w*|image_generation|container_upload)"'
    rb'|"(?:inline_?data|file_?data|cached_?content|google_?search\w*|url_?context|code_?execution|mcp_servers)"\s*:',
    re.IGNORECASE,
)
_decoders: dict[str, msgspec.json.Decoder[Any]] = {
    CHAT: msgspec.json.Decoder(_Chat),
    COMPLETIONS: msgspec.json.Decoder(_Completions),
    RESPONSES: msgspec.json.Decoder(_Responses),
    MESSAGES: msgspec.json.Decoder(_Messages),
    EMBEDDINGS: msgspec.json.Decoder(_Single),
}


_contents = msgspec.json.Decoder(_Contents, strict=False)  # Gemini takes numbers as strings, too


def has_dear_tier(body: bytes, *, url: str = CHAT) -> bool:
    """Whether a body asks to be served faster than others, at a price that nobody here knows."""
    try:
        return _is_dear(_decode(url, body))
    except msgspec.ValidationError:  # the provider may still make sense of it
        return True


def points_elsewhere(body: bytes, *, url: str = CHAT) -> bool:
    """Whether a body shows or points to what its bytes do not bound: files, addresses, tools that fetch, an earlier
    conversation, pictures in a native body. (Pictures of a chat completion are counted by their size.)
    """
    try:
        return _points(_decode(url, body), body, url)
    except msgspec.ValidationError:
        return True


def _points(asked: Any, body: bytes, url: str) -> bool:
    if url == CHAT:
        if asked.web_search_options is not None:
            return True
        return b'"file"' in body and _FILE.search(body) is not None
    if url in (COMPLETIONS, EMBEDDINGS):
        return False
    if _ELSEWHERE.search(body) is not None:
        return True
    earlier = (getattr(asked, name, None) for name in ("previous_response_id", "conversation", "prompt"))
    return any(one is not None for one in earlier)


def _is_dear(asked: Any) -> bool:
    if getattr(asked, "speed", None) not in (None, "standard"):
        return True
    tier = asked.service_tier or getattr(asked, "gemini_tier", None)
    return tier is not None and tier.lower() not in _USUAL_TIERS


def upper_bound_usd(
    rates: Rates, body: bytes, max_output_tokens: int | None, input_tokens: int | None = None, *, url: str = CHAT
) -> float | None:
    """What a call with this body can cost at most: a token per input byte, and all the output it may write.

    `max_output_tokens` is the model's own maximum. `input_tokens`, where they are counted, take the place of the bytes.
    `url` is the request's path: only fields that count there are read. Input is taken at the dearest of its rates,
    whatever a cache makes of it. None where neither the body nor the model bounds the output, or where the tier that
    the body asks for has a price of its own.
    """
    tokens = len(body) if input_tokens is None else input_tokens
    dearest_input, dearest_output = _dearest(rates, tokens)
    if not dearest_input and not dearest_output:
        return 0.0
    if url == EMBEDDINGS:
        return tokens * dearest_input
    try:
        asked = _decode(url, body)
    except msgspec.ValidationError:  # the provider may still make sense of it
        return None
    most = asked.tokens or max_output_tokens
    if most is None or _is_dear(asked) or _points(asked, body, url):
        return None
    if url == MESSAGES and b'"1h"' in body:
        dearest_input = max(dearest_input, *(x.long_written for x in _within(rates, tokens)))
    output: float = asked.answers * most * dearest_output
    return tokens * dearest_input + output


def _decode(url: str, body: bytes) -> Any:
    """What a body asks for. Raises msgspec.ValidationError."""
    return _decoders.get(url, _contents).decode(body)


def _dearest(rates: Rates, tokens: int) -> tuple[float, float]:
    """The dearest rates of input and output of a call with up to so many input tokens."""
    if not rates.tiers and not rates.by_hour:
        return rates.dearest_input, rates.output
    within = _within(rates, tokens)
    return max(x.dearest_input for x in within), max(x.output for x in within)


def _within(rates: Rates, tokens: int) -> list[Rates]:
    """All rates that may count for a call with up to so many input tokens."""
    return [rates, *rates.by_hour, *(tier for above, tier in rates.tiers if tokens > above)]
