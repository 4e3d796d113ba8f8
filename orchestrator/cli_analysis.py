"""The commands of the analysis stage: tables, statistics and comparisons of run folders. They call nobody."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli_options import Json
from outputs.analysis_options import EMBEDDINGS, KNOWN_EMBEDDINGS, MOST_RESAMPLES, RESAMPLES, TEXTS, Options

Runs = Annotated[list[Path], typer.Argument(help="Run folders, finished or alive.", metavar="RUN...")]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Where the tables go; by default into the run folder, for several `analysis`."),
]
Resamples = Annotated[int, typer.Option("--resamples", min=100, max=MOST_RESAMPLES, help="Of every interval.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of every random draw.")]
IncludeSampled = Annotated[bool, typer.Option("--include-sampled", help="Also take scores that have no expectation.")]
Protocols = Annotated[
    list[str] | None,
    typer.Option("--protocol", help="How ratings meet scores: ratings, averaged, per-annotator; may be repeated."),
]
Misleading = Annotated[
    list[str] | None, typer.Option("--misleading", help="Word that makes a template of ICE misleading; repeatable.")
]
Pairs = Annotated[
    list[str] | None, typer.Option("--pair", metavar="BASE,INSTRUCT", help="Two targets of ICE to compare.")
]
Texts = Annotated[
    int,
    typer.Option("--texts", min=0, help="Prompts per dataset whose answers are compared; 0: none."),
]
Embeddings = Annotated[str, typer.Option("--embeddings", help="How answers are embedded: tfidf, minilm (extra), none.")]


def analyze(
    runs: Runs,
    include_sampled: IncludeSampled = False,
    resamples: Resamples = RESAMPLES,
    seed: Seed = 0,
    protocol: Protocols = None,
    misleading: Misleading = None,
    pair: Pairs = None,
    texts: Texts = TEXTS,
    embeddings: Embeddings = EMBEDDINGS,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Compute tables, statistics and intervals of runs from their raw answers: on the terminal, as parquet and as CSV.

    Example: overnight analyze runs/rse runs/ice --pair lab/qwen-base,lab/qwen-instruct
    """
    from orchestrator.analyzing import analyze_command

    options = options_of_analysis(
        include_sampled=include_sampled,
        resamples=resamples,
        seed=seed,
        protocol=protocol,
        misleading=misleading,
        pair=pair,
        texts=texts,
        embeddings=embeddings,
    )
    analyze_command(runs, options, out=out, as_json=as_json)


def compare(
    first: Annotated[Path, typer.Argument(help="A run folder.", metavar="RUN_A")],
    second: Annotated[Path, typer.Argument(help="Another one, of the same questions.", metavar="RUN_B")],
    resamples: Resamples = RESAMPLES,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the tables there, too.")] = None,
    as_json: Json = False,
) -> None:
    """Say what changed between two runs: the share of answers with another text, and how scores moved.

    Example: overnight compare runs/monday runs/tuesday
    """
    from orchestrator.analyzing import compare_command

    compare_command(first, second, Options(resamples=resamples, seed=seed), out=out, as_json=as_json)


def tables(
    runs: Runs,
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="TABLE", help="List the columns of this table: types, units, meanings."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Make them here, in a folder for each run; by default in RUN/tables."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make the tables of runs as parquet files, where the log has grown since, and list them.

    Example: overnight tables runs/rse --columns scores
    """
    from orchestrator.tabulating import tables_command

    tables_command(runs, columns=columns, out=out, as_json=as_json)


def options_of_analysis(
    *,
    include_sampled: bool,
    resamples: int,
    seed: int,
    protocol: list[str] | None,
    misleading: list[str] | None,
    pair: list[str] | None,
    texts: int,
    embeddings: str,
) -> Options:
    """What was chosen on the command line. Raises BadParameter."""
    if embeddings not in KNOWN_EMBEDDINGS:
        raise typer.BadParameter(f"is one of {', '.join(KNOWN_EMBEDDINGS)}", param_hint="--embeddings")
    return Options(
        resamples=resamples,
        seed=seed,
        include_sampled=include_sampled,
        protocols=tuple(protocol or ()),
        misleading=tuple(misleading) if misleading else None,
        pairs=tuple(_pair(text) for text in pair or ()),
        texts=texts,
        embeddings=embeddings,
    )


def _pair(text: str) -> tuple[str, str]:
    base, comma, instruct = text.partition(",")
    if not (comma and base.strip() and instruct.strip()) or "," in instruct:
        raise typer.BadParameter(f"{text!r} is not BASE,INSTRUCT", param_hint="--pair")
    return base.strip(), instruct.strip()
