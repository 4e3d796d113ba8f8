"""Gemini's answers to generateContent, decoded for the few fields that are used (the answer types of its SDK 3.4).

A prompt that was blocked is an answer without candidates: its input is paid for.
"""

from typing import Annotated, Any

import msgspec

from prompts.records import Alternative, Completion, SampledToken
from providers.protocols.answers import NULL, Kind, fitting
from providers.wire import Answer, Usage

_Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]  # what is beyond is no count of tokens
_FINISH = {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"} | dict.fromkeys(
    (
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "MODEL_ARMOR",
        "ESCALATION",
    ),
    "content_filter",
)


class _Record(msgspec.Struct, frozen=True, rename="camel"):
    pass


class _Part(_Record, frozen=True):
    text: str | None = None
    thought: bool | None = None
    function_call: msgspec.Raw = NULL


class _Content(_Record, frozen=True):
    parts: list[_Part] | None = None


class _Token(_Record, frozen=True):
    token: str
    log_probability: float


class _TopTokens(_Record, frozen=True):
    candidates: list[_Token] | None = None


class _Logprobs(_Record, frozen=True):
    chosen_candidates: list[_Token] | None = None
    top_candidates: list[_TopTokens] | None = None

    def sampled(self) -> tuple[SampledToken, ...] | None:
        """The chosen tokens; the lists of alternatives may be fewer, and need not hold the chosen one."""
        if self.chosen_candidates is None:
            return None
        tops = self.top_candidates or []
        alternatives = [tuple([Alternative(x.token, x.log_probability) for x in top.candidates or ()]) for top in tops]
        alternatives += [()] * (len(self.chosen_candidates) - len(alternatives))
        return tuple(
            [
                SampledToken(chosen.token, chosen.log_probability, None, listed)
                for chosen, listed in zip(self.chosen_candidates, alternatives, strict=False)
            ]
        )


class _Candidate(_Record, frozen=True):
    content: _Content | None = None
    finish_reason: str | None = None
    logprobs_result: _Logprobs | None = None


class _PromptFeedback(_Record, frozen=True):
    block_reason: str | None = None


class _Usage(_Record, frozen=True):
    prompt_token_count: _Count | None = None
    tool_use_prompt_token_count: _Count | None = None
    candidates_token_count: _Count | None = None
    thoughts_token_count: _Count | None = None
    cached_content_token_count: _Count | None = None
    total_token_count: _Count | None = None

    def inclusive(self) -> Usage | None:
        """The prompt includes what is cached; what tools returned is input too, and thoughts are output.

        A count of 0 may be left out of the JSON. So where the candidates' is not there, the total tells it.
        """
        if self.prompt_token_count is None:
            return None
        thought = self.thoughts_token_count or 0
        sent = self.prompt_token_count + (self.tool_use_prompt_token_count or 0)
        sampled = self.candidates_token_count
        if sampled is None:
            if self.total_token_count is None:
                return None
            sampled = max(self.total_token_count - sent - thought, 0)
        cached = min(self.cached_content_token_count or 0, sent)
        return Usage(sent, sampled + thought, cached, 0, thought)


class _Contents(_Record, frozen=True):
    """What a 200 may hold, and what is read of it; without candidates it is an answer where the prompt was blocked."""

    candidates: list[_Candidate] | None = None
    prompt_feedback: _PromptFeedback | None = None
    usage_metadata: _Usage | None = None
    model_version: str | None = None


class _LenientPart(_Record, frozen=True):
    text: str | None = None
    thought: Any = None
    function_call: msgspec.Raw = NULL


class _LenientContent(_Record, frozen=True):
    parts: list[_LenientPart] | None = None


class _LenientCandidate(_Record, frozen=True):
    content: _LenientContent | None = None
    finish_reason: msgspec.Raw = NULL
    logprobs_result: msgspec.Raw = NULL


class _LenientContents(_Record, frozen=True):
    """An answer whose lesser fields may be anything."""

    candidates: list[_LenientCandidate] | None = None
    prompt_feedback: msgspec.Raw = NULL
    usage_metadata: msgspec.Raw = NULL
    model_version: msgspec.Raw = NULL


_contents = msgspec.json.Decoder(_Contents)
_lenient = msgspec.json.Decoder(_LenientContents)
_text = msgspec.json.Decoder(str | None)
_logprobs = msgspec.json.Decoder(_Logprobs | None)
_feedback = msgspec.json.Decoder(_PromptFeedback | None)
_usage = msgspec.json.Decoder(_Usage | None)


def _read(body: bytes) -> _Contents:
    try:
        contents = _contents.decode(body)
    except msgspec.ValidationError:
        contents = _read_leniently(body)
    blocked = contents.prompt_feedback is not None and contents.prompt_feedback.block_reason is not None
    if not contents.candidates and not blocked:
        raise msgspec.ValidationError("Object holds neither `candidates` nor a `blockReason`")
    return contents


def _read_leniently(body: bytes) -> _Contents:
    """An answer is paid for: a lesser field that is not as it should be is unknown, and the answer is kept."""
    lenient = _lenient.decode(body)
    return _Contents(
        [_candidate(candidate) for candidate in lenient.candidates or ()],
        fitting(_feedback, lenient.prompt_feedback),
        fitting(_usage, lenient.usage_metadata),
        fitting(_text, lenient.model_version),
    )


def _candidate(lenient: _LenientCandidate) -> _Candidate:
    content = lenient.content
    parts = content.parts or () if content is not None else ()
    told = [_Part(part.text, part.thought is True, part.function_call) for part in parts]
    return _Candidate(
        _Content(told), fitting(_text, lenient.finish_reason), fitting(_logprobs, lenient.logprobs_result)
    )


def _answer(contents: _Contents) -> Answer:
    usage = contents.usage_metadata
    return Answer(contents.model_version, None if usage is None else usage.inclusive())


def _completion(contents: _Contents) -> Completion:
    """The first candidate, as text and tokens; thoughts and function calls are no text."""
    if not contents.candidates:
        return Completion(None, "content_filter")
    candidate = contents.candidates[0]
    parts = candidate.content.parts or [] if candidate.content is not None else []
    texts = [part.text for part in parts if part.text is not None and not part.thought]
    called = any(bytes(part.function_call) != b"null" for part in parts)
    tokens = candidate.logprobs_result.sampled() if candidate.logprobs_result is not None else None
    return Completion("".join(texts) if texts else None, _finish(candidate.finish_reason, called), None, tokens)


def _finish(reason: str | None, called: bool) -> str | None:
    if reason is None:
        return None
    return "tool_calls" if called and reason == "STOP" else _FINISH.get(reason, reason.lower())


CONTENTS: Kind[_Contents] = Kind("a generateContent answer", _read, _answer, _completion)
