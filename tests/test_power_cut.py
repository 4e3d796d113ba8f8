"""A machine that loses its power: what the disk had taken is all that is left, and it is enough."""

import errno
import os
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest

from orchestrator.engine import Engine
from orchestrator.opening import Opened, Options, opened
from orchestrator.session import send
from outputs.answers import read_answers
from outputs.disk import Disk, OsDisk
from outputs.fold import RowFlag
from outputs.journal import Log
from outputs.run_record import read_run_record
from prompts.input_error import InputError
from providers.simulator import Simulator, SimulatorSettings
from tests.harness import log_view
from tests.harness.asking import Manifest, write_catalog, write_manifest
from tests.harness.broken_disks import PowerCutDisk
from tests.harness.chain import chain_ids, write_chain_spec

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def no_real_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda _: None)  # what is synced is for the test's disk to say


@dataclass(slots=True)
class Story:
    """One run and the cuts of power that befall it, all drawn from `random`. `folder` is what is left of it."""

    source: Path
    options: Options
    simulator: Simulator
    folder: Path
    random: Random
    cuts: Counter[str] = field(default_factory=Counter)

    async def live(self, disk: Disk) -> tuple[Opened | None, list[Engine], int | None]:
        """Run until the end or the cut; returns the run as it was known then, its engine, and the exit code."""
        run: Opened | None = None
        engines: list[Engine] = []
        options = replace(self.options, out=self.folder)
        try:
            with opened(self.source, options, disk=disk) as run:
                return run, engines, (await send(run, options, engines.append)).exit_code
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return run, engines, None

    async def live_until_cut(self, cut_at: int, remains: Path) -> None:
        """Live until the disk's `cut_at`-th operation, and check what is left then."""
        first_seq = max(log_view.seqs(self.folder), default=0) + 1
        disk = PowerCutDisk(self.folder, remains, self.random, cut_at)
        run, engines, code = await self.live(disk)
        if not disk.is_cut:
            self.cuts["came too late"] += 1
            assert code in (0, 3)
            return
        if code not in (None, 8):  # the cut took the line that says how it ended, and nothing else
            assert run is not None
            assert code in (0, 3)
            assert not any(lane.open for lane in run.state.lanes)
        self.folder = remains
        known = range(first_seq, engines[0].journal.durable_seq + 1) if engines else range(0)
        assert log_view.seqs(remains).issuperset(known)
        if run is not None:
            self._check_acknowledged(run)
        self._check_intents()
        self.cuts["while calls were made" if engines else "before"] += 1

    def _check_acknowledged(self, run: Opened) -> None:
        """What counted as answered or failed before the cut has its line after it."""
        state, answers = run.state, log_view.seqs(self.folder, Log.RESPONSES)
        failed = log_view.failed(self.folder)
        for row, flags in enumerate(state.flags):
            if flags & RowFlag.ANSWERED:
                assert state.answer_seqs[row] in answers
        assert failed.total() >= sum(bool(flags & RowFlag.FAILED) for flags in state.flags)

    def _check_intents(self) -> None:
        """Whatever reached the server is announced in what is left."""
        rows, intents = log_view.rows_by_key(self.folder), log_view.intents(self.folder)
        for key, times in self.simulator.seen.items():
            assert times <= intents[rows[key]], f"{rows[key]} was sent {times} times, {intents[rows[key]]} announced"

    async def end(self, ids: set[str], refused: Collection[str] = ()) -> None:
        """Live to the end on a disk that works; each row is settled once, and each repeat is on record."""
        _, _, code = await self.live(OsDisk())
        assert code == (3 if refused else 0)
        assert log_view.answered(self.folder) == Counter(ids - set(refused))
        assert log_view.failed(self.folder) == Counter(refused)
        rows, unanswered = log_view.rows_by_key(self.folder), log_view.unanswered(self.folder)
        assert {rows[key] for key in self.simulator.seen} == ids
        for key, times in self.simulator.seen.items():
            row = rows[key]
            assert times - 1 <= unanswered[row] - (row in refused), f"{row} was sent {times} times"


async def _tell(source: Path, seed: int, ids: set[str], refused: Collection[str] = ()) -> Counter[str]:
    """One story; returns how its cuts came."""
    random = Random(seed)
    place = source.parent / f"seed-{seed}"
    place.mkdir()
    async with Simulator(SimulatorSettings(record=True, latency_s=0.002, answer_tokens=1)) as simulator:
        catalog = write_catalog(place / "lab.toml", simulator.base_url)
        options = Options(concurrency=random.choice((1, 3, 8)), config=catalog)
        story = Story(source, options, simulator, place / "run", random)
        for number in range(random.randint(1, 3)):
            await story.live_until_cut(random.randint(1, 30), place / f"cut-{number}")
        await story.end(ids, refused)
    return story.cuts


BLOCKS = 6
STORIES = 20  # in each block


@pytest.mark.parametrize("block", range(BLOCKS))
async def test_a_power_cut_loses_no_answer_that_counted(tmp_path: Path, block: int) -> None:
    """Whenever the power goes, what counted is there, what was sent is announced, and a resume settles the rest."""
    manifest = write_manifest(tmp_path / "manifest.jsonl", 12, refused=(5,))
    cuts: Counter[str] = Counter()
    for seed in range(block * STORIES, (block + 1) * STORIES):
        cuts += await _tell(manifest.path, seed, manifest.ids, {"row-5"})
    assert cuts["while calls were made"] >= STORIES / 4


@pytest.mark.parametrize("block", range(BLOCKS))
async def test_a_power_cut_loses_no_question_that_follows_from_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    """A job that asks about its answers asks each question once, wherever cuts of the power interrupt it."""
    spec = write_chain_spec(tmp_path, 4, monkeypatch)
    cuts: Counter[str] = Counter()
    for seed in range(block * STORIES, (block + 1) * STORIES):
        cuts += await _tell(spec, seed, chain_ids(4))
    assert cuts["while calls were made"] >= STORIES / 4


async def test_a_power_cut_never_leaves_half_an_edit_of_the_manifest(tmp_path: Path) -> None:
    """Cut off while it takes up an edited manifest, a run asks for the old rows or the new, never for some of each."""
    old = write_manifest(tmp_path / "manifest.jsonl", 10)
    ends: Counter[str] = Counter()
    for seed in range(40):
        random = Random(seed)
        place = tmp_path / f"seed-{seed}"
        place.mkdir()
        async with Simulator(SimulatorSettings(record=True, latency_s=0.002, answer_tokens=1)) as simulator:
            options = Options(concurrency=4, config=write_catalog(place / "lab.toml", simulator.base_url))
            story = Story(old.path, options, simulator, place / "run", random)
            await story.end(old.ids)
            story.source = place / old.path.name
            new = write_manifest(story.source, range(3, 14), edited=(4, 5, 6))
            await story.live_until_cut(random.randint(6, 16), place / "cut")
            ends[await _resume_folder_alone(story, old, new)] += 1
            await _end_edited(story, new)
    assert min(ends["refused"], ends["old"], ends["new"]) >= 2, ends


async def _resume_folder_alone(story: Story, old: Manifest, new: Manifest) -> str:
    """Which rows the folder asks for by itself; it may refuse to say without its manifest."""
    run: Opened | None = None
    try:
        with opened(story.folder, story.options) as run:
            result = await send(run, story.options)
    except InputError as error:
        if "cut short" not in error.message:
            raise
        return "refused"
    assert result.exit_code == 0
    counting = log_view.keys_that_count(story.folder)
    asked = {"old": Counter(old.keys.values()), "new": Counter(new.keys.values())}
    return next(name for name, keys in asked.items() if keys == counting)


async def _end_edited(story: Story, new: Manifest) -> None:
    _, _, code = await story.live(OsDisk())
    assert code == 0
    assert log_view.keys_that_count(story.folder) == Counter(new.keys.values())
    sent, unanswered = story.simulator.seen, log_view.unanswered(story.folder)
    for row, key in new.keys.items():
        assert 1 <= sent[key] <= 1 + unanswered[row], f"{row} was sent {sent[key]} times"


class _NoReplacement(OsDisk):
    """The power goes before `run.json` is replaced."""

    def replace(self, path: Path, data: bytes) -> None:
        raise OSError(errno.EIO, "the power is gone")


async def test_a_changed_spec_gets_into_the_record_although_the_power_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off between its new requests and its record, a run given the same spec again brings its record up to date."""
    async with Simulator(SimulatorSettings(record=True, latency_s=0.0, answer_tokens=1)) as simulator:
        options = Options(config=write_catalog(tmp_path / "lab.toml", simulator.base_url), accept_changes=True)
        spec = write_chain_spec(tmp_path, 2, monkeypatch)
        story = Story(spec, options, simulator, tmp_path / "run", Random(0))
        await story.end(chain_ids(2))
        spec = write_chain_spec(tmp_path, 3, monkeypatch)
        spec.write_text(spec.read_text() + "first = 3\n")
        assert (await story.live(_NoReplacement()))[2] is None
        assert read_run_record(story.folder).spec_text != spec.read_text()
        await story.end(chain_ids(3))
    assert read_run_record(story.folder).spec_text == spec.read_text()


async def test_a_new_provider_gets_into_the_record_although_the_power_went(tmp_path: Path) -> None:
    """The same for an edited manifest whose new row goes to a provider that the record did not know."""
    async with Simulator(SimulatorSettings(record=True, latency_s=0.0, answer_tokens=1)) as simulator:
        catalog = write_catalog(tmp_path / "lab.toml", simulator.base_url)
        catalog.write_text(catalog.read_text() + catalog.read_text().replace("[providers.lab]", "[providers.other]"))
        manifest = write_manifest(tmp_path / "manifest.jsonl", 2)
        story = Story(manifest.path, Options(config=catalog), simulator, tmp_path / "run", Random(0))
        await story.end(manifest.ids)
        ids = write_manifest(manifest.path, 3).ids
        first, second, last = manifest.path.read_text().splitlines()
        manifest.path.write_text("\n".join((first, second, last[:-1] + ', "provider": "other"}')))
        assert (await story.live(_NoReplacement()))[2] is None
        await story.end(ids)
    assert set(read_run_record(story.folder).catalog) == {"lab", "other"}
    assert {answer.custom_id for answer in read_answers(story.folder)} == ids
