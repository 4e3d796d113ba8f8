"""The JSON that goes back over the wire, in OpenAI's shapes and, as OpenAI's, indented by two spaces."""

from functools import lru_cache
from typing import Any

import orjson

from providers.simulator.asked import Asked
from providers.simulator.limits import Refusal, reset_text
from providers.simulator.tokens import Choice, SimulatedAnswer, Token

CREATED = 1_700_000_000  # one moment for all, as an answer depends on seed and body alone
FINGERPRINT = "fp_simulated"


def pretty(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def completion(asked: Asked, answer: SimulatedAnswer, identifier: str) -> dict[str, Any]:
    chat = asked.chat
    return {
        "id": f"chatcmpl-{identifier}",
        "object": "chat.completion",
        "created": CREATED,
        "model": chat.model,
        "choices": [_choice(index, choice, chat.alternatives) for index, choice in enumerate(answer.choices)],
        "usage": _usage(asked, answer.completion_tokens),
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }


def error(message: str, type_: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": type_, "param": param, "code": code}}


def limited(model: str, refusal: Refusal) -> dict[str, Any]:
    """The 429 of a limit."""
    used = max(0, round(refusal.limit) - refusal.remaining)
    detail = f"Limit {refusal.limit:.0f}, Used {used}, Requested {refusal.requested}."
    return throttled(model, refusal.resource, refusal.wait_s, detail)


def throttled(model: str, resource: str, wait_s: float, detail: str = "Too many at once.") -> dict[str, Any]:
    """The 429 that says to come back in `wait_s` seconds."""
    unit = "RPM" if resource == "requests" else "TPM"
    message = (
        f"Rate limit reached for {model} in organization org-simulated on {resource} per min ({unit}): {detail} "
        f"Please try again in {reset_text(wait_s)}."
    )
    return error(message, resource, code="rate_limit_exceeded")


def models() -> dict[str, Any]:
    entry = {"id": "simulated", "object": "model", "created": CREATED, "owned_by": "overnight-simulator"}
    return {"object": "list", "data": [entry]}


def _choice(index: int, choice: Choice, alternatives: int | None) -> dict[str, Any]:
    return {
        "index": index,
        "message": {"role": "assistant", "content": choice.text, "refusal": None, "annotations": []},
        "logprobs": None
        if alternatives is None
        else {"content": [_token(token) for token in choice.tokens], "refusal": None},
        "finish_reason": choice.finish_reason,
    }


def _token(token: Token) -> dict[str, Any]:
    top = [_alternative(text, logprob) for text, logprob in token.alternatives]
    return {**_alternative(token.text, token.logprob), "top_logprobs": top}


def _alternative(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": _utf8(text)}


@lru_cache(maxsize=4096)
def _utf8(text: str) -> tuple[int, ...]:
    return tuple(text.encode())


def _usage(asked: Asked, made: int) -> dict[str, Any]:
    seen = {"image_tokens": asked.picture_tokens} if asked.pictures else {}
    return {
        "prompt_tokens": asked.prompt_tokens,
        "completion_tokens": made,
        "total_tokens": asked.prompt_tokens + made,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0, **seen},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
