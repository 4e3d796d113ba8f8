"""One answer on one line of a terminal."""

from pathlib import Path

from orchestrator.amounts import money
from outputs.journal import Log
from outputs.log_reader import read_lines
from outputs.records import ResponseLine
from providers.adapters import read_completion

_TEXT_LENGTH = 100


def offset_of_last(folder: Path, count: int) -> int:
    """Where the last `count` whole lines of the responses begin, in bytes."""
    offsets = [0]
    for offset, line in read_lines(folder / Log.RESPONSES.file_name):
        offsets.append(offset + len(line) + 1)
        if len(offsets) > count + 1:
            offsets.pop(0)
    return offsets[0] if count else offsets[-1]


def one_line(answer: ResponseLine, protocol: str) -> str:
    """Id, model, tokens, cost, time and the beginning of the text."""
    tokens = "" if answer.usage is None else f"{answer.usage.input_tokens}+{answer.usage.output_tokens} tokens"
    cost = "unpriced" if answer.cost_usd is None else money(answer.cost_usd)
    text = read_completion(protocol, bytes(answer.response.body)).text or ""
    shown = " ".join(text[: _TEXT_LENGTH * 2].split())[:_TEXT_LENGTH]
    return f"{answer.custom_id}  {answer.model}  {tokens}  {cost}  {_took(answer)}  {shown}"


def _took(answer: ResponseLine) -> str:
    if answer.batch is not None:
        return "by batch"
    return "imported" if answer.latency_s is None else f"{answer.latency_s:.2f}s"
