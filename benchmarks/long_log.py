"""A finished RSE run of as many rows as wanted, written by the log's own writers and without a call: simulated.

Half of the rows are answers of models, half are judgements of them; every hundredth was throttled once before its
answer. Texts are made of a few words, bodies are laid out as OpenAI lays out its own. About 2.1 KB of disk a row.
"""

import json
import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from outputs import lines
from outputs.journal import Log
from outputs.records import RequestLine
from outputs.run_record import FILE_NAME, PromptRecord, RunRecord, Source
from prompts.template import load_prompt
from providers.wire import Billing, Failure, FailureKind, Usage

_WORDS = (
    "river",
    "kettle",
    "lantern",
    "engine",
    "meadow",
    "letter",
    "violin",
    "orchard",
    "pebble",
    "harbour",
    "window",
)
_MODELS = ("openai/gpt-4o-mini", "lab/north-7b", "lab/south-70b", "anthropic/claude-3-5-haiku")
_REFERENCE, _JUDGE = "openai/gpt-4o", "openai/gpt-4.1"
_TEXTS = 500  # different ones
_ASPECTS = ("Response Style", "Logical Structure", "Content Detail", "Overall")
_THROTTLED_EVERY = 100
_BEGAN = 1_790_000_000.0
_PROMPT = "rse_judge"
_BODY = """{
  "id": "chatcmpl-%016x",
  "object": "chat.completion",
  "created": 1790000000,
  "model": "%s",
  "choices": [
    {
      "index": 0,
      "message": {
        "role": "assistant",
        "content": %s,
        "refusal": null,
        "annotations": []
      },
      "logprobs": null,
      "finish_reason": "stop"
    }
  ],
  "usage": {
    "prompt_tokens": 300,
    "completion_tokens": 120,
    "total_tokens": 420,
    "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
    "completion_tokens_details": { "reasoning_tokens": 0, "audio_tokens": 0 }
  },
  "service_tier": "default",
  "system_fingerprint": "fp_simulated"
}
"""


@dataclass(slots=True)
class _Files:
    """The log files, and the number of the next line."""

    files: dict[Log, IO[bytes]]
    seq: int = 1

    def write(self, log: Log, rest: bytes) -> int:
        seq = self.seq
        self.files[log].write(b'{"seq":%d,%b\n' % (seq, rest))
        self.seq = seq + 1
        return seq


@dataclass(frozen=True, slots=True)
class _Words:
    """Texts to draw from, as JSON strings."""

    questions: Sequence[str]
    answers: Sequence[str]
    judgements: Sequence[str]


def write_run(folder: Path, rows: int, seed: int = 0, *, all_differ: bool = False) -> int:
    """Make the run folder; returns the bytes of its log. With `all_differ` no two answers are the same."""
    folder.mkdir()
    draw = random.Random(seed)
    prompt = load_prompt(_PROMPT)
    words = _words(draw)
    with ExitStack() as stack:
        files = _Files({log: stack.enter_context((folder / log.file_name).open("wb")) for log in Log})
        files.write(Log.EVENTS, lines.event("start", _BEGAN, simulated=True))
        for row in range(rows):
            _write_row(files, row, draw, _words(draw, 1, row) if all_differ else words, prompt.sha256)
    record = RunRecord(
        name=folder.name,
        created_at="2026-09-21T17:46:40+00:00",
        code_version="0.1.0",
        source=Source("spec", "rse.toml", "0" * 64),
        items=0,
        requests=rows,
        simulated=True,
        job="rse",
        prompts=(PromptRecord(prompt.name, prompt.version, prompt.sha256, prompt.text),),
        catalog={"simulator": {"protocol": "openai"}},
    )
    (folder / FILE_NAME).write_bytes(msgspec.json.encode(record))
    return sum((folder / log.file_name).stat().st_size for log in Log)


def _words(draw: random.Random, texts: int = _TEXTS, number: int | None = None) -> _Words:
    """`number` stands in each text, where it is given."""
    mark = "" if number is None else f" {number}"

    def text(words: int) -> str:
        return " ".join(draw.choices(_WORDS, k=words)).capitalize() + mark + "."

    judgements = ("\n".join([text(40), *(f"{x}: [[{draw.randint(1, 5)}]]" for x in _ASPECTS)]) for _ in range(texts))
    return _Words(
        [json.dumps(text(12)) for _ in range(texts)],
        [json.dumps(text(45)) for _ in range(texts)],
        [json.dumps(judgement) for judgement in judgements],
    )


def _write_row(files: _Files, row: int, draw: random.Random, words: _Words, sha256: str) -> None:
    number, judged = divmod(row, 2)
    at = _BEGAN + row * 0.02
    request = _request(files, number, draw, words, sha256 if judged else None)
    first = 1
    if row % _THROTTLED_EVERY == 0:
        failure = Failure(FailureKind.THROTTLED, Billing.UNBILLED, f"Rate limit reached, row {row}", 429, "rate_limit")
        files.write(Log.ATTEMPTS, lines.intent(request.seq, 1, at, 0.00042))
        files.write(Log.ATTEMPTS, lines.settlement(request.seq, 1, at + 0.1, failure))
        first = 2
    files.write(Log.ATTEMPTS, lines.intent(request.seq, first, at + 1, 0.00042))
    said = draw.choice(words.judgements if judged else words.answers)
    answer = lines.response(
        request,
        attempt=first,
        at=at + 2.5,
        latency_s=1.5,
        body=(_BODY % (row, _JUDGE if judged else "simulated", said)).encode(),
        request_id=f"req_{row:016x}",
        usage=Usage(300, 120),
        cost_usd=0.000117,
    )
    files.write(Log.RESPONSES, answer)


def _request(files: _Files, number: int, draw: random.Random, words: _Words, sha256: str | None) -> RequestLine:
    item, model = f"p{number // len(_MODELS)}", _MODELS[number % len(_MODELS)]
    if sha256 is None:
        told = {"stage": "answer", "item": item, "model": model, "turn": 1}
        asked, content = model, draw.choice(words.questions)
    else:
        told = {
            "item": item, "model": model, "reference": _REFERENCE, "control": False, "turns": [1], "turns_asked": 1,
            "stage": "judge", "repeat": 0, "swapped": False, "prompt": f"{_PROMPT}@1.0", "prompt_sha256": sha256,
            "self_preference": False,
        }  # fmt: skip
        asked, content = _JUDGE, json.dumps(json.loads(draw.choice(words.answers)))
    name = b'"rse-%b-%012x"' % (item.encode(), number * 2 + (sha256 is not None))
    body = b'{"model":"%b","messages":[{"role":"user","content":%b}],"max_tokens":1024}' % (
        asked.encode(),
        content.encode(),
    )
    metadata = msgspec.json.encode(told)
    model_json = b'"%b"' % asked.encode()
    rest = (
        b'"custom_id":%b,"method":"POST","url":"/v1/chat/completions","provider":"simulator","model":%b,'
        b'"fingerprint":"%032x","body":%b,"metadata":%b}'
    ) % (name, model_json, draw.getrandbits(128), body, metadata)
    seq = files.write(Log.REQUESTS, rest)
    return RequestLine(
        seq,
        msgspec.Raw(name),
        "/v1/chat/completions",
        msgspec.Raw(b'"simulator"'),
        msgspec.Raw(model_json),
        msgspec.Raw(b'"%032x"' % seq),
        msgspec.Raw(body),
        metadata=msgspec.Raw(metadata),
    )
