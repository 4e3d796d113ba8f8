"""The environment of a child process that runs this program's own modules, wherever it was started."""

import os
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def child_environment() -> dict[str, str]:
    """This process's, in which Python looks for modules first where this program's own are."""
    paths = filter(None, (str(_ROOT), os.environ.get("PYTHONPATH")))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
