"""Runs that score captions, as the analysis reads them: judged by answers at hand, or imported."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from outputs.answers import RowCounts
from outputs.items import Item, Rating
from outputs.journal import Log
from outputs.run_record import PromptRecord, RunRecord, Source
from outputs.tables.columns import TABLES
from outputs.tables.loading import LoadedRun
from outputs.tables.score_reading import judgements_table, readers_of
from prompts.records import Alternative, Completion, SampledToken
from prompts.template import load_prompt

LABELS = ("Accuracy", "Completeness", "Conciseness", "Relevance")
NAMES = (*(label.lower() for label in LABELS), "average")
ACCR, SINGLE = "gveval_ref_only_accr", "gveval_ref_only"


class Stored(msgspec.Struct, frozen=True):
    """An answer as the tables want it."""

    seq: int
    custom_id: str
    metadata: dict[str, Any]
    completion: Completion
    model: str = "judge-1"
    provider: str = "lab"


def prompt_record(name: str) -> PromptRecord:
    prompt = load_prompt(name)
    return PromptRecord(prompt.name, prompt.version, prompt.sha256, prompt.text)


def record(name: str = "night", **changes: Any) -> RunRecord:
    """What was asked of a judge for four scores, simulated, unless `changes` say otherwise."""
    made: dict[str, Any] = {"name": name, "created_at": "2025-01-01", "code_version": "0", "requests": 4, "items": 4}
    asked: dict[str, Any] = {"simulated": True, "job": "gveval", "prompts": (prompt_record(ACCR),)}
    return RunRecord(source=Source("spec", "night.toml", "0" * 64), **(made | asked | changes))


def answered(
    place: int | str,
    value: int | None,
    *,
    logprobs: bool = True,
    model: str = "judge-1",
    mass: float = 0.9,
    seq: int | None = None,
    labels: tuple[str, ...] = LABELS,
) -> Stored:
    """An answer about item vid<place> whose scores are `value`, or one that does not parse."""
    item = place if isinstance(place, str) else f"vid{place}"
    pieces = [p for label in labels for p in (f"{label}: [[", str(value), "]]\n")]
    p = math.log(mass)
    said = pieces if value is not None else ["[b]none[/b]"]
    tokens = tuple(SampledToken(piece, p, None, (Alternative(piece, p),)) for piece in said)
    completion = Completion("".join(said), "stop", None, tokens if logprobs else None)
    at = seq if seq is not None else place if isinstance(place, int) else 0
    return Stored(at, f"gveval-{item}-{at}", {"item": item, "prompt": "p@1", "stage": "judge"}, completion, model)


def rated(*ratings: float, kind: str = "constructed", **more: Any) -> dict[str, Item]:
    """Items vid1, vid2, ... with two annotators, the second half a point above the first."""

    def item(place: int, rating: float) -> Item:
        rows = tuple(Rating(who, dict.fromkeys(NAMES, rating + extra)) for who, extra in (("1", 0), ("2", 0.5)))
        return Item(item=f"vid{place}", candidate="x", ratings=rows, ratings_kind=kind, **more)

    return {f"vid{place}": item(place, rating) for place, rating in enumerate(ratings, 1)}


def judged_run(
    folder: Path,
    answers: Iterable[Stored],
    items: Mapping[str, Item],
    *,
    failed: Iterable[str] = (),
    asked: int | None = None,
    **changes: Any,
) -> LoadedRun:
    """A run in `folder` whose judge gave `answers`; requests for the items `failed` failed."""
    run = record(folder.name, **changes)
    sha256 = run.prompts[0].sha256 if run.prompts else ""
    told = [msgspec.structs.replace(one, metadata={"prompt_sha256": sha256, **one.metadata}) for one in answers]
    scores = judgements_table(told, readers_of(run, folder), simulated=run.simulated, run=run.name)
    requests = [_request(n, one.metadata["item"], one.model, "answered") for n, one in enumerate(told, 1)]
    outcomes = []
    for seq, item in enumerate(failed, len(told) + 1):
        requests.append(_request(seq, item, "judge-1", "failed"))
        outcomes.append({"request": seq, "state": "failed", "failure_message": "the provider was away"})
    counts = RowCounts(len(requests) if asked is None else asked, len(told), len(outcomes))
    return _loaded(folder, run, items, counts, {"scores": scores, "requests": requests, "outcomes": outcomes})


def imported_run(folder: Path, items: Iterable[Item], **changes: Any) -> LoadedRun:
    """A run in `folder` of items that bring their own scores or ratings, without a request."""
    changes = {"job": "scores", "prompts": (), "simulated": False, **changes}
    return _loaded(folder, record(folder.name, **changes), {one.item: one for one in items}, RowCounts(0, 0, 0), {})


def _request(seq: int, item: str, model: str, state: str) -> dict[str, Any]:
    about = {"provider": "lab", "model": model, "stage": "judge", "item": item, "state": state}
    return {"seq": seq, "custom_id": f"gveval-{seq}", **about}


def _loaded(
    folder: Path, run: RunRecord, items: Mapping[str, Item], counts: RowCounts, tables: Mapping[str, Any]
) -> LoadedRun:
    place = folder / "tables"
    place.mkdir(parents=True)
    (folder / "run.json").write_bytes(msgspec.json.encode(run))
    lines = [msgspec.json.encode({"seq": seq, **msgspec.to_builtins(one)}) for seq, one in enumerate(items.values(), 1)]
    (folder / Log.ITEMS.file_name).write_bytes(b"".join(line + b"\n" for line in lines))
    paths = {}
    for name, spec in TABLES.items():
        rows = tables.get(name, [])
        frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, schema=spec.schema)
        paths[name] = place / f"{name}.parquet"
        frame.write_parquet(paths[name])
    return LoadedRun(folder, run, counts, paths)
