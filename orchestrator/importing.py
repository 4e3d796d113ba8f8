"""Writing an import as a run folder: all or nothing, in an empty place.

A folder becomes a run with its `run.json`, which is written last; what a kill left behind before is made anew.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import orjson

from jobs.imports.rows import ELSEWHERE, IMPORTED, Import, ImportedFailure, ImportedRequest, Settled, SourceFile
from orchestrator.budget import round_up_usd
from orchestrator.folder_lock import LOCK, locked
from orchestrator.imported import IMPORT
from orchestrator.making import MAKING, check_usable, code_version, snapshot, write_record
from orchestrator.opening import is_run, make_folder
from orchestrator.sources import check_path
from outputs import lines
from outputs.disk import Disk, OsDisk
from outputs.journal import Log
from outputs.log_reader import read_records
from outputs.records import NULL, RequestLine
from outputs.run_record import FILE_NAME, RunRecord, Source
from prompts.input_error import InputError
from prompts.plain_text import plain_text
from providers.catalog import Catalog
from providers.prices import resolve_rates
from providers.provider import Provider
from providers.routing import fingerprint


@dataclass(frozen=True, slots=True)
class Made:
    """An import that is a run folder now. `left_out` counts by reason what of the files is not in it."""

    folder: Path
    kind: str
    job: str
    files: Sequence[SourceFile]
    items: int
    requests: int
    answered: int
    failed: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()
    to_send: int = 0
    goes_on: bool = False  # whether requests may follow from the answers

    @property
    def next_command(self) -> str:
        """What the user may do now."""
        looks = "status" if self.job == "manifest" else "analyze"
        return f"overnight {'run' if self.to_send or self.goes_on else looks} {self.folder}"

    def sentences(self) -> Iterator[str]:
        """What became of the files, for people."""
        for one in self.files:
            holds = f" ({one.holds})" if one.holds else ""
            yield plain_text(f"read: {one.path}{holds}, {_count(one.rows, 'row')}")
        made = _count(self.items, "item") if not self.requests else ""
        if self.requests:
            made = f"{_count(self.requests, 'request')}, {self.answered:,} answered, {self.failed:,} failed"
            made += f"; {self.to_send:,} to send" if self.to_send else ""
        yield plain_text(f"made: {self.folder}, {made}")
        for reason, count in self.left_out.items():
            yield plain_text(f"left out: {count:,} {reason}")
        for note in self.notes:
            yield plain_text(f"note: {note}")
        yield plain_text(f"next: {self.next_command}")

    def to_json(self) -> dict[str, Any]:
        """The same for `--json`."""
        document: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        return {**document, "next": self.next_command}


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class LogFiles:
    """The log files of a folder that is being made, each written from its beginning; lines get a rising seq."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Log, BinaryIO] = {}
        self._seq = 0

    def __enter__(self) -> "LogFiles":
        for log in Log:
            self._files[log] = (self._folder / log.file_name).open("wb", buffering=1 << 20)
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def write(self, log: Log, rest: bytes) -> int:
        """Add the line `{"seq":N,` + `rest`; returns its seq."""
        self._seq += 1
        self._files[log].write(b'{"seq":%d,%b\n' % (self._seq, rest))
        return self._seq

    def write_all(self, log: Log, rests: Iterable[bytes]) -> int:
        """Add a line for each; returns how many."""
        before = self._seq
        for rest in rests:
            self.write(log, rest)
        return self._seq - before

    def sync(self) -> None:
        """Return once all that was written is on disk, and can be read."""
        for file in self._files.values():
            file.flush()
            os.fdatasync(file.fileno())


@contextlib.contextmanager
def new_run(folder: Path, disk: Disk) -> Iterator[LogFiles]:
    """Make `folder` a run in the block, which writes its `run.json` at its end; where it fails, nothing stays behind.

    Raises InputError where a run cannot be made there.
    """
    check_path(folder)
    _require_no_run(folder)
    check_usable(folder)
    new = make_folder(folder, disk)
    try:
        with locked(folder):
            _require_no_run(folder)
            try:
                disk.replace(folder / MAKING, b"")
                with LogFiles(folder) as log:
                    yield log
                (folder / MAKING).unlink()
            except BaseException:
                _clear(folder)
                raise
    except BaseException:
        with contextlib.suppress(OSError):
            for made in new:
                made.rmdir()
        raise


def _require_no_run(folder: Path) -> None:
    if is_run(folder):
        raise InputError("is a run already: give another --out", file=folder)


def _clear(folder: Path) -> None:
    names = (FILE_NAME, *(log.file_name for log in Log), MAKING)
    with contextlib.suppress(OSError):
        for name in (*names, *(f"{name}.new" for name in names), LOCK):
            (folder / name).unlink(missing_ok=True)


def write_import(folder: Path, source: Import, catalog: Catalog, disk: Disk | None = None) -> Made:
    """Make a run folder of what was read: nothing in it is ever sent. Raises InputError; then nothing stays behind."""
    disk = disk or OsDisk()
    with new_run(folder, disk) as log:
        items = log.write_all(Log.ITEMS, (msgspec.json.encode(item)[1:] for item in source.items()))
        lanes: set[tuple[str, str]] = set()
        requests = log.write_all(Log.REQUESTS, _known_lines(source.requests(), lanes))
        log.sync()
        answered, failed = write_settled(log, source.settled(stored_requests(folder)))
        write_event(log, source, answered, failed)
        log.sync()
        write_record(folder, _record(folder, source, catalog, sorted(lanes), items, requests), disk)
    found = source.found
    return Made(
        folder, source.kind, source.job, found.files, items, requests, answered, failed, found.left_out, found.notes
    )


def _known_lines(requests: Iterable[ImportedRequest], lanes: set[tuple[str, str]]) -> Iterator[bytes]:
    for request in requests:
        lanes.add((request.provider, request.model))
        yield _request_line(request)


def _request_line(request: ImportedRequest) -> bytes:
    line = (
        b'"custom_id":%b,"method":"POST","url":%b,"provider":%b,"model":%b,"fingerprint":"%b","body":%b,"metadata":%b}'
    )
    return line % (
        orjson.dumps(request.custom_id),
        orjson.dumps(request.url),
        orjson.dumps(request.provider),
        orjson.dumps(request.model),
        fingerprint(request.provider, request.url, request.body).encode(),
        request.body,
        orjson.dumps(request.metadata),
    )


def stored_requests(folder: Path) -> Iterator[RequestLine]:
    """The requests of the folder, in their order."""
    return (request for _, request in read_records(folder / Log.REQUESTS.file_name, RequestLine))


def write_settled(log: LogFiles, settled: Iterable[tuple[RequestLine, Settled]]) -> tuple[int, int]:
    """Write how requests ended; returns how many were answered and how many failed.

    None of these attempts is the run's own, so that it counts none, and nobody measured how long they took.
    """
    now = time.time()
    answered = failed = 0
    for request, result in settled:
        request = _with_origin(request, result)
        if isinstance(result, ImportedFailure):
            failed += 1
            log.write(Log.ERRORS, lines.error(request, attempt=0, at=now, failure=result.failure, raw=result.raw))
            continue
        answered += 1
        cost = result.cost_usd
        line = lines.response(
            request,
            attempt=0,
            at=now if result.at is None else result.at,
            latency_s=None,
            body=result.body,
            request_id=result.request_id,
            usage=result.usage,
            cost_usd=None if cost is None else round_up_usd(cost),
        )
        log.write(Log.RESPONSES, line)
    return answered, failed


def _with_origin(request: RequestLine, result: Settled) -> RequestLine:
    if result.origin is None:
        return request
    told = {} if request.metadata == NULL else msgspec.json.decode(request.metadata, type=dict[str, msgspec.Raw])
    told[IMPORTED] = msgspec.Raw(msgspec.json.encode(result.origin))
    return msgspec.structs.replace(request, metadata=msgspec.Raw(msgspec.json.encode(told)))


def write_event(log: LogFiles, source: Import, answered: int, failed: int) -> None:
    """Say in the log what was imported from where."""
    found = source.found
    files = [{"file": str(one.path), "sha256": one.sha256, "rows": one.rows, "holds": one.holds} for one in found.files]
    line = lines.event(
        "imported",
        time.time(),
        kind=source.kind,
        files=files,
        answered=answered,
        failed=failed,
        left_out=dict(found.left_out),
        notes=list(found.notes),
    )
    log.write(Log.EVENTS, line)


def _record(
    folder: Path, source: Import, catalog: Catalog, lanes: Sequence[tuple[str, str]], items: int, requests: int
) -> RunRecord:
    known = [lane for lane in lanes if lane[0] != ELSEWHERE]
    entries = {name: snapshot(catalog, name) for name in sorted({provider for provider, _ in known})}
    if len(known) < len(lanes):
        entries[ELSEWHERE] = msgspec.to_builtins(Provider(protocol="openai"))
    return RunRecord(
        name=folder.resolve().name,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        code_version=code_version(),
        source=source_record(source.found.files),
        items=items,
        requests=requests,
        simulated=any(catalog.provider(provider).simulated for provider, _ in known),
        job=source.job,
        catalog=entries,
        prices=_prices(catalog, lanes),
    )


def source_record(files: Sequence[SourceFile]) -> Source:
    """What `run.json` says of the files; the SHA-256 of several is that of theirs, in their order."""
    digests = "".join(one.sha256 for one in files)
    digest = digests if len(files) == 1 else hashlib.sha256(digests.encode()).hexdigest()
    return Source(IMPORT, ", ".join(one.path.name for one in files), digest)


def _prices(catalog: Catalog, lanes: Iterable[tuple[str, str]]) -> dict[str, Any]:
    prices: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat()}
    for provider, model in sorted(lanes):
        rates = None if provider == ELSEWHERE else resolve_rates(catalog.provider(provider), model)
        prices[f"{provider}/{model}"] = None if rates is None else rates.per_million()
    return prices
