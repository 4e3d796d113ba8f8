"""The bodies of the requests that a job makes: chat completions, with the spec's parameters in them."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from prompts.input_error import InputError
from prompts.template import Prompt

_RESERVED = ("model", "messages", "stream")


def chat_body(model: str, messages: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> dict[str, Any]:
    """A chat completion's body; `options` are the keys beside `model` and `messages`."""
    return {"model": model, "messages": list(messages), **options}


def user(content: str | list[dict[str, Any]]) -> dict[str, Any]:
    """A message of the user."""
    return {"role": "user", "content": content}


def with_params(defaults: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """The job's own options, and the spec's over them; a newer name for the token limit replaces the older one."""
    options = dict(defaults)
    if "max_completion_tokens" in params:
        options.pop("max_tokens", None)
    return options | dict(params)


def check_params(
    params: Mapping[str, Any], source: Path | str, key: str = "params", reserved: Collection[str] = _RESERVED
) -> None:
    """Raise InputError for a parameter that the job writes itself, or that has no form in JSON.

    So for `n`: one answer of each request is read, and the others would be paid for nothing.
    """
    for name, value in params.items():
        if name == "n" and value != 1:
            raise InputError(
                "one answer of each request is read: for more there is repeats, or samples",
                file=source,
                field=f"{key}.n",
            )
        if name in reserved:
            raise InputError("the job writes this key of the body itself", file=source, field=f"{key}.{name}")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise InputError("has no form in JSON", file=source, field=f"{key}.{name}") from None


def prompt_metadata(prompt: Prompt) -> dict[str, str]:
    """Which prompt a row was asked with, for its metadata: name and version, and the SHA-256 of its file in hex."""
    return {"prompt": f"{prompt.name}@{prompt.version}", "prompt_sha256": prompt.sha256}
