"""Sessions of one run by batch on a provider in memory: the real engine, journal and log, without HTTP or a command."""

import contextlib
import copy
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from jobs.manifest import ManifestJob
from orchestrator.batching.via import Via
from orchestrator.budget import Budget, Caps
from orchestrator.deadline import Deadline
from orchestrator.engine import Engine
from orchestrator.lane import Lane
from orchestrator.lanes import LaneMaker
from orchestrator.requests_file import RequestsFile
from orchestrator.retry import Policies
from orchestrator.run_reader import FolderReader
from orchestrator.thresholds import Thresholds
from outputs import lines
from outputs.disk import Disk, LogFile, OsDisk
from outputs.fold import RunState, fold
from outputs.journal import Journal, Log
from outputs.log_reader import cut_torn_end, last_seq, read_records
from outputs.records import AttemptLine, ErrorLine
from providers.batches.wire import BatchClient
from providers.catalog import Catalog, load_catalog
from tests.harness.fake_batches import FakeClient, FakeOnline, FakeProvider

PATIENT = Thresholds(batch_poll_s=5.0, batch_look_s=10.0, batch_queue_s=20.0, transient_attempts=4)
_CATALOG = """
[providers.lab]
protocol = "openai"
base_url = "http://127.0.0.1:1/v1"
models = ["*"]
batch_discount = 0.5
prices."*" = { input = 1.0, output = 2.0 }
facts."*" = { max_output_tokens = 50 }
batch = %s
"""
_REQUEST = (
    b'{"seq":%d,"custom_id":"r%d","method":"POST","url":"/v1/chat/completions","provider":"lab","model":"%b",'
    b'"fingerprint":"f%d","body":{"model":"%b","messages":[{"role":"user","content":"row %d"}]}}\n'
)


def catalog_of(path: Path, batch: str = "{ max_rows = 4 }") -> Catalog:
    """A catalog with one priced provider, whose batch API is told as TOML."""
    path.write_text(_CATALOG % batch)
    return load_catalog(path)


class FakeMaker(LaneMaker):
    """Makes lanes whose calls and batches go to a provider in memory."""

    provider: FakeProvider
    on_effect: Callable[[], None]
    uploads: bool

    def make(self, provider_name: str, model: str, **said: Any) -> Lane:
        lane = super().make(provider_name, model, **said)
        lane.transport = FakeOnline(self.provider, self.on_effect)
        lane.latency.note(1.0)  # as if calls had been made: what nobody has asked is taken to be slow
        return lane

    def batch_client(self, provider_name: str, model: str) -> BatchClient:
        return FakeClient(self.provider, self.uploads, self.on_effect)


@dataclass(slots=True)
class Bench:
    """A run folder and its provider. Each session folds the log anew, as a new process would."""

    folder: Path
    provider: FakeProvider
    catalog: Catalog
    uploads: bool = True
    thresholds: Thresholds = PATIENT
    caps: Caps = field(default_factory=Caps)
    disk: Disk = field(default_factory=OsDisk)
    on_effect: Callable[[], None] = lambda: None
    state: RunState = field(default_factory=RunState)  # of the last session, as it lived

    def ask(self, rows: int, first: int = 0, model: bytes = b"m") -> "Bench":
        """Write the requests of so many rows, which are numbered from `first` on, behind what the log has."""
        self.folder.mkdir(exist_ok=True)
        seq = last_seq(self.folder) + 1
        with (self.folder / Log.REQUESTS.file_name).open("ab") as file:
            for n in range(rows):
                file.write(_REQUEST % (seq + n, first + n, model, first + n, model, first + n))
        return self

    @contextlib.asynccontextmanager
    async def engine(
        self, via: Via = Via.BATCH, deadline: float | None = None, allow_rebuy: bool = False
    ) -> AsyncIterator[Engine]:
        """An engine with the rows admitted that want an answer, as a session sets it up; to be `run`."""
        for log in Log:
            cut_torn_end(self.folder / log.file_name)
        state = self.state = fold(self.folder)
        maker = FakeMaker(self.catalog, 4)
        maker.provider, maker.on_effect, maker.uploads = self.provider, self.on_effect, self.uploads
        journal = Journal(self.folder, self.disk, last_seq(self.folder) + 1)
        requests = RequestsFile(self.folder, state)
        try:
            engine = Engine(
                ManifestJob(self.folder / "m.jsonl"), state, journal, requests, self.catalog, maker,
                FolderReader(self.folder, self.catalog), budget=Budget.resumed(self.caps, state),
                policies=Policies(self.thresholds), deadline=None if deadline is None else Deadline(deadline),
                folder=self.folder, via=via, allow_rebuy=allow_rebuy,
            )  # fmt: skip
            for row, attempt in list(state.open_attempts.items()):
                journal.append(Log.ATTEMPTS, lines.unsettled(state.seqs[row], attempt.attempt, 0.0))
                state.settle_open_as_killed(row)
            for row in range(len(state)):
                if state.is_open(row) and not state.batch_of[row]:
                    engine.admit(row)
            yield engine
        finally:
            await journal.close()
            requests.close()
            await maker.close()

    async def session(self, **said: Any) -> Engine:
        """Run until nothing is left to do; the engine, for what there is to ask of it."""
        async with self.engine(**said) as engine:
            await engine.run()
        return engine

    def failed(self) -> dict[int, str]:
        """By row why it has finally failed."""
        state = fold(self.folder)
        found: dict[int, str] = {}
        for _, line in read_records(self.folder / Log.ERRORS.file_name, ErrorLine):
            row = state.row_of(line.request)
            assert row is not None
            assert row not in found, "one line says that a row has failed"
            found[row] = line.error.code
        return found

    def steps(self) -> list[AttemptLine]:
        """The lines about batches, in the order of the log."""
        path = self.folder / Log.ATTEMPTS.file_name
        return [line for _, line in read_records(path, AttemptLine) if line.step is not None]

    def check(self, rows: int, exact: bool = True) -> RunState:
        """All is accounted for: each row was bought once at most, none is open, and the log agrees with the bill.

        Not `exact`: what was maybe billed may be more than the provider's bill says.
        """
        state = fold(self.folder)
        assert max(self.provider.bought.values(), default=0) <= 1, self.provider.bought
        assert [row for row in range(rows) if state.is_open(row)] == []
        assert not any(state.batch_of)
        assert not state.batches.unfinished
        assert not state.open_attempts
        (lane,) = state.lanes
        assert (lane.in_batches, lane.open) == (0, 0)
        spent = lane.cost_usd + lane.maybe_usd
        most = 0.0 if exact else lane.maybe_usd
        assert self.provider.usd - 1e-8 <= spent <= self.provider.usd + most + 1e-8, (spent, self.provider.usd, lane)
        self._check_same(state)
        return state

    def _check_same(self, state: RunState) -> None:
        """The state of the session that has just ended is what its log says."""
        for name in ("lanes", "flags", "attempts", "failed_attempts", "batch_of", "open_attempts"):
            assert getattr(self.state, name) == getattr(state, name), name
        live, told = ({seq: one.told for seq, one in of.batches.by_seq.items()} for of in (self.state, state))
        assert msgspec.json.encode(live) == msgspec.json.encode(told)


def reserved_usd(engine: Engine) -> float:
    """What an engine's budget holds for calls and batches under way."""
    return engine.budget.reserved_usd


@dataclass(frozen=True, slots=True)
class Moment:
    """What a kill would leave after one more line or effect: which log lines (of each file, in bytes) are written and
    which are synced, the other files, and the provider as it was."""

    written: dict[str, int]
    synced: dict[str, int]
    files: dict[str, bytes]
    provider: FakeProvider


@dataclass(slots=True)
class Recorder(OsDisk):
    """A disk that notes, line by line, every moment at which a session could be killed. `before`: how many bytes each
    log file had at its begin."""

    bench: Bench
    before: dict[str, int] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    _written: dict[str, int] = field(default_factory=dict)
    _synced: dict[str, int] = field(default_factory=dict)
    _provider: FakeProvider = field(init=False)

    def __post_init__(self) -> None:
        self._provider = copy.deepcopy(self.bench.provider)
        self._written, self._synced = dict(self.before), dict(self.before)
        self.note()

    def append(self, path: Path) -> LogFile:
        return _Noted(super(Recorder, self).append(path), path.name, self)

    def note_effect(self) -> None:
        """The provider has done something."""
        self._provider = copy.deepcopy(self.bench.provider)
        self.note()

    def note_written(self, name: str, data: bytes) -> None:
        for line in data.splitlines(keepends=True):
            self._written[name] = self._written.get(name, 0) + len(line)
            self.note()

    def note_synced(self, name: str) -> None:
        self._synced[name] = self._written.get(name, 0)
        self.note()

    def note(self) -> None:
        folder = self.bench.folder / "batches"
        files = {}
        for path in folder.iterdir() if folder.is_dir() else ():
            with contextlib.suppress(OSError):  # it is gone by now
                files[path.name] = path.read_bytes()
        self.moments.append(Moment(dict(self._written), dict(self._synced), files, self._provider))

    def kills(self, *, power: bool = False) -> Iterator[Moment]:
        """What each kill would leave, once; with `power` also each power cut, which leaves only what was synced."""
        seen = set()
        for moment in self.moments:
            for left in (moment.written, moment.synced) if power else (moment.written,):
                key = (tuple(sorted(left.items())), tuple(sorted(moment.files)), id(moment.provider))
                if key not in seen:
                    seen.add(key)
                    yield Moment(left, left, moment.files, moment.provider)


class _Noted:
    def __init__(self, file: LogFile, name: str, recorder: Recorder) -> None:
        self._file, self._name, self._recorder = file, name, recorder

    def write(self, data: bytes) -> int:
        taken = self._file.write(data)
        self._recorder.note_written(self._name, data[:taken])
        return taken

    def sync(self) -> None:
        self._recorder.note_synced(self._name)

    def close(self) -> None:
        self._file.close()


def resumed(bench: Bench, moment: Moment, folder: Path) -> Bench:
    """The run as a kill at that moment left it, in a folder of its own, and the provider as it was then."""
    folder.mkdir()
    (folder / "batches").mkdir()
    for log in Log:
        data = (bench.folder / log.file_name).read_bytes()
        kept = len(data) if log is Log.REQUESTS else moment.written.get(log.file_name, 0)
        (folder / log.file_name).write_bytes(data[:kept])
    for name, data in moment.files.items():
        (folder / "batches" / name).write_bytes(data)
    provider = copy.deepcopy(moment.provider)
    return Bench(folder, provider, bench.catalog, bench.uploads, bench.thresholds, bench.caps)
