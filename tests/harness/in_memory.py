"""The smallest engine: it drives a job in memory, in whatever order answers are to arrive."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from jobs.protocol import Answered, Failed, Job, Request, RunReader, Verdict
from outputs.items import Item
from prompts.records import Completion


@dataclass(slots=True)
class InMemoryRun(RunReader):
    """Everything a job asked, was told and made of it. `answer` gives None for a request that finally fails.

    `arrival` draws which of the waiting requests is settled next; without it they settle in their order.
    """

    job: Job
    items: Sequence[Item]
    answer: Callable[[Request], Completion | None]
    arrival: Random | None = None
    requests: list[Request] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    settled: list[Answered | Failed] = field(default_factory=list)

    def completion(self, seq: int) -> Completion:
        told = self.settled[seq - 1]
        assert isinstance(told, Answered)
        return told.completion

    def item(self, place: int) -> Item:
        return self.items[place]

    def run(self, most: int = 1_000_000) -> "InMemoryRun":
        """Settle what is asked until nothing is left, or `most` requests have settled."""
        waiting = list(self.job.start(self.items))
        self.requests += waiting
        while waiting and len(self.settled) < most:
            request = waiting.pop(0 if self.arrival is None else self.arrival.randrange(len(waiting)))
            for made in self.job.on_settled(self._settle(request), self):
                if isinstance(made, Verdict):
                    self.verdicts.append(made)
                else:
                    waiting.append(made)
                    self.requests.append(made)
        return self

    def ids(self) -> set[str]:
        """The ids of all requests. No two are alike."""
        ids = {request.custom_id for request in self.requests}
        assert len(ids) == len(self.requests)
        return ids

    def bodies(self) -> dict[str, object]:
        """The bodies of all requests, by their ids."""
        return {request.custom_id: request.body for request in self.requests}

    def _settle(self, request: Request) -> Answered | Failed:
        assert isinstance(request.metadata, dict)
        completion, seq = self.answer(request), len(self.settled) + 1
        told: Answered | Failed
        if completion is None:
            told = Failed(
                seq=seq, custom_id=request.custom_id, metadata=request.metadata, kind="transient", message="no"
            )
        else:
            told = Answered(seq=seq, custom_id=request.custom_id, metadata=request.metadata, completion=completion)
        self.settled.append(told)
        return told
