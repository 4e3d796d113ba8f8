"""Batch results with the manifest that was sent: an ordinary run of that manifest, with the answers already in it.

Or with the spec that the manifest was built of: then it is a run of the spec, and what follows from answers is asked.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from jobs.imports.openai_batch import BatchImport, require_openai_form
from orchestrator.checking import RequestCheck
from orchestrator.importing import Made, new_run, stored_requests, write_event, write_settled
from orchestrator.making import describe, write_record
from orchestrator.opening import Options, caps_of, media_root, read_asked
from orchestrator.requests_file import NewRow, request_line
from orchestrator.sources import Asked
from outputs import lines
from outputs.disk import Disk, OsDisk
from outputs.journal import Log
from prompts.input_error import InputError
from providers.catalog import Catalog

_UNASKED = "results of rows that are not in the manifest"


def import_with_manifest(
    source: BatchImport, manifest: Path, options: Options, folder: Path, catalog: Catalog, disk: Disk | None = None
) -> Made:
    """Make a run of `manifest`, or a spec, that has the results. Failed rows are put up again: `run` sends them.

    Raises InputError; then nothing stays behind.
    """
    disk = disk or OsDisk()
    asked = _read_manifest(manifest, options, catalog)
    caps = caps_of(None, None, catalog, options, asked.spec)
    root = media_root(options, asked)
    check = RequestCheck(
        asked.job, catalog, manifest, folder, need_keys=False, allow_unpriced=options.allow_unpriced,
        caps=caps, media_root=root,
    )  # fmt: skip
    with new_run(folder, disk) as log:
        items = log.write_all(Log.ITEMS, (msgspec.json.encode(item)[1:] for item in asked.job.items()))
        log.sync()  # the check reads them
        requests = log.write_all(Log.REQUESTS, map(request_line, _rows(check, catalog)))
        log.sync()
        answered, failed = write_settled(log, source.settled(stored_requests(folder)))
        _tell_of_unasked(source, manifest, folder, answered + failed)
        write_event(log, source, answered, failed)
        if failed:
            log.write(Log.EVENTS, lines.event("retry", time.time(), rows=failed))
        log.sync()
        write_record(folder, describe(folder.resolve().name, asked, check, items, requests), disk)
    found = source.found
    return Made(
        folder=folder,
        kind=source.kind,
        job=asked.job.name,
        files=found.files,
        items=items,
        requests=requests,
        answered=answered,
        failed=failed,
        left_out=found.left_out,
        notes=found.notes,
        to_send=requests - answered,
        goes_on=asked.job.follows_up,
    )


def _read_manifest(manifest: Path, options: Options, catalog: Catalog) -> Asked:
    asked = None if manifest.is_dir() else read_asked(manifest, catalog, options)
    if asked is None:
        what = "is no manifest: give the JSONL file that was sent, or the spec that it was built of"
        raise InputError(what, file=manifest, field="--manifest")
    return asked


def _rows(check: RequestCheck, catalog: Catalog) -> Iterator[NewRow]:
    known: set[str] = set()
    for row in check.rows():
        if row.routed.provider not in known:
            known.add(row.routed.provider)
            try:
                require_openai_form(row.routed.provider, catalog)
            except InputError as error:
                raise InputError(error.message, file=check.file, field=f"{row.custom_id}: provider") from None
        yield row


def _tell_of_unasked(source: BatchImport, manifest: Path, folder: Path, taken: int) -> None:
    """Count the results that no row of the manifest asked for. Raises InputError where that is all of them."""
    if taken == len(source):
        return
    ids = (msgspec.json.decode(request.custom_id, type=str) for request in stored_requests(folder))
    first = source.first_of(ids)
    assert first is not None
    custom_id, path, number = first
    if not taken:
        what = f"not one result is of a row of {manifest}: {custom_id!r} is not in it, nor is any other"
        raise InputError(what, file=path, line=number, field="custom_id")
    source.found.left_out[_UNASKED] += len(source) - taken
    source.found.notes.append(f"{custom_id!r} ({path}:{number}) is not in {manifest}: was it sent with another?")
