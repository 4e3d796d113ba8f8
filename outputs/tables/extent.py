"""How far the log of a run reached at one moment: of a run that is alive, all tables then tell of the same lines."""

from pathlib import Path

from outputs.journal import Log

# What follows from a line of another file comes first, so that its cause is there too: a settlement's attempt and
# request, a request's item.
_ORDER = (Log.RESPONSES, Log.ERRORS, Log.EVENTS, Log.ATTEMPTS, Log.REQUESTS, Log.ITEMS)


def extent(folder: Path) -> dict[Log, tuple[int, int]]:
    """Size (bytes) and time of the last change (nanoseconds since 1970) of each log file; zeros where it is missing."""
    return {log: _look(folder / log.file_name) for log in _ORDER}


def _look(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
