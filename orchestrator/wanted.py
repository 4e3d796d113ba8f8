"""What a run is made from, given again: whether the user wants what has changed in it since."""

from pathlib import Path

from orchestrator.reconcile import Difference
from orchestrator.sources import Asked
from outputs.fold import RunState
from outputs.run_record import RunRecord
from prompts.input_error import InputError


def record_is_behind(record: RunRecord, state: RunState, asked: Asked) -> bool:
    """Whether `run.json` does not say what is asked for now: a kill came before it did, or only `--first` differs."""
    if asked.first != record.first:
        return True
    if state.sha256 != asked.source.sha256:
        return False
    if asked.spec is None:
        return any(lane.provider not in record.catalog for lane in state.lanes)
    return asked.spec.text != record.spec_text or asked.prompts != record.prompts


def refuse_unwanted(difference: Difference, record: RunRecord, asked: Asked, folder: Path) -> None:
    """Raise InputError for a change that wants a word of the user's.

    A larger part of the same source only adds to the run, and an edited manifest is welcome; another manifest, a
    changed spec and a smaller part are not.
    """
    if _is_smaller(asked.first, record.first) and difference.withdrawn:
        what = f"--first {asked.first} asks for less than this run does ({difference})"
    elif asked.spec is None:
        what = _other_manifest(difference, record, asked)
    else:
        what = _other_spec(difference, record, asked)
    if what:
        raise InputError(f"{what}; give another --out, or --accept-changes", file=folder)


def _is_smaller(now: int | None, before: int | None) -> bool:
    return now is not None and (before is None or now < before)


def _other_manifest(difference: Difference, record: RunRecord, asked: Asked) -> str:
    if difference.unchanged:
        return ""
    if difference.changed:
        return f"nothing that this run asked for is in {asked.path.name} as it was ({difference})"
    return f"made from another manifest ({record.source.name}): not one of its rows is in {asked.path.name}"


def _other_spec(difference: Difference, record: RunRecord, asked: Asked) -> str:
    assert asked.spec is not None
    changed = [f"the prompt {new.name}" for new in asked.prompts if new not in record.prompts]
    if asked.spec.text != record.spec_text:
        changed.append("the spec")
    if not changed and _is_smaller(record.first, asked.first):
        if not difference.withdrawn and not difference.changed:
            return ""
        return f"the dataset changed, or more of it changes what is asked about its beginning ({difference})"
    what = " and ".join(changed) or "the dataset"
    return f"{what} changed since this run was made ({difference})"
