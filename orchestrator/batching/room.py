"""How much room is left in a provider's queue of batches, as far as the catalog says."""

from collections.abc import Iterable

from orchestrator.batching.following import Follower
from outputs.batches import Step
from providers.provider import BatchApi

UNSUBMITTED = frozenset({Step.BEGUN, Step.UPLOADING, Step.UPLOADED, Step.CREATING})
_BYTES_A_TOKEN = 3  # of a request's line, at least, for all but pictures


def room_bytes(api: BatchApi, followers: Iterable[Follower]) -> int:
    """How many bytes the next shard may have, by its own limit and by the tokens that are queued already."""
    if api.queued_tokens is None:
        return api.max_bytes
    queued = sum(follower.batch.told.bytes or 0 for follower in followers if not follower.batch.over)
    return min(api.max_bytes, api.queued_tokens * _BYTES_A_TOKEN - queued)


def takes_room(follower: Follower) -> bool:
    """Whether a batch is in the provider's queue, or about to be."""
    return follower.in_queue or (follower.batch.step in UNSUBMITTED and not follower.note)
