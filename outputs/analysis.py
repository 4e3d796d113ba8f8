"""`overnight analyze`: a run folder becomes tables, a page for the terminal and a document for programs.

Everything is computed from the folder alone: the raw answers, the items, and the prompts as they were recorded, so that
an old run is read again without a call.
"""

from pathlib import Path

import msgspec

from outputs.answers import is_simulated
from outputs.captions_run import report_captions
from outputs.identity_run import report_identity
from outputs.judged_run import NAMES, report_judged
from outputs.metric_names import METRICS
from outputs.report import Report
from outputs.run_record import read_run_record
from prompts.input_error import InputError

IDENTITY = "ice"


def analyze_run(folder: Path, include_sampled: bool = False) -> Report:
    """Read a run folder and compute its tables. Raises InputError for a folder or a job that it cannot read.

    `include_sampled` takes scores without an expectation into the correlations of captions too.
    """
    run = read_run_record(folder)
    run = msgspec.structs.replace(run, simulated=is_simulated(folder, run))
    if run.job in METRICS:
        return report_captions(run, folder, include_sampled)
    if run.job == IDENTITY:
        return report_identity(run, folder)
    if run.job in NAMES:
        return report_judged(run, folder)
    known = ", ".join(sorted({*METRICS, *NAMES, IDENTITY}))
    raise InputError(f"analyze reads the runs of these jobs: {known}; this run's job is {run.job!r}", file=folder)
