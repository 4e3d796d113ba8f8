"""Whether rows may travel as the user says: checked before the first call, lane by lane."""

from orchestrator.batching.via import Via
from orchestrator.budget import Caps
from outputs.batches import Batch
from outputs.fold import RunState
from prompts.input_error import InputError
from providers.batches.clients import has_batches
from providers.catalog import Catalog
from providers.prices import price_line, resolve_rates


def via_of(state: RunState | None, said: Via | None) -> Via:
    """How rows travel: as it is said now, else as they did before."""
    if said is not None:
        return said
    before = None if state is None else state.via
    return next((via for via in Via if via.value == before), Via.ONLINE)


def require_open_batchable(state: RunState, catalog: Catalog, caps: Caps, via: Via, *, allow_unpriced: bool) -> None:
    """Raise InputError, as `require_batchable` does, for the lanes of a run that want answers."""
    for lane in state.lanes:
        if lane.open:
            capped = bool(caps.of_lane(lane.provider, lane.model))
            require_batchable(lane.provider, lane.model, catalog, via, capped=capped, allow_unpriced=allow_unpriced)


def require_followable(state: RunState, catalog: Catalog) -> None:
    """Raise InputError where a batch of an earlier session is at a provider whose batch API is known no more."""
    for batch in state.batches.unfinished:
        if not has_batches(catalog.provider(batch.told.provider or "")):
            raise not_followable(batch)


def not_followable(batch: Batch) -> InputError:
    """What to say of a batch whose provider has no batch API in the catalog now."""
    name = batch.told.provider
    what = f"the run has batches at {name}, which has no batch API in the catalog now: put it back"
    return InputError(what, field=f"[providers.{name}.batch]")


def has_batch_price(name: str, model: str, catalog: Catalog, via: Via) -> bool:
    """Whether rows of a lane have a known price should they go by batch."""
    provider = catalog.provider(name)
    goes = via.batches and has_batches(provider)
    return not goes or resolve_rates(provider, model, batch=True) is not None


def require_batchable(name: str, model: str, catalog: Catalog, via: Via, *, capped: bool, allow_unpriced: bool) -> None:
    """Raise InputError where rows of a lane cannot travel so: no batch API, or a price that nobody knows.

    With `auto`, rows of a provider without a batch API go online.
    """
    provider = catalog.provider(name)
    if not via.batches or (via is Via.AUTO and not has_batches(provider)):
        return
    if not has_batches(provider):
        what = f"{name} has no batch API that is spoken here; --via auto sends what no batch can take online"
        raise InputError(what, field="provider")
    if resolve_rates(provider, model) is None or resolve_rates(provider, model, batch=True) is not None:
        return  # that there is no price at all is said elsewhere
    if capped or not allow_unpriced:
        add = f"add batch_input and batch_output to overnight.toml: {price_line(name, model)}"
        what = "no budget can hold for it" if capped else "send it all the same with --allow-unpriced"
        raise InputError(f"the batch price of {name}/{model} is unknown; {add}; {what}", field="body.model")
