"""Opening a run: made anew from a manifest or a spec, or found in its folder and folded from its log."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from jobs.manifest import ManifestJob
from jobs.protocol import Job
from jobs.spec import LoadedSpec
from orchestrator.batching.allowed import require_followable, require_open_batchable, via_of
from orchestrator.batching.via import Via
from orchestrator.budget import Caps
from orchestrator.caps import caps_in_force, idle_caps, require_prices
from orchestrator.checking import RequestCheck, require_key
from orchestrator.deadline import Deadline
from orchestrator.folder_lock import LOCK, locked
from orchestrator.imported import refuse_imported
from orchestrator.making import check_usable, make_run
from orchestrator.putting_back import put_back, require_logs, require_whole
from orchestrator.reconcile import Difference, compare
from orchestrator.sayable import require_sayable
from orchestrator.sources import Asked, Progress, check_path, read_source, recorded_spec, silent
from orchestrator.thresholds import Thresholds, thresholds_from_table, with_thresholds
from orchestrator.to_follow import Following, merged, to_follow
from orchestrator.wanted import record_is_behind, refuse_unwanted
from outputs.disk import FULL, Disk, OsDisk
from outputs.fold import RunState, fold
from outputs.journal import Log
from outputs.log_reader import cut_torn_end
from outputs.run_record import FILE_NAME, RunRecord, read_run_record
from prompts.input_error import InputError
from providers.catalog import Catalog, load_catalog

SIMULATOR = "simulator"
DEFAULT_CONCURRENCY = 64
MAX_CONCURRENCY = 4096


@dataclass(frozen=True, slots=True)
class Options:
    """What the user may say about a run.

    `concurrency` is calls in flight per lane. `budget` caps the whole run, in USD: None takes a cap away, and where it
    is not said, the cap of earlier sessions or of the spec stands. `deadline` is for this session alone. `media_root`:
    the folder that pictures and clips lie in, in place of the manifest's or the dataset's. `prompts`: a folder of
    prompts that go over the shipped ones. `first`: only so many items of each dataset, or rows of a manifest. `chosen`:
    values of a spec's keys, in place of its own. `dedupe`:
    ask equal requests once; where it is not said, as the run did before. `allow_unpriced`: send also what nobody knows
    the price of. `thresholds` go over those of the catalog file. `via`: how rows travel; where it is not said, as they
    did before. `allow_rebuy`: near the deadline, send rows online whose batch is late and cannot be cancelled in time;
    and send rows again whose batch its provider does not know any more.
    `cancel_batches`: only cancel the batches that are open, and take in what they have answered.
    """

    out: Path | None = None
    concurrency: int = DEFAULT_CONCURRENCY
    config: Path | None = None
    simulate: bool = False
    accept_changes: bool = False
    budget: float | msgspec.UnsetType | None = msgspec.UNSET
    deadline: Deadline | None = None
    media_root: Path | None = None
    prompts: Path | None = None
    first: int | None = None
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dedupe: bool | None = None
    allow_unpriced: bool = False
    thresholds: tuple[tuple[str, int | float], ...] = ()
    via: Via | None = None
    allow_rebuy: bool = False
    cancel_batches: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.concurrency <= MAX_CONCURRENCY:
            raise InputError(f"is {self.concurrency}; it must be from 1 to {MAX_CONCURRENCY}", field="concurrency")
        if self.first is not None and self.first < 1:
            raise InputError(f"is {self.first}; it must be at least 1", field="--first")
        if self.prompts is not None and not self.prompts.is_dir():
            raise InputError("no such folder", file=self.prompts, field="--prompts")


@dataclass(slots=True)
class Edit:
    """A change of what is asked for that has yet to be written to the log."""

    difference: Difference
    asked: Asked
    check: RequestCheck


@dataclass(slots=True)
class Opened:
    """A run whose lock is held and whose log is folded."""

    folder: Path
    record: RunRecord
    state: RunState
    job: Job
    catalog: Catalog
    disk: Disk
    media_root: Path
    check: RequestCheck
    caps: Caps = field(default_factory=Caps)
    thresholds: Thresholds = field(default_factory=Thresholds)
    made: bool = False  # just now
    edit: Edit | None = None
    warnings: tuple[str, ...] = ()
    cut: dict[str, int] = field(default_factory=dict)  # bytes of a torn last line, by log file
    to_follow: tuple[Following, ...] = ()  # what the answers will bring

    @property
    def in_batches(self) -> int:
        """Rows that want an answer and are in a batch of an earlier session."""
        if not any(lane.in_batches for lane in self.state.lanes):
            return 0
        return sum(1 for row, number in enumerate(self.state.batch_of) if number and self.state.is_open(row))

    @property
    def to_send(self) -> int:
        """Rows that want an answer and are in no batch, those of an edit included."""
        known = sum(lane.open for lane in self.state.lanes) - self.in_batches
        if self.edit is None:
            return known
        difference = self.edit.difference
        return known + difference.added - sum(self.state.is_open(row) for row in difference.withdrawn)


@contextlib.contextmanager
def opened(
    source: Path, options: Options, *, disk: Disk | None = None, progress: Progress = silent
) -> Iterator[Opened]:
    """Open the run that `source` (a manifest, a spec or a run folder) stands for, and hold its lock.

    Raises InputError; then nothing was sent and nothing is left behind that was not there before.
    """
    disk = disk or OsDisk()
    for path in (source, options.out):
        if path is not None:
            check_path(path)
    catalog = load_catalog(options.config)
    thresholds = _thresholds(catalog, options)
    asked = read_asked(source, catalog, options)
    folder = source if asked is None else options.out or asked.default_out
    if asked is None and not is_run(folder):
        raise InputError("not a run folder: it has no run.json", file=folder)
    if asked is None and options.out is not None and options.out != folder:
        raise InputError("is a run folder already: it goes on where it is, without --out", file=folder)
    if not is_run(folder):
        check_usable(folder)
    new = make_folder(folder, disk)
    try:
        with locked(folder):
            try:
                if asked is not None and not is_run(folder):
                    run = _make(folder, asked, options, catalog, disk, progress)
                else:
                    run = _reopen(folder, asked, options, catalog, disk, progress)
                run.thresholds = thresholds
                if run.to_send or run.in_batches:
                    run.to_follow = merged(to_follow(run.check, folder, run.state))
                yield run
            finally:
                if not is_run(folder):
                    (folder / LOCK).unlink(missing_ok=True)
    finally:
        if not is_run(folder):
            with contextlib.suppress(OSError):
                for made in new:
                    made.rmdir()


def read_asked(source: Path, catalog: Catalog, options: Options) -> Asked | None:
    """What a manifest or a spec asks for; None for a run folder. Raises InputError."""
    if source.is_dir():
        given = {"--first": options.first, "--prompts": options.prompts, **_flags(options)}
        for name, said in given.items():
            if said is not None:
                what = "is for a manifest or a spec: a run folder goes on with what it was made with"
                raise InputError(what, file=source, field=name)
        return None
    return read_source(source, catalog.providers, options.media_root, options.prompts, options.first, options.chosen)


def _flags(options: Options) -> dict[str, tuple[str, ...]]:
    return {f"--{name}": names for name, names in options.chosen.items()}


def _known_lanes(record: RunRecord, state: RunState) -> set[tuple[str, str]]:
    """The lanes that were allowed when the run was made, though it may not have come to them."""
    priced = (lane.partition("/") for lane in record.prices)
    return {(lane.provider, lane.model) for lane in state.lanes} | {(name, model) for name, _, model in priced}


def _thresholds(catalog: Catalog, options: Options) -> Thresholds:
    """Those of the catalog file, and over them the user's."""
    base = thresholds_from_table(catalog.thresholds, catalog.file or "the catalog")
    return with_thresholds(base, options.thresholds)


def is_run(folder: Path) -> bool:
    """Whether the folder is a run."""
    return (folder / FILE_NAME).is_file()


def make_folder(folder: Path, disk: Disk) -> list[Path]:
    """Make `folder`, its name on disk; returns it and its parents as far as they were missing, the innermost first."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in FULL:
            raise
        raise InputError(f"cannot be made: {error.strerror}", file=folder) from None
    for path in new:
        disk.sync_folder(path.parent)
    return new


def _make(folder: Path, asked: Asked, options: Options, catalog: Catalog, disk: Disk, progress: Progress) -> Opened:
    override = SIMULATOR if options.simulate else None
    caps = caps_of(None, None, catalog, options, asked.spec)
    root = media_root(options, asked)
    check = RequestCheck(
        asked.job,
        catalog,
        asked.path,
        folder,
        override,
        progress,
        caps=caps,
        allow_unpriced=options.allow_unpriced,
        media_root=root,
        via=via_of(None, options.via),
    )
    record = make_run(folder, asked, check, disk)
    warnings = idle_caps(caps, check.lanes)
    state = fold(folder)
    return Opened(folder, record, state, asked.job, catalog, disk, root, check, caps, made=True, warnings=warnings)


def media_root(options: Options, asked: Asked | None, record: RunRecord | None = None) -> Path:
    """The folder that pictures and clips lie in: as the user says now, else beside what is run, else as recorded."""
    if options.media_root is not None:
        if not options.media_root.is_dir():
            raise InputError("no such folder", file=options.media_root, field="--media-root")
        return options.media_root.resolve()
    if asked is not None:
        return asked.media_folder
    return Path() if record is None or record.media_root is None else Path(record.media_root)


def _reopen(
    folder: Path, asked: Asked | None, options: Options, catalog: Catalog, disk: Disk, progress: Progress
) -> Opened:
    record = read_run_record(folder)
    refuse_imported(record, folder)
    if asked is not None and record.provider_override and not options.simulate:
        raise InputError("this run is a rehearsal on the simulator: give another --out, or --simulate", file=folder)
    if options.simulate and record.provider_override != SIMULATOR:
        raise InputError("this run is not simulated: give another --out for a simulated one", file=folder)
    require_logs(folder)
    cut = {log.file_name: count for log in Log if (count := cut_torn_end(folder / log.file_name))}
    catalog = catalog.with_recorded(record.catalog)
    state = fold(folder)
    if asked is None:
        spec = recorded_spec(record, catalog.providers)
        require_whole(folder, record, state)
        caps = caps_of(record, state, catalog, options)
        root = media_root(options, None, record)
        job = ManifestJob(None) if spec is None else spec.job
        check = RequestCheck(
            job,
            catalog,
            folder,
            folder,
            record.provider_override,
            caps=caps,
            allow_unpriced=options.allow_unpriced,
            known_lanes=_known_lanes(record, state),
            media_root=root,
            via=via_of(state, options.via),
        )
        found = Opened(folder, record, state, job, catalog, disk, root, check, caps)
    else:
        found = _reopen_with(folder, record, state, asked, options, catalog, disk, progress)
    found.cut = cut
    require_followable(found.state, catalog)
    used = [lane.provider for lane in found.state.lanes if lane.open]
    for provider in used + [batch.told.provider or "" for batch in found.state.batches.unfinished]:
        require_key(provider, catalog)
    require_prices(folder, found.state, catalog, found.caps)
    via, allow_unpriced = via_of(found.state, options.via), options.allow_unpriced
    require_open_batchable(found.state, catalog, found.caps, via, allow_unpriced=allow_unpriced)
    require_sayable(folder, found.state, catalog)
    return found


def caps_of(
    record: RunRecord | None,
    state: RunState | None,
    catalog: Catalog,
    options: Options,
    asked: LoadedSpec | None = None,
) -> Caps:
    """The caps in force, and over them what the user says now of the whole run's."""
    caps = caps_in_force(record, state, catalog.providers, asked)
    if options.budget is msgspec.UNSET:
        return caps
    return msgspec.structs.replace(caps, run=options.budget)


def _reopen_with(
    folder: Path,
    record: RunRecord,
    state: RunState,
    asked: Asked,
    options: Options,
    catalog: Catalog,
    disk: Disk,
    progress: Progress,
) -> Opened:
    """A run folder and, again, what it was made from: put back what is missing, find what has changed."""
    if asked.source.kind != record.source.kind:
        raise InputError(f"made from another source, the {record.source.kind} {record.source.name}", file=folder)
    caps = caps_of(record, state, catalog, options, asked.spec)
    root = media_root(options, asked)
    check = RequestCheck(
        asked.job,
        catalog,
        asked.path,
        None,
        record.provider_override,
        progress,
        caps=caps,
        allow_unpriced=options.allow_unpriced,
        known_lanes=_known_lanes(record, state),
        media_root=root,
        via=via_of(state, options.via),
    )
    if put_back(folder, record, state, asked, check, disk):
        state = fold(folder)
    found = Opened(folder, record, state, asked.job, catalog, disk, root, check, caps)
    same = asked.source.sha256 == (state.sha256 or record.source.sha256)
    behind = record_is_behind(record, state, asked)
    unchanged = same and not state.pending_addition and not behind and not record.shows_media
    if isinstance(asked.job, ManifestJob) and unchanged:
        return found
    difference = compare(folder, state, check.rows())
    if difference.any and not options.accept_changes:
        refuse_unwanted(difference, record, asked, folder)
    told_anew = asked.spec is not None and (asked.spec.text, asked.prompts) != (record.spec_text, record.prompts)
    if difference.any or behind or told_anew:
        found.edit = Edit(difference, asked, check)
    return found
