"""Which caps hold for a run, and whether they can: every price under them must be known."""

from collections.abc import Collection, Iterable
from pathlib import Path

from jobs.spec import LoadedSpec
from orchestrator.budget import Caps
from orchestrator.checking import PriceCheck
from orchestrator.requests_file import RequestsFile
from orchestrator.sources import recorded_spec
from outputs.fold import RunState
from outputs.records import RequestLine
from outputs.run_record import RunRecord
from prompts.input_error import InputError
from providers.catalog import Catalog


def caps_in_force(
    record: RunRecord | None, state: RunState | None, providers: Collection[str], asked: LoadedSpec | None = None
) -> Caps:
    """The caps that the log has last, else those that the run was made with.

    A spec that is `asked` for now counts where it is new, or where its `[budget]` was edited since.
    """
    recorded = None if record is None else recorded_spec(record, providers)
    if asked is not None and (recorded is None or recorded.budget != asked.budget):
        return Caps.from_spec(asked.budget)
    if state is not None and state.budget is not None:
        return Caps.from_record(state.budget)
    if record is not None and record.budget is not None:
        return Caps.from_record(record.budget)
    return Caps() if recorded is None else Caps.from_spec(recorded.budget)


def idle_caps(caps: Caps, lanes: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Warnings of caps that none of the lanes, (provider, model) each, is under."""
    return tuple(
        f"budget: no request goes to {scope}, so its cap will never bite" for scope in caps.without_lane(lanes)
    )


def require_prices(folder: Path, state: RunState, catalog: Catalog, caps: Caps) -> None:
    """Raise InputError where an open row of a lane under a cap has no known price, or nothing bounds it."""
    checks = [PriceCheck.of(lane.provider, lane.model, catalog, caps) if lane.open else None for lane in state.lanes]
    if not any(check is not None and check.needs_bodies for check in checks):
        return
    requests = RequestsFile(folder, state)
    try:
        for row in range(len(state)):
            check = checks[state.lane_of[row]]
            if check is not None and check.needs_bodies and state.is_open(row):
                _check(check, requests.read(row))
    finally:
        requests.close()


def _check(check: PriceCheck, request: RequestLine) -> None:
    try:
        check.check(request.url, bytes(request.body))
    except InputError as error:
        custom_id = bytes(request.custom_id).decode().strip('"')
        raise InputError(error.message, field=f"{custom_id}: {error.field}") from None
