"""The commands for looking at runs: the report, and the page on which a run is watched."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli_analysis import (
    Embeddings,
    IncludeSampled,
    Misleading,
    Pairs,
    Protocols,
    Resamples,
    Runs,
    Seed,
    Texts,
    options_of_analysis,
)
from orchestrator.cli_options import Json
from outputs.analysis_options import EMBEDDINGS, RESAMPLES, TEXTS


def report(
    runs: Runs,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file; by default RUN/report.html, for several ./report.html."),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option("--figures", metavar="DIR", help="Write each figure there too, for a paper: SVG, PDF, PNG, CSV."),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option("--check", metavar="FILE", help="Compute the numbers of this report anew, and compare."),
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", min=0, help="How many rows it carries along, at most; 600 by default.")
    ] = None,
    resamples: Resamples = RESAMPLES,
    seed: Seed = 0,
    include_sampled: IncludeSampled = False,
    protocol: Protocols = None,
    misleading: Misleading = None,
    pair: Pairs = None,
    texts: Texts = TEXTS,
    embeddings: Embeddings = EMBEDDINGS,
    as_json: Json = False,
) -> None:
    """Make one file of runs that opens offline: what was asked, what it cost, tables, figures, and rows.

    With --check, exit code 3 where a table or a figure of the file is not what the logs come to.

    Example: overnight report runs/rse runs/ice -o report.html --figures paper

    Is it still so: overnight report --check report.html runs/rse runs/ice
    """
    from orchestrator.reporting import check_command, refuse_with_check, report_command

    if check is not None:
        refuse_with_check({"-o": output, "--figures": figures, "--rows": rows})
        raise typer.Exit(check_command(check, runs, as_json=as_json))
    options = options_of_analysis(
        resamples=resamples,
        seed=seed,
        include_sampled=include_sampled,
        protocol=protocol,
        misleading=misleading,
        pair=pair,
        texts=texts,
        embeddings=embeddings,
    )
    report_command(runs, options, output=output, figures=figures, rows=rows, as_json=as_json)


def view(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Run folders, or folders of them; by default those below runs/.", metavar="[RUN...]"),
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="On loopback; 0 takes a free one.")] = 0,
    open_: Annotated[
        bool | None,
        typer.Option("--open/--no-open", help="Open it in the browser; by default where a terminal is there."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Serve pages on loopback on which runs are watched, steered and read row by row, until Ctrl-C.

    The address has a token: who has it may look and steer. OVERNIGHT_VIEW_TOKEN sets it, so that links last.

    Example: overnight view runs/first
    """
    from orchestrator.viewing.freed_memory import load_polars_frugally

    load_polars_frugally()
    from orchestrator.viewing.serving import view_command

    view_command(runs or [], port=port, opens=open_, as_json=as_json)
