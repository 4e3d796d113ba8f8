"""What is asked and what is answered: a manifest, the catalog that goes with it, and a stub's one answer."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BODY_BYTES = 500
_MODEL = "stub-model"
_SENTENCE = "A brown dog runs across a wet field after a red ball while two children watch from behind a fence. "


@dataclass(frozen=True, slots=True)
class Lane:
    """Rows for one provider."""

    provider: str
    rows: int


def write_manifest(file: Path, lanes: tuple[Lane, ...]) -> None:
    """The lanes' rows in this order, line by line: this process stays small."""
    with file.open("w", encoding="utf-8") as out:
        out.writelines(line for lane in lanes for line in _lines(lane))


def read_bodies(file: Path) -> list[bytes]:
    """The request bodies of a manifest, as they stand there."""
    with file.open("rb") as lines:
        return [_compact(json.loads(line)["body"]).encode() for line in lines]


def write_catalog(file: Path, base_urls: dict[str, str]) -> None:
    """A provider for each base URL, with prices and with token limits that are never reached.

    So every call is reserved, passes every gate, and every answer is accounted for.
    """
    file.write_text("\n".join(_provider(name, base_url) for name, base_url in base_urls.items()), encoding="utf-8")


def answer() -> str:
    """A chat completion of about 1 KB, printed as OpenAI's servers print theirs: on many lines."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": _SENTENCE * 3, "refusal": None, "annotations": []},
        "logprobs": None,
        "finish_reason": "stop",
    }
    usage = {
        "prompt_tokens": 96,
        "completion_tokens": 64,
        "total_tokens": 160,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
    head = {"id": "chatcmpl-stub", "object": "chat.completion", "created": 1750000000, "model": _MODEL}
    return json.dumps({**head, "choices": [choice], "usage": usage, "service_tier": "default"}, indent=2)


def _lines(lane: Lane) -> Iterator[str]:
    for number in range(lane.rows):
        line = {
            "custom_id": f"{lane.provider}-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "provider": lane.provider,
            "body": _body(number),
        }
        yield _compact(line) + "\n"


def _body(number: int) -> dict[str, object]:
    """A body of `BODY_BYTES`, unlike every other."""
    text = f"{number}: {_SENTENCE * 4}"
    body: dict[str, object] = {"model": _MODEL, "temperature": 0, "max_tokens": 64}
    bare = len(_compact(body | {"messages": [{"role": "user", "content": ""}]}))
    return body | {"messages": [{"role": "user", "content": text[: BODY_BYTES - bare]}]}


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _provider(name: str, base_url: str) -> str:
    return (
        f'[providers.{name}]\nprotocol = "openai"\nbase_url = "{base_url}"\n'
        f'[providers.{name}.prices."*"]\ninput = 0.5\noutput = 1.5\n'
        f"[providers.{name}.limits]\ntpm = 1e12\ninput_tpm = 1e12\noutput_tpm = 1e12\n"
    )
