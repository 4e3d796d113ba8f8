"""The records between the engine and the batch clients, and what a client is.

A batch holds one shard of a lane's rows. Each of its lines has an id of ours, `KEY-SEQ`: the batch's key, which no
other batch has anywhere, and the seq of the row's request. So a batch whose creation was never answered can be
recognised, and a line that is not ours is known as such.
"""

import math
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import msgspec

from providers.wire import Failure, HttpCall, Usage

KEY_NAME = "overnight"  # under which a batch's key stands in the metadata of APIs that have some


class Phase(StrEnum):
    """What can be done with a batch."""

    RUNNING = "running"  # accepted; nothing can be read yet
    ENDED = "ended"  # finished, expired or cancelled: what it has made can be read
    REFUSED = "refused"  # it never ran, and costs nothing; `problem` says why


class Counts(msgspec.Struct, frozen=True):
    """Lines of a batch: `completed` were answered, `failed` were not (errors, expired and cancelled ones)."""

    total: int = 0
    completed: int = 0
    failed: int = 0


class BatchView(msgspec.Struct, frozen=True):
    """A batch as its provider shows it. Times in seconds since 1970 UTC.

    `status` is the provider's own word. `counts` is None where nothing was counted, or not yet; all of them 0 where it
    ended before anything ran. `results` are what `download` wants to know of where its results lie.
    `usage` is what all its lines used together, where the provider says so. `bad_lines`: why single lines (from 1) were
    refused before the batch ran. `queue_full`: it was refused for what else is in the account's queue, not for itself.
    """

    id: str
    phase: Phase
    status: str
    counts: Counts | None = None
    created_at: float | None = None
    expires_at: float | None = None
    results: tuple[str, ...] = ()
    usage: Usage | None = None
    problem: Failure | None = None
    queue_full: bool = False
    bad_lines: dict[int, str] = {}
    simulated: bool = False  # its server said that it is a simulator


class Shard(msgspec.Struct, frozen=True):
    """What is submitted: the lines in `path` (as `BatchClient.line` made them, one a line), and how to know it again.

    `group` is that of all its lines. `file` is what `upload` gave, where the API wants a file first. `since`: no batch
    of it can be older, `until`: none was asked for later (seconds since 1970 UTC). `known` are the ids of batches that
    are known to be of other shards.
    """

    key: str
    path: Path
    rows: int
    group: str
    model: str
    since: float
    file: str | None = None
    known: tuple[str, ...] = ()
    until: float = math.inf


class Looked(StrEnum):
    """What a search for a batch found."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    PERHAPS = "perhaps"  # one that may be it, which only shows once it has ended


class Finding(msgspec.Struct, frozen=True):
    """What `find` found. `batch` where it was found; `others` are more batches of the same shard, to be cancelled."""

    looked: Looked
    batch: BatchView | None = None
    others: tuple[str, ...] = ()


class Result(msgspec.Struct, frozen=True):
    """One line of results.

    `id` is our id of the line; None where it cannot be read. With `ran` the row had its turn: `status` and `body` are
    what a call would have brought. Without it the batch ended before: nothing was billed, and `status` and `body` say
    what there is to say. `torn`: the line is not whole, or is none; `body` is what there is of it.
    """

    id: str | None
    status: int = 200
    body: bytes = b""
    request_id: str | None = None
    ran: bool = True
    torn: bool = False


class BatchCallError(Exception):
    """A call to a batch API got no usable answer; `failure.billing` is `maybe` where it may have taken effect."""

    def __init__(self, failure: Failure, *, queue_full: bool = False) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.queue_full = queue_full


class HttpSeam(Protocol):
    """HTTP as the clients see it. Raises BatchCallError where no whole answer came."""

    async def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send, and read the whole answer."""

    async def download(self, url: str, headers: Mapping[str, str], path: Path) -> tuple[int, Mapping[str, str], bytes]:
        """Get into a file, where the status is 200 (the bytes are then empty); else read the answer."""


class BatchClient(Protocol):
    """A provider's batch API, for the rows of one lane. All calls raise BatchCallError."""

    uploads: bool  # whether a shard goes up as a file before its batch is created

    def line(self, id_: str, url: str, call: HttpCall) -> tuple[str, bytes]:
        """(group, line without its line break) of a row: `url` is its path in the manifest, `call` what would be sent
        online. Rows of different groups cannot be in one batch."""

    async def upload(self, shard: Shard) -> str:
        """Upload the shard's file; returns its id."""

    async def find_upload(self, shard: Shard) -> str | None:
        """The id of a file that was uploaded for this shard, or None."""

    async def create(self, shard: Shard) -> BatchView:
        """Have the shard answered."""

    async def find(self, shard: Shard) -> Finding:
        """Look for a batch of the shard whose creation was never answered. Repeat it while it says `perhaps`."""

    async def poll(self, batch_id: str) -> BatchView:
        """How a batch stands."""

    async def download(self, batch: BatchView, path: Path) -> None:
        """Put all results of an ended batch into `path`, answers before failures, each as the provider wrote it."""

    def results(self, path: Path) -> Iterator[Result]:
        """Read what `download` has written, line by line, in its order. Never raises for what is in it."""

    async def cancel(self, batch_id: str) -> None:
        """Ask for the end of a batch: what it has answered by then can still be read. An ended one is left as it is."""

    async def close(self) -> None:
        """Close all connections."""
