"""How alike the models' answers are without a judge: who answers like whom, and like the reference."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from outputs.analysis import SECTIONS
from outputs.figures.boards import told_apart
from outputs.figures.parts import Analysis, Part, Section
from outputs.figures.similarity_group import Group, groups_of
from outputs.figures.similarity_map import clusters_part, map_parts
from outputs.figures.similarity_tables import (
    answers_part,
    diversity_part,
    follows_part,
    form_part,
    reference_part,
)

KEY = "similarity"
_MAKERS: Sequence[Callable[[Group], Part | None]] = (
    clusters_part,
    reference_part,
    follows_part,
    diversity_part,
    answers_part,
    form_part,
)


def similarity_section(found: Analysis) -> Section | None:
    """Of runs whose models answer prompts. None where no run has an answer to compare."""
    if KEY not in found.report.document:
        return None
    jobs = next(jobs for name, jobs, _ in SECTIONS if name == KEY)
    groups = found.section(KEY).get("groups", ())
    notes = [f"{_of(group, groups)}{note}" for group in groups for note in group.get("notes", ())]
    simulated = any(run.record.simulated for run in found.runs if run.record.job in jobs)
    return Section(KEY, "Answers compared without a judge", told_apart(_parts(found)), notes, simulated)


def _of(group: Mapping[str, Any], groups: Sequence[Mapping[str, Any]]) -> str:
    """Which runs a note is of, where there are several groups."""
    return f"{', '.join(group['runs'])}: " if len(groups) > 1 else ""


def _parts(found: Analysis) -> Iterator[Part]:
    """Group by group of runs that share prompts."""
    for group in groups_of(found):
        yield from map_parts(group)
        made = (make(group) for make in _MAKERS)
        yield from (part for part in made if part is not None)
