"""What a run folder that was imported cannot do: its requests are not known as they were sent, so nothing is sent."""

from pathlib import Path

from outputs.run_record import RunRecord
from prompts.input_error import InputError

IMPORT = "import"  # the kind of source that its record names


def refuse_imported(record: RunRecord, folder: Path) -> None:
    """Raise InputError for a run that was imported without what was asked."""
    if record.source.kind != IMPORT:
        return
    first, _, others = record.source.name.partition(", ")
    files = f"{first} and others" if others else first
    what = f"imported from {files}, without the requests as they were sent: there is nothing to send"
    batch = (
        " (a batch can be imported with the --manifest that was sent, and goes on)" if record.job == "manifest" else ""
    )
    raise InputError(what + batch, file=folder)
