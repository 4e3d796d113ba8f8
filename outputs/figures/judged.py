"""What judges said of the models' answers: means with intervals, by set of prompts and by dimension."""

from collections.abc import Iterator

from outputs.analysis import SECTIONS
from outputs.figures.boards import Board, boards_of, told_apart
from outputs.figures.judged_means import means_parts, one_model_parts
from outputs.figures.judged_profile import aspects_part, differences_part, profile_part
from outputs.figures.judged_rows import JudgedRows
from outputs.figures.judges import judges_parts
from outputs.figures.parts import Analysis, Part, Section

KEY = "judged"


def judged_section(found: Analysis) -> Section | None:
    """RSE, and the general jobs ask and judge. None where no run is of these."""
    if KEY not in found.report.document:
        return None
    jobs = next(jobs for name, jobs, _ in SECTIONS if name == KEY)
    judged = [run for run in found.runs if run.record.job in jobs]
    rows = JudgedRows.of(judged, [run for run in found.runs if run not in judged])
    notes = [str(note) for note in found.section(KEY).get("notes", ())]
    title = "Answers as judges see them"
    simulated = any(run.record.simulated for run in judged)
    return Section(KEY, title, told_apart(_parts(found, rows)), notes, simulated)


def _parts(found: Analysis, rows: JudgedRows) -> Iterator[Part]:
    for board in boards_of(found):
        yield from _of_board(board, rows)
    yield from judges_parts(found, rows)
    aspects = aspects_part(found, rows)
    if aspects is not None:
        yield aspects


def _of_board(board: Board, rows: JudgedRows) -> Iterator[Part]:
    """Models by each dimension they are compared by, their profile, and the pairs."""
    if board.lines == 1:
        yield from one_model_parts(board, rows)
        return
    for dimension in board.headline:
        yield from means_parts(board, dimension, rows)
    if len(board.dimensions) > 1:
        yield profile_part(board, rows)
    differences = differences_part(board, rows)
    if board.first and differences is not None:
        yield differences
