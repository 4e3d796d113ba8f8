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

SENT = ".sent.jsonl"
FOLDER = "batches"  # of a run folder: what was sent, while it is under way, and what came back


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`put_up` is handed a row that wants to be sent again, by whichever way; `send_online` one that is to go online.

    `trickles` says whether calls are under way whose answers may bring more rows; `changed` is called whenever
    something came to rest. `deadline` and `rebuys` say what the user asked for.
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

    def sent_path(self, key: str) -> Path:
        """The file of a batch's lines as they are sent."""
        return self.folder / f"{key}{SENT}"

    def results_path(self, key: str) -> Path:
        """The file of what came back, as it came."""
        return self.folder / f"{key}.results.jsonl"
