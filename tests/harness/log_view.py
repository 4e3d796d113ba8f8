"""What a run folder holds, by custom_id: every line counts, whatever the fold makes of it. Torn ends are left out."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import orjson

from outputs.answers import read_responses
from outputs.fold import fold
from outputs.journal import Log
from outputs.log_reader import read_records
from outputs.records import AttemptLine, ErrorLine, RequestHead, RequestLine, ResponseLine
from providers.wire import Billing
from tests.harness.asking import seen_key


def answered(folder: Path) -> Counter[str]:
    """How many lines of responses.jsonl each row has."""
    lines = read_records(folder / Log.RESPONSES.file_name, ResponseLine)
    return Counter(line.custom_id for _, line in lines)


def failed(folder: Path) -> Counter[str]:
    """How many lines of errors.jsonl each row has."""
    return Counter(line.custom_id for _, line in read_records(folder / Log.ERRORS.file_name, ErrorLine))


def intents(folder: Path) -> Counter[str]:
    """How many attempts of each row were announced, those by batch among them."""
    return _attempts(folder, lambda line: line.settled is None)


def killed(folder: Path) -> set[tuple[str, int]]:
    """(row, attempt) of each attempt that is settled as killed and so maybe billed."""
    names = _names(folder)
    lines = read_records(folder / Log.ATTEMPTS.file_name, AttemptLine)
    return {
        (names[line.request], line.attempt)
        for _, line in lines
        if line.kind == "killed" and line.settled is Billing.MAYBE
    }


def unanswered(folder: Path) -> Counter[str]:
    """How many attempts of each row are settled without an answer, killed ones among them."""
    return _attempts(folder, lambda line: line.settled is not None)


def open_attempts(folder: Path) -> set[tuple[str, int]]:
    """(row, attempt) of each attempt without a settlement: what was in flight when nobody wrote any more."""
    names = _names(folder)
    state = fold(folder)
    return {(names[state.seqs[row]], begun.attempt) for row, begun in state.open_attempts.items()}


def rows_by_key(folder: Path) -> dict[str, str]:
    """The custom_id of each request by the name that the simulator's `seen` has for its body."""
    return {seen_key(orjson.loads(bytes(line.body))): orjson.loads(bytes(line.custom_id)) for line in _requests(folder)}


def keys_that_count(folder: Path) -> Counter[str]:
    """The names that the simulator's `seen` has for the bodies whose answers count."""
    keys = {line.seq: seen_key(orjson.loads(bytes(line.body))) for line in _requests(folder)}
    return Counter(keys[line.request] for line in read_responses(folder))


def _requests(folder: Path) -> Iterator[RequestLine]:
    return (line for _, line in read_records(folder / Log.REQUESTS.file_name, RequestLine))


def seqs(folder: Path, *logs: Log) -> set[int]:
    """The seqs of all lines of these logs, or of all logs."""
    found = [line.seq for log in logs or Log for _, line in read_records(folder / log.file_name, _Line)]
    assert len(found) == len(set(found)), "a seq stands twice"
    return set(found)


class _Line(msgspec.Struct):
    seq: int


def _attempts(folder: Path, wanted: Callable[[AttemptLine], bool]) -> Counter[str]:
    names = _names(folder)
    lines = read_records(folder / Log.ATTEMPTS.file_name, AttemptLine)
    return Counter(names[line.request] for _, line in lines if line.step is None and wanted(line))


def _names(folder: Path) -> dict[int, str]:
    lines = read_records(folder / Log.REQUESTS.file_name, RequestHead)
    return {head.seq: head.custom_id for _, head in lines}
