"""The sections of a report, in the order in which they are read."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from outputs.figures.against import against_section
from outputs.figures.captions import captions_section
from outputs.figures.failures import failures_section
from outputs.figures.identity import identity_section
from outputs.figures.judged import judged_section
from outputs.figures.money import money_section
from outputs.figures.opening import opening_section
from outputs.figures.parts import Analysis, Section
from outputs.figures.provenance import origin
from outputs.figures.similarity import similarity_section

SECTIONS: Sequence[Callable[[Analysis], Section | None]] = (
    opening_section,
    judged_section,
    similarity_section,
    identity_section,
    against_section,
    captions_section,
    money_section,
    failures_section,
)


def sections_of(found: Analysis) -> list[Section]:
    """What there is to show of an analysis; sections that the runs have nothing of are left out.

    Where something was made elsewhere, each section says so.
    """
    imported = any(origin(run) == "imported" for run in found.runs)
    made = (make(found) for make in SECTIONS)
    return [replace(section, imported=imported) for section in made if section is not None]
