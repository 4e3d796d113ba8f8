"""The import `openai-batch`: results of the batch APIs of OpenAI and Azure, and of vLLM's run-batch.

Several files are one import. A row that has an answer on one line and a failure on another is answered; of several
failures the last counts; the same answer twice is taken once, and two different answers are an error naming both lines,
unless the last is asked for.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
import orjson

from jobs.imports.batch_answers import Told, read_result, read_told
from jobs.imports.batch_lines import BatchLine, read_batch_line
from jobs.imports.files import check_files, read_json_lines
from jobs.imports.half_surrogates import without_halves
from jobs.imports.rows import (
    ELSEWHERE,
    IMPORTED,
    UNKNOWN_MODEL,
    Found,
    ImportedAnswer,
    ImportedFailure,
    ImportedRequest,
    Settled,
    SourceFile,
    origin,
)
from outputs.items import Item
from outputs.records import RequestLine
from prompts.input_error import InputError
from providers.catalog import Catalog
from providers.cost_bounds import has_dear_tier
from providers.prices import Rates, resolve_rates
from providers.wire import Failure, Usage

OPENAI_FORM = ("openai", "azure")  # the protocols whose answers such files hold
_BOM = b"\xef\xbb\xbf"


class _Place(NamedTuple):
    """Where the line of a row stands, and whether it says that the row failed."""

    file: int
    number: int
    offset: int
    failed: bool


class BatchImport:
    """Batch results, read and checked whole. Memory: some 300 bytes a row; bodies stay in their files."""

    kind = "openai-batch"
    job = "manifest"

    def __init__(
        self, paths: Sequence[Path], catalog: Catalog, *, provider: str | None = None, last: bool = False
    ) -> None:
        """Raises InputError. `provider` says who answered, `last` takes the last of different answers to a row."""
        if provider is not None:
            require_openai_form(provider, catalog)
        self._paths, self._catalog, self._provider, self._last = tuple(paths), catalog, provider, last
        self.found = Found()
        self._places: dict[str, _Place] = {}
        self._rates: dict[tuple[str, str, date | None], Rates | None] = {}
        for file, (path, digest) in enumerate(check_files(paths).items()):
            self.found.files.append(SourceFile(path, self._read(file, path), digest))
        if not self._places:
            raise InputError(
                "holds no result" if len(paths) == 1 else "none of the files holds a result", file=paths[0]
            )

    def __len__(self) -> int:
        return len(self._places)

    def items(self) -> Iterator[Item]:
        return iter(())

    def requests(self) -> Iterator[ImportedRequest]:
        """What can be told of the requests from their results alone: not what was asked."""
        with self._opened() as files:
            for custom_id, place in self._places.items():
                line = self._line(files, place)
                told = Told() if line.response is None or line.failed else read_told(bytes(line.response.body))
                model = told.model or UNKNOWN_MODEL
                yield ImportedRequest(
                    custom_id=custom_id,
                    url=told.url,
                    provider=self._answered_by(line, told),
                    model=model,
                    body=orjson.dumps({"model": model}),
                    metadata={IMPORTED: self._origin(place)},
                )

    def settled(self, requests: Iterable[RequestLine]) -> Iterator[tuple[RequestLine, Settled]]:
        with self._opened() as files:
            for request in requests:
                place = self._places.get(msgspec.json.decode(request.custom_id))
                if place is not None:
                    yield request, self._settle(request, self._line(files, place), self._origin(place))

    def first_of(self, custom_ids: Iterable[str]) -> tuple[str, Path, int] | None:
        """The first row that none of these ids is of, with file and line."""
        known = set(custom_ids)
        for custom_id, place in self._places.items():
            if custom_id not in known:
                return custom_id, self._paths[place.file], place.number
        return None

    def _settle(self, request: RequestLine, line: BatchLine, where: dict[str, object]) -> Settled:
        result, body = read_result(line, request.url)
        if isinstance(result, Failure):
            return ImportedFailure(result, body, where)
        told = read_told(body)
        request_id = None if line.response is None else line.response.request_id
        return ImportedAnswer(
            body, told.at, request_id, result.usage, self._cost_usd(request, result.usage, told.day), where
        )

    def _cost_usd(self, request: RequestLine, usage: Usage | None, day: datetime | None) -> float | None:
        """By the rates of the provider's batch API at the time; None where they, or the usage, are unknown."""
        provider, model = msgspec.json.decode(request.provider, type=str), msgspec.json.decode(request.model, type=str)
        if usage is None or provider == ELSEWHERE:
            return None
        entry = self._catalog.provider(provider)
        key = (provider, model, None if day is None else day.date())
        if key not in self._rates:
            self._rates[key] = resolve_rates(entry, model, batch=True, at=day)
        rates = self._rates[key]
        if rates is None or (not entry.free and has_dear_tier(bytes(request.body), url=request.url)):
            return None
        at = 0.0 if day is None else day.timestamp()
        return rates.cost_between_usd(usage, at, at)

    def _answered_by(self, line: BatchLine, told: Told) -> str:
        if self._provider is not None:
            return self._provider
        if line.by_vllm or told.model is None:
            return ELSEWHERE
        with contextlib.suppress(InputError):
            name = self._catalog.route(told.model)
            if self._catalog.provider(name).protocol in OPENAI_FORM:
                return name
        return ELSEWHERE

    def _read(self, file: int, path: Path) -> int:
        rows = 0
        halved: list[int] = []
        for number, offset, text in read_json_lines(path):
            rows += 1
            line = read_batch_line(path, number, text)
            if without_halves(text) != text:
                halved.append(number)
            self._take(line, _Place(file, number, offset, line.failed))
        if not rows:
            self.found.notes.append(f"{path} is empty")
        if halved:
            what = "results with half of a surrogate pair, which is no character: read as U+FFFD"
            self.found.notes.append(f"{path}: {len(halved):,} {what}; the first is on line {halved[0]}")
        return rows

    def _take(self, line: BatchLine, place: _Place) -> None:
        before = self._places.get(line.custom_id)
        if before is None:
            self._places[line.custom_id] = place
            return
        if before.failed or place.failed:
            later = before.failed
            both = before.failed and place.failed
            reason = "earlier failures of rows that failed again" if both else "failures of rows that were answered"
        else:
            later = not self._same(before, line)
            if later and not self._last:
                first = f"{self._paths[before.file]}:{before.number}"
                what = f"{line.custom_id!r} has another answer on {first}; --last takes the last of them"
                raise InputError(what, file=self._paths[place.file], line=place.number, field="custom_id")
            reason = "earlier answers, of which the last was taken" if later else "repeated answers"
        self.found.left_out[reason] += 1
        if later:
            self._places[line.custom_id] = place

    def _same(self, before: _Place, line: BatchLine) -> bool:
        with self._paths[before.file].open("rb") as file:
            other = self._line({before.file: file}, before)
        first, second = (bytes(one.response.body) if one.response else b"" for one in (other, line))
        return first == second or _value(first) == _value(second)

    def _line(self, files: dict[int, BinaryIO], place: _Place) -> BatchLine:
        file = files[place.file]
        file.seek(place.offset)
        text = file.readline()
        return read_batch_line(self._paths[place.file], place.number, text.removeprefix(_BOM).strip())

    @contextlib.contextmanager
    def _opened(self) -> Iterator[dict[int, BinaryIO]]:
        with contextlib.ExitStack() as stack:
            yield {number: stack.enter_context(path.open("rb")) for number, path in enumerate(self._paths)}

    def _origin(self, place: _Place) -> dict[str, object]:
        return origin(self._paths[place.file], place.number)


def require_openai_form(provider: str, catalog: Catalog) -> None:
    """Raise InputError for a provider whose answers have another form."""
    protocol = catalog.provider(provider).protocol
    if protocol not in OPENAI_FORM:
        what = f"{provider} speaks {protocol}: results in OpenAI's batch format are not its answers"
        raise InputError(what, field="provider")


def _value(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
