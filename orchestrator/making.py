"""Making a run folder.

A folder becomes a run when `run.json` is there, which is written last. Whatever an interrupted making left behind is
made anew: nothing had been sent.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.checking import RequestCheck
from orchestrator.folder_lock import LOCK
from orchestrator.requests_file import request_line
from orchestrator.sources import Asked
from outputs.disk import Disk
from outputs.journal import Log
from outputs.run_record import FILE_NAME, RunRecord
from prompts.input_error import InputError
from providers.catalog import NOT_RECORDED, Catalog
from providers.prices import resolve_rates

RESERVE = "reserve"
MAKING = "making"  # there from before the first file of a run until after its run.json


def check_usable(folder: Path) -> None:
    """Raise InputError where a run cannot be made in `folder`: only an empty one, or an unfinished making, will do."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError("is a file; a run is a folder", file=folder)
    there = {entry.name for entry in folder.iterdir()} - {LOCK}
    if not there - {f"{MAKING}.new"} or MAKING in there:
        return
    if there & {Log.ATTEMPTS.file_name, Log.RESPONSES.file_name}:
        raise InputError("a run folder without its run.json: put that back, or give another --out", file=folder)
    name = min(there)
    raise InputError(f"not a run folder, and not empty ({name!r} is in it): give another --out", file=folder)


def make_run(folder: Path, asked: Asked, check: RequestCheck, disk: Disk) -> RunRecord:
    """Check everything that is asked for and write the folder. Raises InputError; then nothing stays behind."""
    disk.replace(folder / MAKING, b"")
    for log in (Log.ATTEMPTS, Log.RESPONSES, Log.ERRORS, Log.EVENTS):  # those of an import that was cut short
        (folder / log.file_name).unlink(missing_ok=True)
    try:
        items = write_items(folder, asked, disk)
        requests = write_requests(folder, check, items + 1, disk)
        record = describe(folder.name, asked, check, items, requests)
    except InputError:
        for name in (Log.ITEMS.file_name, Log.REQUESTS.file_name):
            for path in (folder / name, folder / f"{name}.new"):
                path.unlink(missing_ok=True)
        (folder / MAKING).unlink()
        raise
    write_record(folder, record, disk)
    (folder / MAKING).unlink()
    return record


def write_record(folder: Path, record: RunRecord, disk: Disk) -> None:
    """Make `record` the folder's `run.json`, all or nothing."""
    disk.replace(folder / FILE_NAME, msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")


def describe(name: str, asked: Asked, check: RequestCheck, items: int, requests: int) -> RunRecord:
    """The record of what is asked."""
    spec = asked.spec
    return RunRecord(
        name=name,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        code_version=code_version(),
        source=asked.source,
        items=items,
        requests=requests,
        simulated=check.simulated,
        job=asked.job.name,
        spec_text=None if spec is None else spec.text,
        prompts=asked.prompts,
        provider_override=check.provider_override,
        seed=0 if spec is None else spec.seed,
        first=asked.first,
        shows_media=check.shows_media,
        media_root=None if check.media_root is None else str(check.media_root),
        budget=check.caps.as_record(),
        catalog={name: snapshot(check.catalog, name) for name in sorted(check.providers)},
        prices=price_list(check),
    )


def snapshot(catalog: Catalog, name: str) -> dict[str, Any]:
    """A provider as it goes on record: values of headers and the proxy, which may hold secrets, stay out."""
    entry: dict[str, Any] = msgspec.to_builtins(catalog.provider(name))
    entry["headers"] = dict.fromkeys(entry["headers"], NOT_RECORDED)
    entry["proxy"] = None
    return entry


def price_list(check: RequestCheck) -> dict[str, Any]:
    """The rates of each lane in USD per million tokens, with the day and their source; null where unknown."""
    day = datetime.now(UTC).date().isoformat()
    prices: dict[str, Any] = {"date": day}
    for provider, model in sorted(check.lanes):
        rates = resolve_rates(check.catalog.provider(provider), model)
        prices[f"{provider}/{model}"] = None if rates is None else rates.per_million()
    return prices


def code_version() -> str:
    try:
        return metadata.version("overnight")
    except metadata.PackageNotFoundError:
        return "unknown"


def write_items(folder: Path, asked: Asked, disk: Disk) -> int:
    """Write `items.jsonl` whole, from seq 1; returns how many there are."""
    count = 0
    with _whole_file(folder / Log.ITEMS.file_name, disk) as write:
        for item in asked.job.items():
            count += 1
            write(b'{"seq":%d,%b\n' % (count, msgspec.json.encode(item)[1:]))
    return count


def write_requests(folder: Path, check: RequestCheck, first_seq: int, disk: Disk) -> int:
    """Write `requests.jsonl` whole, from `first_seq`; returns how many rows there are."""
    seq = first_seq
    with _whole_file(folder / Log.REQUESTS.file_name, disk) as write:
        for row in check.rows():
            write(b'{"seq":%d,%b\n' % (seq, request_line(row)))
            seq += 1
    if seq == first_seq:
        raise InputError("nothing to ask: the dataset has no items", file=check.file)
    return seq - first_seq


@contextlib.contextmanager
def _whole_file(path: Path, disk: Disk) -> Iterator[Callable[[bytes], object]]:
    """A file that appears under its name only when it is complete and on disk."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb", buffering=1 << 20) as file:
        yield file.write
        file.flush()
        os.fdatasync(file.fileno())
    temporary.replace(path)
    disk.sync_folder(path.parent)
