"""One line after the other: answered, billed, and put among the results as its fate wants it."""

from providers.simulator.batches.batch import Batch
from providers.simulator.batches.fates import Fate
from providers.simulator.batches.records import Line, Made, read_line
from providers.simulator.draws import digest, identifier, uniform
from providers.simulator.settings import SimulatorSettings
from providers.simulator.stats import Tally

_FAILURES = {Fate.ERROR: 500, Fate.THROTTLED: 429}


def process(settings: SimulatorSettings, tally: Tally, batch: Batch) -> None:
    """Process the next line of a batch."""
    assert batch.fates is not None  # only a batch that was admitted has lines that are due
    line, fate = batch.asked.lines[batch.processed], batch.fates[batch.processed]
    batch.processed += 1
    if fate in (Fate.SKIPPED, Fate.EXPIRED):
        return
    status = _FAILURES.get(fate)
    made = batch.form.answer(read_line(batch.asked.path, line)) if status is None else batch.form.failure(status)
    tally.see(line.body_digest)
    _count(tally, batch, line, made)
    if fate is not Fate.DROPPED:
        to_answers, data = batch.form.ran(_id(settings, batch, line.custom_id), line.custom_id, made)
        batch.results.add(to_answers, _as_befallen(settings, line, fate, data))


def unrun(settings: SimulatorSettings, batch: Batch) -> None:
    """The lines whose turn never came, as they or their batch expired, or it was cancelled."""
    for place, line in enumerate(batch.asked.lines):
        if place >= batch.processed or (batch.fates and batch.fates[place] is Fate.EXPIRED):
            batch.counts.unrun += 1
            id_ = _id(settings, batch, line.custom_id)
            batch.results.add(False, [batch.form.unrun(id_, line.custom_id, expired=batch.cancelled is None)])


def answers_of_strangers(settings: SimulatorSettings, batch: Batch) -> None:
    """Answers that nobody asked for and nobody pays, in a batch that has some."""
    if not batch.counts.succeeded:
        return
    made = batch.form.answer(read_line(batch.asked.path, batch.asked.lines[0]))
    for number in range(settings.batch_unknown):
        custom_id = f"stranger-{identifier(settings.seed, digest(batch.id.encode()), f'stranger {number}')}"
        _, data = batch.form.ran(_id(settings, batch, custom_id), custom_id, made)
        batch.results.add(True, [data])


def _count(tally: Tally, batch: Batch, line: Line, made: Made) -> None:
    counts = batch.counts
    if made.billed is None:
        counts.errored += 1
        return
    counts.succeeded += 1
    counts.prompt_tokens += made.billed[0]
    counts.completion_tokens += made.billed[1]
    tally.bill_line(line.body_digest, *made.billed)


def _as_befallen(settings: SimulatorSettings, line: Line, fate: Fate, data: bytes) -> list[bytes]:
    if fate is Fate.DUPLICATED:
        return [data, data]
    if fate is Fate.TORN:
        share = 0.1 + 0.8 * uniform(settings.seed, line.body_digest, "torn line")
        return [data[: max(1, int(len(data) * share))]]
    return [data]


def _id(settings: SimulatorSettings, batch: Batch, custom_id: str) -> str:
    return identifier(settings.seed, digest(f"{batch.id}/{custom_id}".encode()), "batch line")
