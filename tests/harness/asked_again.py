"""Requests that somebody asks again after they finally failed: each settles a second time, any time after the first."""

from random import Random

from jobs.protocol import Answered, Failed, Request, Verdict
from prompts.records import Completion
from tests.harness.in_memory import InMemoryRun


def settle(
    run: InMemoryRun, request: Request, completion: Completion | None, *, repeat: bool = True
) -> list[Request | Verdict]:
    """What the job makes of a settlement, by default a second one; None is a final failure."""
    seq, metadata = len(run.settled) + 1, request.metadata
    assert isinstance(metadata, dict)
    told: Answered | Failed
    if completion is None:
        told = Failed(
            seq=seq, custom_id=request.custom_id, metadata=metadata, kind="transient", message="no", repeat=repeat
        )
    else:
        told = Answered(seq=seq, custom_id=request.custom_id, metadata=metadata, completion=completion, repeat=repeat)
    run.settled.append(told)
    return list(run.job.on_settled(told, run))


def run_with_retries(run: InMemoryRun, again: float, arrival: Random) -> InMemoryRun:
    """Settle what is asked in drawn order; what failed settles again, answered like any other in a share `again`.

    The failures are those of `run.answer`; an answer to a request that failed is its id.
    """
    first = list(run.job.start(run.items))
    run.requests += first
    waiting = [(request, False) for request in first]
    while waiting:
        request, repeat = waiting.pop(arrival.randrange(len(waiting)))
        completion = run.answer(request)
        if completion is None and repeat and Random(request.custom_id).random() < again:
            completion = Completion(request.custom_id)
        elif completion is None and not repeat:
            waiting.append((request, True))
        asked = [one for one in settle(run, request, completion, repeat=repeat) if isinstance(one, Request)]
        run.requests += asked
        waiting += [(one, False) for one in asked]
    return run
