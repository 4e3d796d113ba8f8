"""Counting a plan's rows, lane by lane: all of them by bytes and by their most cost, a sample of them by tokens."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.estimates.estimate import AnswerFacts, LaneFacts, RunEstimate, estimate
from orchestrator.estimates.estimating import lane_facts, sample_answers
from orchestrator.estimates.media_tokens import count_media
from orchestrator.estimates.row_sample import RowSample, vocabulary_of
from orchestrator.requests_file import RequestsFile
from outputs.fold import RunState
from providers.catalog import Catalog
from providers.media.preflight import Medium
from providers.prices import Rates, resolve_rates, upper_bound_usd
from providers.protocols.paths import CHAT
from providers.provider import ImageTokens, MediaLimits

_ANSWERS = 2000
_LINE_BYTES = 250  # of a request's line, but for its body and metadata


@dataclass(slots=True)
class LaneCount:
    """The rows of one lane. `most_usd` bounds their cost; None where price or longest answer are unknown."""

    provider: str
    model: str
    sample: RowSample
    rates: Rates | None
    image_tokens: ImageTokens
    media_limits: MediaLimits
    most_usd: float | None = 0.0
    body_bytes: int = 0
    answers: Sequence[AnswerFacts] = ()


@dataclass(slots=True)
class PlanCounter:
    """Takes rows, then answers, then makes the estimate. `request_bytes` are those of lines that are to be written."""

    catalog: Catalog
    concurrency: int
    request_bytes: int = 0
    _lanes: dict[tuple[str, str], LaneCount] = field(default_factory=dict)

    @property
    def counts(self) -> list[LaneCount]:
        """The lanes, in the order in which they came up."""
        return list(self._lanes.values())

    def add(
        self,
        provider: str,
        model: str,
        body: bytes,
        new_metadata: bytes | None = None,
        media: Sequence[Medium | None] | None = None,
        url: str = CHAT,
    ) -> None:
        """One more row; `new_metadata` where its line is not on disk yet."""
        lane = self._lanes.get((provider, model))
        if lane is None:
            lane = self._lanes[provider, model] = self._new_lane(provider, model)
        shown = count_media(body, media, lane.image_tokens, lane.media_limits)
        lane.sample.add(body, shown)
        lane.body_bytes += len(body)
        longest = lane.sample.model_most
        tokens = None if shown is None else len(body) - shown.inline_bytes + shown.most
        most = None if lane.rates is None else upper_bound_usd(lane.rates, body, longest, tokens, url=url)
        lane.most_usd = None if most is None or lane.most_usd is None else lane.most_usd + most
        if new_metadata is not None:
            self.request_bytes += _LINE_BYTES + len(body) + len(new_metadata)

    def learn(self, folder: Path, state: RunState, requests: RequestsFile) -> None:
        """Take in what the answers of the run have shown, for the lanes that there are by now."""
        numbers = {(lane.provider, lane.model): number for number, lane in enumerate(state.lanes)}
        known = {numbers[key]: lane for key, lane in self._lanes.items()}
        encodings = {number: lane.sample.encoding for number, lane in known.items()}
        for number, answers in sample_answers(folder, state, requests, encodings, _ANSWERS).items():
            known[number].answers = answers

    def facts(self) -> list[LaneFacts]:
        """What is known of each lane."""
        return [
            lane_facts(x.provider, x.model, x.sample, self.catalog, self.concurrency, x.answers) for x in self.counts
        ]

    def estimate(self) -> RunEstimate:
        """The estimate of all lanes."""
        return estimate(self.facts())

    def _new_lane(self, name: str, model: str) -> LaneCount:
        provider = self.catalog.provider(name)
        facts = provider.facts_of(model)
        sample = RowSample(vocabulary_of(model, provider.simulated), facts.max_output_tokens)
        rule = facts.image_tokens or ImageTokens()
        return LaneCount(name, model, sample, resolve_rates(provider, model), rule, provider.media)
