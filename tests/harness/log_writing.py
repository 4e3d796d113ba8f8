"""A run folder written line by line, by the log's own writers: for what reads logs of any shape, without a run."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import orjson

from outputs import lines
from outputs.batches import BatchTold, Step
from outputs.journal import Log
from outputs.records import RequestLine
from outputs.run_record import FILE_NAME, PromptRecord, RunRecord, Source
from prompts.template import load_prompt
from providers.wire import Billing, Failure, FailureKind, Usage

AT = 1_790_000_000.0


def chat(text: str | None, **choice: Any) -> bytes:
    """An answer as chat completions give it."""
    message = {"role": "assistant", "content": text}
    return orjson.dumps({"choices": [{"message": message, "finish_reason": "stop", **choice}]})


@dataclass(slots=True)
class LogWriter:
    """Appends to the log of `folder`; every method returns the seq of its line."""

    folder: Path
    seq: int = 0
    requests: dict[int, RequestLine] = field(default_factory=dict)

    def record(self, **changes: Any) -> "LogWriter":
        """Write `run.json`, of a plain manifest unless `changes` say otherwise, and empty log files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        catalog = {name: {"protocol": name} for name in ("openai", "azure", "anthropic", "gemini")}
        made: dict[str, Any] = {
            "name": self.folder.name, "created_at": "2026-09-21T17:46:40+00:00", "code_version": "0.1.0",
            "source": Source("manifest", "m.jsonl", "0" * 64), "items": 0, "requests": 0, "simulated": False,
            "catalog": catalog,
        }  # fmt: skip
        (self.folder / FILE_NAME).write_bytes(msgspec.json.encode(RunRecord(**(made | changes))))
        for log in Log:
            (self.folder / log.file_name).touch()
        return self

    def judged(self, prompt: str = "gveval_ref_only_accr") -> tuple["LogWriter", dict[str, Any]]:
        """`record` of a run that asks by a shipped prompt, and the metadata of a row that does."""
        loaded = load_prompt(prompt)
        used = PromptRecord(loaded.name, loaded.version, loaded.sha256, loaded.text)
        self.record(job="gveval", prompts=(used,))
        return self, {"stage": "judge", "prompt": f"{loaded.name}@{loaded.version}", "prompt_sha256": loaded.sha256}

    def raw(self, log: Log, rest: bytes, end: bytes = b"\n") -> int:
        """Any line, from behind its seq; `end` may leave out its line break."""
        self.seq += 1
        with (self.folder / log.file_name).open("ab") as file:
            file.write(b'{"seq":%d,%b%b' % (self.seq, rest, end))
        return self.seq

    def request(
        self, name: str = "", metadata: Any = None, provider: str = "openai", model: str = "m", after: int | None = None
    ) -> int:
        """A request's line; the name is made of its seq where none is given."""
        told = b"" if after is None else b'"after":%d,' % after
        custom_id, said = orjson.dumps(name or f"row-{self.seq + 1}"), json.dumps(metadata).encode()
        who, what = orjson.dumps(provider), orjson.dumps(model)
        seq = self.raw(
            Log.REQUESTS,
            b'"custom_id":%b,"method":"POST","url":"/v1/chat/completions","provider":%b,"model":%b,"fingerprint":"f",'
            b'%b"body":{"messages":[]},"metadata":%b}' % (custom_id, who, what, told, said),
        )
        raw = (msgspec.Raw(part) for part in (custom_id, who, what, b'"f"', b"{}", said))
        name_, provider_, model_, fingerprint, body, metadata_ = raw
        self.requests[seq] = RequestLine(
            seq, name_, "/v1/chat/completions", provider_, model_, fingerprint, body, metadata=metadata_
        )
        return seq

    def attempt(self, request: int, number: int = 1, reserved_usd: float | None = 0.5, batch: int | None = None) -> int:
        """The line before an attempt; `batch` is that of its batch's first line."""
        return self.raw(Log.ATTEMPTS, lines.intent(request, number, AT + self.seq, reserved_usd, batch))

    def step(self, step: Step, batch: int | None = None, **told: Any) -> int:
        """A line about a batch: its first, or one more of the batch with that first line."""
        return self.raw(Log.ATTEMPTS, lines.batch_step(step, AT + self.seq, BatchTold(**told) if told else None, batch))

    def settle(
        self,
        request: int,
        number: int = 1,
        billing: Billing = Billing.UNBILLED,
        message: str = "slow down",
        cost_usd: float | None = None,
        kind: FailureKind = FailureKind.THROTTLED,
    ) -> int:
        """The line of an attempt that ended without an answer."""
        failure = Failure(kind, billing, message, 429, "rate_limit")
        return self.raw(Log.ATTEMPTS, lines.settlement(request, number, AT + self.seq, failure, b"", cost_usd))

    def answer(
        self,
        request: int,
        body: bytes = b"",
        *,
        number: int = 1,
        cost_usd: float | None = 0.25,
        duplicate_of: int | None = None,
        usage: Usage | None = None,
        batch: int | None = None,
    ) -> int:
        """The line of an answer."""
        return self.raw(
            Log.RESPONSES,
            lines.response(
                self.requests[request], attempt=number, at=AT + self.seq, latency_s=1.5, body=body or chat("yes"),
                request_id=None, usage=usage, cost_usd=cost_usd, duplicate_of=duplicate_of,
                batch=batch,
            ),
        )  # fmt: skip

    def fail(self, request: int, message: str = "not this one") -> int:
        """The line of a request that finally failed."""
        failure = Failure(FailureKind.ROW_REFUSED, Billing.UNBILLED, message, 400, "bad")
        return self.raw(Log.ERRORS, lines.error(self.requests[request], attempt=1, at=AT, failure=failure, raw=b""))

    def event(self, name: str, **fields: object) -> int:
        """A line of events.jsonl."""
        return self.raw(Log.EVENTS, lines.event(name, AT + self.seq, **fields))
