"""Counting a plan's rows, stage by stage: all of them by bytes and by their most cost, a sample of them by tokens."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.estimates.by_batch import batch_rates
from orchestrator.estimates.estimate import AnswerFacts, LaneFacts, RunEstimate, estimate
from orchestrator.estimates.estimating import lane_facts, sample_answers
from orchestrator.estimates.media_tokens import count_media
from orchestrator.estimates.row_sample import RowSample, vocabulary_of
from orchestrator.requests_file import NewRow, RequestsFile
from orchestrator.to_follow import Following
from outputs.fold import RunState
from providers.catalog import Catalog
from providers.media.preflight import Medium
from providers.prices import Rates, resolve_rates, upper_bound_usd
from providers.protocols.paths import CHAT
from providers.provider import ImageTokens, MediaLimits

_ANSWERS = 2000
_MOST_STAGES = 100
_LINE_BYTES = 250  # of a request's line, but for its body and metadata
_BATCH_LINE_BYTES = 120  # of a line in a batch, but for its body


@dataclass(slots=True)
class StageCount:
    """The rows of a lane's stage. `most_usd` bounds their cost; None where price or longest answer are unknown.

    `batch_most_usd` is that by batch, where `batch_rates` are known. `line_bytes` are about those of their lines in a
    batch, pictures included; `too_long` of them have more than a batch may have. Of the sample's rows, `expected` are
    those that will follow from answers.
    """

    stage: str
    provider: str
    model: str
    sample: RowSample
    rates: Rates | None
    image_tokens: ImageTokens
    media_limits: MediaLimits
    most_usd: float | None = 0.0
    body_bytes: int = 0
    expected: int = 0
    batch_rates: Rates | None = None
    batch_most_usd: float | None = 0.0
    batch_bytes: int | None = None  # that a batch may have at most
    line_bytes: int = 0
    too_long: int = 0
    answers: Sequence[AnswerFacts] = ()

    def add(
        self, body: bytes, media: Sequence[Medium | None] | None = None, url: str = CHAT, expected: int = 0
    ) -> None:
        """One more row, or so many expected ones like it."""
        times = expected or 1
        shown = count_media(body, media, self.image_tokens, self.media_limits)
        self.sample.add(body, shown, times)
        self.body_bytes += len(body) * times
        self.expected += expected
        tokens = None if shown is None else len(body) - shown.inline_bytes + shown.most
        longest = self.sample.model_most

        def more(bound: float | None, rates: Rates | None) -> float | None:
            most = None if rates is None else upper_bound_usd(rates, body, longest, tokens, url=url)
            return None if most is None or bound is None else bound + most * times

        self.most_usd = more(self.most_usd, self.rates)
        self.batch_most_usd = more(self.batch_most_usd, self.batch_rates)
        self._add_line(len(body) + _base64_bytes(media), times)

    def _add_line(self, size: int, times: int) -> None:
        size += _BATCH_LINE_BYTES
        self.line_bytes += size * times
        if self.batch_bytes is not None and size > self.batch_bytes:
            self.too_long += times


def _base64_bytes(media: Sequence[Medium | None] | None) -> int:
    """What pictures add to a line at most: they are often shrunk before."""
    return sum(medium.bytes * 4 // 3 for medium in media or () if medium is not None)


@dataclass(slots=True)
class PlanCounter:
    """Takes rows, then answers, then makes the estimate. `request_bytes` are those of lines that are to be written."""

    catalog: Catalog
    concurrency: int
    request_bytes: int = 0
    _stages: dict[tuple[str, str, str], StageCount] = field(default_factory=dict)

    @property
    def counts(self) -> list[StageCount]:
        """The stages of lanes, in the order in which they came up."""
        return list(self._stages.values())

    def add_new(self, new: NewRow) -> None:
        """A row whose line is not on disk yet."""
        self.stage(new.stage, new.routed.provider, new.routed.model).add(new.routed.body, new.routed.media, new.url)
        self._will_write(new, 1)

    def add_following(self, following: Following) -> None:
        """Rows that will follow from answers."""
        row = following.row
        stage = self.stage(following.stage, *following.lane)
        stage.add(row.routed.body, row.routed.media, row.url, following.rows)
        self._will_write(row, following.rows)

    def _will_write(self, row: NewRow, times: int) -> None:
        self.request_bytes += (_LINE_BYTES + len(row.routed.body) + len(row.metadata or b"")) * times

    def learn(self, folder: Path, state: RunState, requests: RequestsFile) -> None:
        """Take in what the answers of the run have shown, for the stages that there are by now."""
        numbers = {(lane.provider, lane.model): number for number, lane in enumerate(state.lanes)}
        counted = [(numbers.get((one.provider, one.model)), one) for one in self.counts]
        encodings = {number: one.sample.encoding for number, one in counted if number is not None}
        answers = sample_answers(folder, state, requests, encodings, _ANSWERS)
        for number, one in counted:
            if number is not None and one.stage in state.stages:
                one.answers = answers.get((number, state.stages.index(one.stage)), ())

    def facts(self) -> list[LaneFacts]:
        """What is known of each stage."""
        return [
            lane_facts(x.provider, x.model, x.sample, self.catalog, self.concurrency, x.answers, x.stage, x.expected)
            for x in self.counts
        ]

    def estimate(self) -> RunEstimate:
        """The estimate of all of them."""
        return estimate(self.facts())

    def stage(self, stage: str, name: str, model: str) -> StageCount:
        """The count of a lane's stage."""
        key = (stage, name, model)
        if key not in self._stages:
            if len(self._stages) >= _MOST_STAGES and stage:  # a manifest may call every row of its own stage
                return self.stage("", name, model)
            self._stages[key] = self._new_stage(stage, name, model)
        return self._stages[key]

    def _new_stage(self, stage: str, name: str, model: str) -> StageCount:
        provider = self.catalog.provider(name)
        facts = provider.facts_of(model)
        sample = RowSample(vocabulary_of(model, provider.simulated), facts.max_output_tokens)
        rule = facts.image_tokens or ImageTokens()
        rates = resolve_rates(provider, model)
        count = StageCount(stage, name, model, sample, rates, rule, provider.media)
        count.batch_rates = batch_rates(provider, rates)
        count.batch_bytes = None if provider.batch is None else provider.batch.max_bytes
        return count
