"""What the batches of a run share: its log, its rows, and the engine's ears."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.attempts import Attempts
from orchestrator.deadline import Deadline
from orchestrator.requests_file import RequestsFile
from orchestrator.thresholds import Thresholds
from outputs.fold import RunState
from outputs.journal import Journal

SENT, RESULTS = ".sent.jsonl", ".results.jsonl"
PASS = 50  # rows or lines for which the event loop may wait
FLUSH_EVERY = 256  # rows whose lines, some with bodies, may wait in memory to be written
FOLDER = "batches"  # of a run folder: what was sent, while it is under way, and what came back


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`put_up` is handed a row that wants to be sent again, by whichever way; `send_online` one that is to go online.

    `trickles` says whether calls are under way whose answers may bring more rows; `changed` is called whenever
    something came to rest. `deadline` tells the one that the user asked for, as it is now.
    """

    folder: Path  # of the batches' files
    state: RunState
    journal: Journal
    requests: RequestsFile
    attempts: Attempts
    thresholds: Thresholds
    put_up: Callable[[int], None]
    send_online: Callable[[int], None]
    trickles: Callable[[], bool]
    changed: Callable[[], None]
    deadline: Callable[[], Deadline | None]

    async def flush_now_and_then(self, number: int) -> None:
        """Call it after each of many rows with its number, from 1: it waits until what has piled up of the log is on
        disk. Raises WriteFailedError.
        """
        if number % FLUSH_EVERY == 0:
            await self.journal.flush()

    def sent_path(self, key: str) -> Path:
        """The file of a batch's lines as they are sent."""
        return self.folder / f"{key}{SENT}"

    def results_path(self, key: str) -> Path:
        """The file of what came back, as it came."""
        return self.folder / f"{key}{RESULTS}"
