"""What is common to the searches for a shard's batch: how far a list is read, and which of several is the one."""

from collections.abc import Iterable

from providers.batches.wire import BatchView, Finding, Looked, Phase


def ends_before(moment: float, first: float | None, last: float | None) -> bool:
    """Whether a page, whose first and last item are of these times, ends with what is older than `moment`.

    That goes for lists that have their newest first; of others it is never said.
    """
    return first is not None and last is not None and first >= last and last < moment


def finding_of(views: Iterable[BatchView]) -> Finding:
    """What a search has found; of batches that say the same time the one with the lesser id is taken as older.

    Of several the first counts that can run on, else the first that can have run, else the last: a batch that a full
    queue refused was created again under the same key. The others that can run on are one too many.
    """
    mine = sorted(views, key=lambda view: (view.created_at or 0.0, view.id))
    if not mine:
        return Finding(Looked.NOT_FOUND)
    live = [view for view in mine if view.phase is not Phase.REFUSED]
    going = [view for view in live if "cancel" not in view.status.lower()]
    return Finding(Looked.FOUND, (going or live or mine[-1:])[0], tuple(view.id for view in going[1:]))
