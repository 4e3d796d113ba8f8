"""What numbers can be at least and at most, and what is said and drawn where an interval goes further.

An interval of a mean is never cut: the table has what the method gives, and so has the chart.
"""

import math
from collections.abc import Iterable, Sequence
from typing import TypeGuard

from outputs.judged.gathering import prompt_labels
from outputs.report import numbered
from outputs.tables.loading import LoadedRun
from outputs.tables.score_reading import readers_of

Scale = tuple[float, float]
Ends = tuple[float | None, float | None]  # of an interval
IN_TABLE = "in the table"  # of a figure that draws none of them
_NEAR = 1e-9  # of the scale's length: a sum's last digits


def prompt_scales(runs: Sequence[LoadedRun]) -> dict[str, Scale]:
    """The scale of each prompt, by what tables call it; none of a prompt that was not recorded."""
    found = {}
    for run, called in zip(runs, prompt_labels(runs), strict=True):
        readers = readers_of(run.record, run.folder)
        for prompt in run.record.prompts:
            name = f"{prompt.name}@{prompt.version}"
            scale = readers[prompt.sha256].form.scale if prompt.sha256 in readers else None
            if scale is not None:
                found[called.get(name, name)] = (float(scale[0]), float(scale[1]))
    return found


def passed(intervals: Iterable[Ends], scale: Scale | None) -> list[tuple[bool, bool]]:
    """Of each interval that there is, whether it goes beyond the low and the high end."""
    if scale is None:
        return []
    near = _NEAR * (scale[1] - scale[0])
    return [(low < scale[0] - near, high > scale[1] + near) for low, high in intervals if _known(low) and _known(high)]


def passed_ends(intervals: Iterable[Ends], scale: Scale | None) -> list[float]:
    """The ends that some interval goes beyond: where a chart has a line."""
    found = passed(intervals, scale)
    return [] if scale is None else [end for place, end in enumerate(scale) if any(one[place] for one in found)]


def passing_note(intervals: Iterable[Ends], scale: Scale | None, where: str = "") -> str:
    """A sentence where intervals of means go beyond an end of the scale; empty where none does.

    `where` says in which part of a figure they stand, where that is not all of it.
    """
    many = sum(map(any, passed(intervals, scale)))
    return beyond(many, f"of the scale ({scale[0]:g} to {scale[1]:g})", where) if many and scale else ""


def too(intervals: Iterable[Ends], scale: Scale | None, where: str) -> str:
    """After the sentence of `passing_note`: that others, which stand elsewhere, go beyond an end as well."""
    many = sum(map(any, passed(intervals, scale)))
    return f"{numbered(many, 'interval')} {where} {'does' if many == 1 else 'do'}, too." if many else ""


def beyond(many: int, of: str, where: str = "") -> str:
    """That so many intervals go beyond an end of something."""
    goes = "goes" if many == 1 else "go"
    which = f"{numbered(many, 'interval')} {where}".rstrip()
    return (
        f"{which} {goes} beyond an end {of}, where no mean can be: with few clusters an interval "
        "is Student's, which knows of no ends. It stands as it is computed."
    )


def cut_note(limits: Iterable[float | None], most: float) -> str:
    """A sentence where limits of correlations stand at what these can be, -`most` and `most`; empty where none does."""
    if not any(_known(limit) and abs(limit) >= most for limit in limits):
        return ""
    return f"Intervals end at {-most:g} and {most:g}, beyond which no correlation can be: what went further is cut."


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)
