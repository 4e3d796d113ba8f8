"""The library: the same runs from Python.

result = await run("manifest.jsonl", out="runs/first", budget=25, until="07:00")
async for answer in responses("manifest.jsonl", out="runs/first"):
    print(answer.custom_id, answer.usage, answer.response.body)
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from orchestrator.asking import options_of
from orchestrator.engine import Engine, StopKind
from orchestrator.estimates.planning import Plan, make_plan
from orchestrator.following import follow
from orchestrator.opening import DEFAULT_CONCURRENCY, opened
from orchestrator.session import Result, send
from outputs.records import ResponseLine


class _Held:
    """The engine of a run, once there is one; told to drain before that, it drains the engine as it comes."""

    def __init__(self, on_engine: Callable[[Engine], None] | None) -> None:
        self._on_engine = on_engine
        self._engine: Engine | None = None
        self._draining = False

    def take(self, engine: Engine) -> None:
        self._engine = engine
        if self._on_engine is not None:
            self._on_engine(engine)
        if self._draining:
            engine.drain(StopKind.INTERRUPTED)

    def drain(self) -> None:
        self._draining = True
        if self._engine is not None:
            self._engine.drain(StopKind.INTERRUPTED)


async def run(
    source: str | Path,
    *,
    out: str | Path | None = None,
    concurrency: int = DEFAULT_CONCURRENCY,
    config: str | Path | None = None,
    simulate: bool = False,
    accept_changes: bool = False,
    budget: float | str | None = None,
    until: datetime | str | None = None,
    for_: timedelta | str | None = None,
    via: str | None = None,
    allow_rebuy: bool = False,
    dedupe: bool | None = None,
    media_root: str | Path | None = None,
    prompts: str | Path | None = None,
    first: int | None = None,
    fields: Iterable[str] | None = None,
    languages: Iterable[str] | None = None,
    allow_unpriced: bool = False,
    thresholds: Mapping[str, float] | None = None,
    on_engine: Callable[[Engine], None] | None = None,
) -> Result:
    """Run a manifest, a spec (`*.toml`) or a run folder to its end and say how that was.

    Args:
        source: what to run; the same source and folder again resume.
        out: the run folder; by default `runs/` and the source's stem.
        concurrency: calls in flight per provider and model.
        config: a catalog file; by default `overnight.toml` in the working folder, if there is one.
        simulate: send everything to the embedded simulator; what comes back is labelled simulated.
        accept_changes: go on although the source is not the one the folder was made from.
        budget: spend at most so many USD over all sessions of the run; "none" takes a cap away, and where nothing is
            said the cap of earlier sessions or of the spec stands.
        until: have all answers by then, this session: a datetime (without a zone: local time) or "07:00".
        for_: have all answers in this time, in place of `until`: a timedelta or "8h".
        via: "online"; "batch", by the providers' batch APIs; or "auto", by batch, and online what is late or what no
            batch takes; by default as the run did before, at first online.
        allow_rebuy: near the deadline, send rows online whose batch is late and cannot be cancelled in time, and send
            rows again whose batch its provider does not know any more; they may be paid for twice.
        dedupe: send equal requests once, and write the answer for all of them; by default as the run did before.
        media_root: the folder that pictures and clips lie in; by default the manifest's, or the dataset's.
        prompts: a folder of prompts that go over the shipped ones of the same name.
        first: only so many items of each dataset, or rows of a manifest; a larger number later adds to the run.
        fields, languages: for ICE, only the questions of these fields and in these languages.
        allow_unpriced: send also what nobody knows the price of; it is shown as unpriced.
        thresholds: when to give up, such as {"failures_in_row": 20}; over those of the catalog file.
        on_engine: is handed the engine before the first call, to watch it (`Watcher`) or to drain it.

    Returns:
        The result; its `exit_code` is what the command would exit with.

    Raises:
        InputError: something given is wrong; nothing was sent.

    Cancelling the task drains: calls in flight are awaited, then the cancellation goes on.
    """
    options = options_of(
        out=out,
        concurrency=concurrency,
        config=config,
        simulate=simulate,
        accept_changes=accept_changes,
        budget=budget,
        until=until,
        for_=for_,
        via=via,
        allow_rebuy=allow_rebuy,
        dedupe=dedupe,
        media_root=media_root,
        prompts=prompts,
        first=first,
        fields=fields,
        languages=languages,
        allow_unpriced=allow_unpriced,
        thresholds=thresholds or {},
    )
    held = _Held(on_engine)
    with opened(Path(source), options) as run_opened:
        sending = asyncio.ensure_future(send(run_opened, options, held.take))
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            held.drain()
            await asyncio.wait([sending])
            raise


async def responses(
    source: str | Path,
    *,
    out: str | Path | None = None,
    concurrency: int = DEFAULT_CONCURRENCY,
    config: str | Path | None = None,
    simulate: bool = False,
    accept_changes: bool = False,
    budget: float | str | None = None,
    until: datetime | str | None = None,
    for_: timedelta | str | None = None,
    via: str | None = None,
    allow_rebuy: bool = False,
    dedupe: bool | None = None,
    media_root: str | Path | None = None,
    prompts: str | Path | None = None,
    first: int | None = None,
    fields: Iterable[str] | None = None,
    languages: Iterable[str] | None = None,
    allow_unpriced: bool = False,
    thresholds: Mapping[str, float] | None = None,
    on_engine: Callable[[Engine], None] | None = None,
) -> AsyncGenerator[ResponseLine, None]:
    """Run, and yield every answer of the folder once it is written: those of earlier sessions first, then as they land.

    The arguments and errors are those of `run`. Leaving the loop early drains the run; nothing is lost.
    """
    options = options_of(
        out=out,
        concurrency=concurrency,
        config=config,
        simulate=simulate,
        accept_changes=accept_changes,
        budget=budget,
        until=until,
        for_=for_,
        via=via,
        allow_rebuy=allow_rebuy,
        dedupe=dedupe,
        media_root=media_root,
        prompts=prompts,
        first=first,
        fields=fields,
        languages=languages,
        allow_unpriced=allow_unpriced,
        thresholds=thresholds or {},
    )
    held = _Held(on_engine)
    with opened(Path(source), options) as run_opened:
        sending = asyncio.ensure_future(send(run_opened, options, held.take))
        try:
            async for _, answer in follow(run_opened.folder, still_running=lambda: not sending.done()):
                yield answer
        finally:
            held.drain()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([sending])
        sending.result()


def plan(
    source: str | Path,
    *,
    out: str | Path | None = None,
    concurrency: int = DEFAULT_CONCURRENCY,
    config: str | Path | None = None,
    simulate: bool = False,
    budget: float | str | None = None,
    until: datetime | str | None = None,
    for_: timedelta | str | None = None,
    via: str | None = None,
    media_root: str | Path | None = None,
    prompts: str | Path | None = None,
    first: int | None = None,
    fields: Iterable[str] | None = None,
    languages: Iterable[str] | None = None,
    decode_media: bool = False,
) -> Plan:
    """What `run` would send with the same arguments, lane by lane, without sending. Raises InputError.

    Both prices stand in it, of calls and of the batch API; `via` says by which cap and deadline are judged.
    `decode_media`: decode every picture, and every frame shown of a clip; a run does so just before a row's turn.
    """
    options = options_of(
        out=out,
        concurrency=concurrency,
        config=config,
        simulate=simulate,
        budget=budget,
        until=until,
        for_=for_,
        via=via,
        media_root=media_root,
        prompts=prompts,
        first=first,
        fields=fields,
        languages=languages,
    )
    return make_plan(Path(source), options, decode_media=decode_media)
