"""Run folders become what the tables and charts of a report are made of."""

from collections.abc import Sequence
from pathlib import Path

from outputs.analysis import analyze_loaded
from outputs.analysis_options import Options
from outputs.browsing.making import rows_meanwhile
from outputs.figures.parts import Analysis
from outputs.tables.several import load_runs


def analysis_of(folders: Sequence[Path], options: Options | None = None, out: Path | None = None) -> Analysis:
    """Read run folders and compute what they come to; as `outputs.analysis.analyze_runs`, which raises the same."""
    options = Options() if options is None else options
    runs = load_runs(folders, out)
    with rows_meanwhile(runs):
        return Analysis(runs, analyze_loaded(runs, options), options)
