"""The engine and the command line: run folders, lanes, limits, retries, progress.

The public names are imported when they are first used, so that asking for help stays quick.
"""

import importlib
import importlib.util
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.api import plan, responses, run
    from orchestrator.estimates.planning import Plan
    from orchestrator.opening import Options
    from orchestrator.session import Result
    from orchestrator.status import Status, read_status
    from outputs.records import ResponseLine
    from prompts.input_error import InputError

_HOMES = {
    "InputError": "prompts.input_error",
    "Options": "orchestrator.opening",
    "Plan": "orchestrator.estimates.planning",
    "ResponseLine": "outputs.records",
    "Result": "orchestrator.session",
    "Status": "orchestrator.status",
    "plan": "orchestrator.api",
    "read_status": "orchestrator.status",
    "responses": "orchestrator.api",
    "run": "orchestrator.api",
}

__all__ = [
    "InputError",
    "Options",
    "Plan",
    "ResponseLine",
    "Result",
    "Status",
    "plan",
    "read_status",
    "responses",
    "run",
]


def _check_siblings() -> None:
    """Raise ImportError where another folder of the same name stands before one of the packages beside this one."""
    # os.path, for this runs with every import of the package, and pathlib would be loaded for it alone
    ours = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120
    for name in ("jobs", "outputs", "providers", "prompts"):
        spec = importlib.util.find_spec(name)
        found = [] if spec is None else [os.path.realpath(place) for place in spec.submodule_search_locations or ()]
        if found != [os.path.join(ours, name)]:  # noqa: PTH118
            what = f"finds {found[0]} first" if found else "does not find it"
            raise ImportError(
                f"overnight needs its own package {name!r} and Python {what}: start Python in another folder, "
                "or rename that one",
                name=name,
            )


_check_siblings()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
