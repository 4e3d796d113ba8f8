"""At a resume: whether what is left can still be said to its providers, whose catalog entries may have changed."""

from pathlib import Path

from orchestrator.requests_file import RequestsFile
from outputs.fold import RunState
from outputs.records import RequestLine
from prompts.input_error import InputError
from providers.adapters import check_encode
from providers.catalog import Catalog
from providers.media.inlining import with_stand_ins
from providers.media.references import find_references


def require_sayable(folder: Path, state: RunState, catalog: Catalog) -> None:
    """Raise InputError for the first open row that its provider has no words for. Reads translated rows only."""
    translated = [lane.open and catalog.provider(lane.provider).protocol != "openai" for lane in state.lanes]
    if not any(translated):
        return
    requests = RequestsFile(folder, state)
    try:
        for row in range(len(state)):
            if translated[state.lane_of[row]] and state.is_open(row):
                lane = state.lanes[state.lane_of[row]]
                _check(requests.read(row), lane.provider, lane.model, catalog)
    finally:
        requests.close()


def _check(request: RequestLine, provider: str, model: str, catalog: Catalog) -> None:
    body = bytes(request.body)
    if request.media is not None:
        body = with_stand_ins(body, find_references(body))
    try:
        check_encode(catalog.provider(provider), model, request.url, body)
    except InputError as error:
        custom_id = bytes(request.custom_id).decode().strip('"')
        raise InputError(error.message, field=f"{custom_id}: {error.field}") from None
