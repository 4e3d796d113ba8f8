"""Whole runs by Gemini's batches, against a small server of them whose batches go wrong."""

from pathlib import Path

import pytest

from outputs.batches import Step
from tests.harness.asking import write_manifest
from tests.harness.batch_runs import (
    INPUT,
    OUTPUT,
    check_accounted,
    check_cost,
    failures,
    hasten,
    run_batches,
    write_priced_catalog,
)
from tests.harness.gemini_batches import GeminiBatchServer, Odds

ROWS = 60

# What befalls batches, and how many rows may end without an answer then; those must say why.
FAULTS: dict[str, tuple[Odds, set[str]]] = {
    "nothing": (Odds(), set()),
    "lines that are lost, though billed": (Odds(dropped=0.2), {"missing"}),
    "lines that never had a turn": (Odds(skipped=0.2), set()),
    "lines that stand twice": (Odds(twice=0.3), set()),
    "lines that fail": (Odds(error=0.3), set()),
    "lines that are throttled": (Odds(throttled=0.3), set()),
    "lines that are refused": (Odds(refused=0.2), {"row_refused"}),
    "batches that expire without a line": (Odds(expire=2), set()),
    "lines that nobody asked for": (Odds(strangers=5), set()),
    "creations whose answer is lost": (Odds(create_lost=0.7), set()),
    "creations that fail": (Odds(create_refused=0.7), set()),
    "looks that fail": (Odds(look_fails=0.4), set()),
    "answers that break off": (Odds(torn=0.5), set()),
    "a queue that is full": (Odds(queue=20), set()),
    "everything at once": (
        Odds(
            dropped=0.05,
            skipped=0.05,
            twice=0.1,
            error=0.1,
            throttled=0.1,
            refused=0.05,
            expire=1,
            strangers=2,
            create_lost=0.3,
            create_refused=0.2,
            look_fails=0.2,
            torn=0.3,
        ),
        {"missing", "row_refused"},
    ),
}


@pytest.fixture(autouse=True)
def hastened(monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)


def write_catalog(folder: Path, server: GeminiBatchServer, max_rows: int = 50_000) -> Path:
    return write_priced_catalog(folder / "lab.toml", f"{server.url}/v1beta", "gemini", max_rows=max_rows)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("what", FAULTS)
async def test_every_row_ends_answered_or_explained_and_none_is_bought_twice(tmp_path: Path, what: str) -> None:
    """Whatever befalls its batches, each answer is bought once, thoughts included in its cost; only what was lost is
    counted as maybe billed."""
    odds, may_fail = FAULTS[what]
    manifest = write_manifest(tmp_path / "m.jsonl", ROWS)
    async with GeminiBatchServer(odds) as server:
        catalog = write_catalog(tmp_path, server)
        result = await run_batches(manifest.path, tmp_path / "run", catalog, thresholds={"transient_attempts": 20})
    state, failed = check_accounted(tmp_path / "run", ROWS), failures(tmp_path / "run")
    assert set(failed.values()) == may_fail
    assert result.exit_code == (3 if failed else 0), result.reason
    assert result.answered == ROWS - len(failed)
    assert (set(server.billed.values()), server.online) == ({1}, 0)
    check_cost(state, server.usd(INPUT, OUTPUT))
    lost = {code for code in failed.values() if code == "missing"}
    assert bool(sum(lane.maybe_usd for lane in state.lanes)) == bool(lost)
    known = {batch.told.id for batch in state.batches.all if batch.step is Step.SETTLED}
    assert known == set(server.batches)


async def test_batches_whose_creations_are_lost_are_known_by_their_key(tmp_path: Path) -> None:
    """Of thirty batches of one size most creations are not answered: each is found in the list, behind its pages."""
    manifest = write_manifest(tmp_path / "m.jsonl", ROWS)
    async with GeminiBatchServer(Odds(create_lost=0.7)) as server:
        result = await run_batches(manifest.path, tmp_path / "run", write_catalog(tmp_path, server, max_rows=2))
    state = check_accounted(tmp_path / "run", ROWS)
    assert (result.answered, len(server.batches), set(server.billed.values())) == (ROWS, 30, {1})
    told = {batch.told.id: batch.told.key for batch in state.batches.all}
    assert told == {name: batch.key for name, batch in server.batches.items()}
    check_cost(state, server.usd(INPUT, OUTPUT))


@pytest.mark.parametrize("odds", [Odds(expire=1), Odds(fail=1)], ids=["expired", "failed"])
async def test_what_a_batch_did_not_answer_goes_online_where_that_is_allowed(tmp_path: Path, odds: Odds) -> None:
    """With `--via auto` the rows of a batch that expired, or never ran, are answered online, at the full price."""
    manifest = write_manifest(tmp_path / "m.jsonl", 8)
    async with GeminiBatchServer(odds) as server:
        result = await run_batches(manifest.path, tmp_path / "run", write_catalog(tmp_path, server), via="auto")
    state = check_accounted(tmp_path / "run", 8)
    assert (result.exit_code, result.answered, server.online, len(server.batches)) == (0, 8, 8, 1)
    check_cost(state, server.usd(INPUT, OUTPUT))


async def test_a_batch_that_the_provider_does_not_run_says_why(tmp_path: Path) -> None:
    """A batch that failed as a whole stops its lane with the provider's words: nothing is billed, no row has failed."""
    manifest = write_manifest(tmp_path / "m.jsonl", 8)
    async with GeminiBatchServer(Odds(fail=1)) as server:
        result = await run_batches(manifest.path, tmp_path / "run", write_catalog(tmp_path, server))
    assert (result.exit_code, result.answered, result.failed, server.billed.total()) == (6, 0, 0, 0)
    assert "no such model for batches" in result.reason
    assert failures(tmp_path / "run") == {}
