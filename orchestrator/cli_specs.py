"""The commands that start from specs: which kinds of job there are, and what a spec asks first."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli_options import Config, Fields, First, Json, Languages, MediaRootOption, Prompts
from orchestrator.cli_steering import print_json


def jobs(
    kind: Annotated[
        str | None, typer.Argument(help="A kind of job, to see its annotated spec.", metavar="KIND")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Write the spec, and the data that it reads, there.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the kinds of job that a spec can name; with KIND, print an annotated spec to start from.

    Example: overnight jobs gveval --to first && overnight run first/gveval_ref_only.toml
    """
    from orchestrator.job_kinds import example_text, list_kinds, show_kinds, write_example

    if kind is None:
        if to is not None:
            raise typer.BadParameter("say which kind to write", param_hint="--to")
        print_json(list_kinds()) if as_json else show_kinds(list_kinds())
    elif to is None:
        text = example_text(kind)
        print_json({"job": kind, "spec": text}) if as_json else typer.echo(text, nl=False)
    else:
        spec = write_example(kind, to)
        print_json({"job": kind, "path": str(spec)}) if as_json else typer.echo(f"written; next: overnight run {spec}")


def build(
    spec: Annotated[Path, typer.Argument(help="A job spec (.toml).", metavar="SPEC")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; standard output by default.")] = None,
    config: Config = None,
    media_root: MediaRootOption = None,
    prompts: Prompts = None,
    first: First = None,
    fields: Fields = None,
    languages: Languages = None,
) -> None:
    """Write what a spec asks first as a plain manifest, which `overnight run` or a batch service takes. Sends nothing.

    Example: overnight build spec.toml -o manifest.jsonl
    """
    from orchestrator.asking import options_of
    from orchestrator.building import build as build_manifest
    from orchestrator.building import write_built

    options = options_of(
        config=config, media_root=media_root, prompts=prompts, first=first, fields=fields, languages=languages
    )
    built = build_manifest(spec, options)
    if output is None:
        sys.stdout.buffer.writelines(built.lines())
    else:
        write_built(built, output)
        typer.echo(f"{built.rows:,} requests written to {output}", err=True)
    for remark in built.remarks():
        typer.echo(f"overnight: {remark}", err=True)
