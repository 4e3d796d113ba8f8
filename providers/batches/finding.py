"""What is common to the searches for a shard's batch: how far a list is read, and which of several is the one."""

from collections.abc import Iterable

from providers.batches.wire import BatchView, Finding, Looked, Phase


def ends_before(moment: float, first: float | None, last: float | None) -> bool:
    """Whether a page, whose first and last item are of these times, ends with what is older than `moment`.

    That goes for lists that have their newest first; of others it is never said.
    """
    return first is not None and last is not None and first >= last and last < moment


def finding_of(views: Iterable[BatchView]) -> Finding:
    """What a search has found; of batches that say the same time, or none, those that come first are taken as older.

    Of several the first that can have run counts, else the last: a batch that a full queue refused was created again
    under the same key. The others that can have run are one too many, unless they were cancelled before.
    """
    mine = sorted(views, key=lambda view: view.created_at or 0.0)
    if not mine:
        return Finding(Looked.NOT_FOUND)
    live = [view for view in mine if view.phase is not Phase.REFUSED]
    others = tuple(view.id for view in live[1:] if "cancel" not in view.status.lower())
    return Finding(Looked.FOUND, live[0] if live else mine[-1], others)
