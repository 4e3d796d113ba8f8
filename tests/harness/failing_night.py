"""A small run against a provider on loopback, a part of which fails."""

from pathlib import Path

from tests.harness.loopback import Call, Reply
from tests.harness.workplace import Workplace, jsonl, line

_GOOD = (
    b'{"id": "c", "object": "chat.completion", "model": "lab-1", "choices": [{"index": 0, "message": {"role": '
    b'"assistant", "content": "yes <b>"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3, '
    b'"completion_tokens": 2, "total_tokens": 5}}'
)


def night_with_failures(work: Workplace) -> Path:
    """The folder of a run of eight rows, of which the first two are refused."""
    work.provider.reply = _answered_at_times
    rows = [line(f"row-{number}", "bad" if number < 2 else "good", metadata={"dataset": "d"}) for number in range(8)]
    (work.folder / "m.jsonl").write_bytes(jsonl(rows))
    assert work.overnight("run", "m.jsonl", "--out", "night", "--quiet").code == 3
    return work.folder / "night"


def _answered_at_times(call: Call) -> Reply:
    return Reply(b'{"error": {"message": "no such thing"}}', status=400) if "bad" in call.text else Reply(_GOOD)
