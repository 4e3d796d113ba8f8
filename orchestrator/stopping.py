"""Stopping a run that no process works on: it has stopped, but its batches may go on at their providers."""

from pathlib import Path

from orchestrator.batch_status import at_the_provider
from orchestrator.folder_lock import live_pid
from outputs.fold import fold
from prompts.input_error import InputError


def nobody_to_stop(folder: Path, cancel_batches: bool) -> bool:
    """Whether a session of its own is needed to cancel the batches; False where a process works on the run.

    Raises InputError where there is nobody and nothing to stop, and where what goes on is not to be cancelled.
    """
    if live_pid(folder) is not None:
        return False
    open_batches = fold(folder).batches.open
    going = sum(map(at_the_provider, open_batches))
    if cancel_batches and open_batches:
        return True
    if not going:
        raise InputError(f"no process works on it{', and no batch is open' if cancel_batches else ''}", file=folder)
    what = "1 batch goes" if going == 1 else f"{going:,} batches go"
    raise InputError(
        f"no process works on it, but {what} on at the provider: `overnight run {folder}` fetches what comes, "
        f"`overnight stop {folder} --cancel-batches` cancels",
        file=folder,
    )
