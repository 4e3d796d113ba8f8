"""Estimates of a run from its folder: an even sample of the rows that want an answer, and of the answers there are."""

import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from orchestrator.batching.via import Via
from orchestrator.estimates.by_batch import priced_via
from orchestrator.estimates.estimate import AnswerFacts, LaneFacts, estimate
from orchestrator.estimates.media_tokens import count_media
from orchestrator.estimates.row_sample import RowFacts, RowSample, read_facts, vocabulary_of
from orchestrator.requests_file import RequestsFile
from orchestrator.to_follow import Following
from outputs.fold import LaneTotals, RunState
from outputs.journal import Log
from outputs.records import ResponseHead
from providers.catalog import Catalog
from providers.prices import resolve_rates
from providers.provider import ImageTokens, Limits, Provider
from providers.tokens import count_body

_GOLDEN = 0.6180339887498949
_ROWS = 600  # read to estimate a run at its start, which is not to take a second
_ROWS_A_STAGE = 20
_REQUEST_BYTES = 4 << 20
_ANSWERS = 400
_ANSWER_BYTES = 32 << 20

_head = msgspec.json.Decoder(ResponseHead)


def estimate_run(
    folder: Path,
    state: RunState,
    catalog: Catalog,
    concurrency: int,
    following: Sequence[Following] = (),
    via: Via = Via.ONLINE,
) -> dict[str, Any]:
    """What the open rows of a run, and those that will follow, will take, as JSON: `total`, `lanes` and `stages`.

    Some 600 of the open rows are read; those `following` are taken to be like their examples. Each lane has, besides
    what `LaneEstimate` says, `before`: its totals so far, which are not part of the estimate. `about` is how many
    requests the run will have in the end. `via`: at which prices; the time is that of calls all the same.
    """
    open_rows = _open_rows(state)
    requests = RequestsFile(folder, state)
    try:
        samples = {key: _sample(state, key[0], rows, requests, len(open_rows), catalog) for key, rows in open_rows}
        encodings = {key[0]: sample.encoding for key, sample in samples.items()}
        answers = sample_answers(folder, state, requests, encodings)
    finally:
        requests.close()
    measured = {_name(state, key): found for key, found in answers.items()}
    named = [(_name(state, key), sample, 0) for key, sample in samples.items()]
    named += [(name, sample, sample.rows) for name, sample in _samples_of(following, catalog).items()]
    facts = [
        lane_facts(*name[1:], sample, catalog, concurrency, measured.get(name, ()), name[0], expected)
        for name, sample, expected in named
    ]
    document = estimate([priced_via(via, one, catalog.provider(one.provider)) for one in facts]).to_json()
    totals = {(lane.provider, lane.model): lane for lane in state.lanes}
    for entry in document["lanes"]:
        lane = (entry["provider"], entry["model"])
        entry["before"] = totals_of(totals.get(lane, LaneTotals(*lane)))
    asked = sum(lane.asked for lane in state.lanes)
    return {**document, "about": asked + sum(one.rows for one in following)}


def _name(state: RunState, key: tuple[int, int]) -> tuple[str, str, str]:
    lane = state.lanes[key[0]]
    return state.stages[key[1]], lane.provider, lane.model


def _counted_in(catalog: Catalog, name: str, model: str) -> tuple[str | None, int | None]:
    """The vocabulary that counts a lane's tokens, and the longest answer of its model."""
    provider = catalog.provider(name)
    return vocabulary_of(model, provider.simulated), provider.facts_of(model).max_output_tokens


def _samples_of(following: Sequence[Following], catalog: Catalog) -> dict[tuple[str, str, str], RowSample]:
    """By stage, provider and model, the rows that will follow, by their examples."""
    found: dict[tuple[str, str, str], RowSample] = {}
    for one in following:
        key = (one.stage, *one.lane)
        if key not in found:
            found[key] = RowSample(*_counted_in(catalog, *one.lane), size=None)
        found[key].rows += one.rows
        found[key].facts.append(_facts_of(one, found[key], catalog))
    return found


def _facts_of(following: Following, sample: RowSample, catalog: Catalog) -> RowFacts:
    provider, model = following.lane
    entry, routed = catalog.provider(provider), following.row.routed
    media = count_media(routed.body, routed.media, entry.facts_of(model).image_tokens or ImageTokens(), entry.media)
    return read_facts(routed.body, sample.encoding, sample.model_most, media)


def totals_of(lane: LaneTotals) -> dict[str, float]:
    """Of a lane's totals, those that an estimate is held against."""
    names = ("answered", "failed", "input_tokens", "output_tokens", "cost_usd")
    return {name: getattr(lane, name) for name in names}


def lane_facts(
    name: str,
    model: str,
    sample: RowSample,
    catalog: Catalog,
    concurrency: int,
    answers: Sequence[AnswerFacts] = (),
    stage: str = "",
    expected: int = 0,
) -> LaneFacts:
    """The facts of a stage of the lane of a provider and model, its limits and prices from the catalog."""
    provider = catalog.provider(name)
    return LaneFacts(
        provider=name,
        model=model,
        sample=sample,
        concurrency=concurrency,
        rates=resolve_rates(provider, model),
        buckets=buckets_of(name, model, provider),
        simulated=provider.simulated,
        answers=answers,
        stage=stage,
        expected=expected,
    )


def buckets_of(name: str, model: str, provider: Provider) -> tuple[tuple[str, Limits], ...]:
    """The buckets that a lane's calls pass, by names that lanes share: the provider's, or with a pattern behind it."""
    models = [(f"{name} {pattern}", limits) for pattern, limits in provider.model_limits(model)]
    return ((name, provider.account_limits()), *models)


def _open_rows(state: RunState) -> list[tuple[tuple[int, int], "array[int]"]]:
    """((lane, stage), its rows that want an answer) of the stages that have some, by their numbers."""
    rows: dict[tuple[int, int], array[int]] = {}
    lane_of, stage_of = state.lane_of, state.stage_of
    for row in range(len(state)):
        if state.is_open(row):
            rows.setdefault((lane_of[row], stage_of[row]), array("Q")).append(row)
    return sorted(rows.items())


def _sample(
    state: RunState, lane: int, rows: "array[int]", requests: RequestsFile, parts: int, catalog: Catalog
) -> RowSample:
    totals = state.lanes[lane]
    provider = catalog.provider(totals.provider)
    encoding, most = _counted_in(catalog, totals.provider, totals.model)
    rule = provider.facts_of(totals.model).image_tokens or ImageTokens()
    sample = RowSample(encoding, most, rows=len(rows), size=None)
    room = _REQUEST_BYTES // parts
    for row in _spread(rows, max(_ROWS_A_STAGE, _ROWS // parts)):
        try:
            request = requests.read(row)
        except msgspec.MsgspecError:  # its line is not on disk yet
            continue
        body = bytes(request.body)
        media = count_media(body, request.media, rule, provider.media)
        sample.facts.append(read_facts(body, sample.encoding, most, media))
        room -= len(body)
        if room < 0:
            break
    return sample


def _spread(rows: "array[int]", most: int) -> Iterator[int]:
    """All rows where they are few; else `most` of them, spread evenly however early one stops."""
    if len(rows) <= most:
        yield from rows
        return
    seen: set[int] = set()
    for number in range(most):
        place = int(number * _GOLDEN % 1 * len(rows))
        if place not in seen:
            seen.add(place)
            yield rows[place]


# Answers


def sample_answers(
    folder: Path,
    state: RunState,
    requests: RequestsFile,
    encodings: Mapping[int, str | None],
    most: int = _ANSWERS,
) -> dict[tuple[int, int], list[AnswerFacts]]:
    """By lane and stage, the facts of answers with a `usage`: up to `most`, of the lanes that are in `encodings`."""
    found: dict[tuple[int, int], list[AnswerFacts]] = {}
    for head in _some_answers(folder / Log.RESPONSES.file_name, most):
        row = state.row_of(head.request)
        if row is None or head.usage is None or head.duplicate_of is not None or state.lane_of[row] not in encodings:
            continue
        lane = state.lane_of[row]
        counted = count_body(bytes(requests.read(row).body), encodings[lane])
        if counted is None or not counted.tokens:
            continue
        usage = head.usage
        facts = AnswerFacts(
            counted.tokens, usage.input_tokens, usage.output_tokens, usage.cached_tokens, head.latency_s
        )
        found.setdefault((lane, state.stage_of[row]), []).append(facts)
    return found


def _some_answers(path: Path, most: int) -> Iterator[ResponseHead]:
    """The lines at places spread evenly over the file, each once; what is torn or damaged is passed over."""
    if not path.exists():
        return
    room, seen = _ANSWER_BYTES, set[int]()
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        for number in range(most):
            line = _line_at(file, int(number * _GOLDEN % 1 * size))
            room -= len(line)
            try:
                head = _head.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
            if head.seq not in seen:
                seen.add(head.seq)
                yield head
            if room < 0:
                return


def _line_at(file: IO[bytes], place: int) -> bytes:
    """The line after the one that holds the byte at `place`; the first one for the first byte, and after the last."""
    file.seek(place)
    if place:
        file.readline()
    line = file.readline()
    if not line and place:
        file.seek(0)
        line = file.readline()
    return line
