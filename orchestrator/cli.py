"""The command line. Each command reads its arguments and prints; whatever does the work is imported when used."""

import io
import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from orchestrator.cli_analysis import analyze, compare, tables
from orchestrator.cli_import import import_
from orchestrator.cli_local import demo_local, serve_local, simulate
from orchestrator.cli_options import (
    Accept,
    AllowRebuy,
    AllowUnpriced,
    BudgetOption,
    Concurrency,
    Config,
    DecodeMedia,
    Dedupe,
    Fields,
    First,
    For,
    Json,
    Languages,
    MediaRootOption,
    OnStop,
    Out,
    Prompts,
    Quiet,
    Run,
    Simulate,
    Source,
    Threshold,
    Until,
    ViaOption,
)
from orchestrator.cli_providers import check, prices, providers
from orchestrator.cli_specs import build, jobs
from orchestrator.cli_steering import pause, print_json, set_, stop, unpause
from orchestrator.cli_viewing import report, view


class _Commands(TyperGroup):
    """Ends a command where typer would: Ctrl-C is 130, not 1, and a reader that leaves (`| head`) is no error."""

    def invoke(self, ctx: Any) -> Any:
        try:
            done = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt:
            _fail("interrupted", 130)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed to nowhere
            raise SystemExit(0) from None
        return done


app = typer.Typer(
    name="overnight",
    cls=_Commands,
    help="Run large evaluations of language models from JSONL manifests: resumable, journaled, rate-limited.",
    epilog="Start with: overnight demo, or: overnight run manifest.jsonl --simulate",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """The command `overnight`: every error that the user can mend is one line and exit code 2."""
    from prompts.input_error import InputError

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without a character shows its number
    try:
        app(prog_name="overnight")
    except InputError as error:
        _fail(str(error), 2)
    except OSError as error:
        from outputs.disk import FULL

        if error.errno not in FULL:
            raise
        _fail(f"the disk is full: {error}", 8)


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"overnight: {message}", err=True)
    raise SystemExit(code) from None


@app.command()
def run(
    source: Source,
    out: Out = None,
    concurrency: Concurrency = 64,
    config: Config = None,
    simulate: Simulate = False,
    accept_changes: Accept = False,
    budget: BudgetOption = None,
    until: Until = None,
    for_: For = None,
    via: ViaOption = None,
    allow_rebuy: AllowRebuy = False,
    dedupe: Dedupe = None,
    media_root: MediaRootOption = None,
    prompts: Prompts = None,
    first: First = None,
    fields: Fields = None,
    languages: Languages = None,
    allow_unpriced: AllowUnpriced = False,
    threshold: Threshold = None,
    on_stop: OnStop = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Send what SOURCE asks for and write the run folder; the same again resumes.

    Ctrl-C drains: calls in flight are awaited. A second Ctrl-C stops at once.

    Exit codes: 0 all answered, 2 bad input and nothing sent, 3 finished with failed rows, 4 budget, 5 deadline,
    6 a provider refused, 7 no progress, 8 cannot write, 130 interrupted.

    Example: overnight run manifest.jsonl --out runs/first --budget 25 --until 07:00

    Half the price, and in time all the same: overnight run m.jsonl --via auto --until 07:00
    """
    from orchestrator.asking import options_of
    from orchestrator.running import run_command

    options = options_of(
        out=out,
        concurrency=concurrency,
        config=config,
        simulate=simulate,
        accept_changes=accept_changes,
        budget=budget,
        until=until,
        for_=for_,
        via=via,
        allow_rebuy=allow_rebuy,
        dedupe=dedupe,
        media_root=media_root,
        prompts=prompts,
        first=first,
        fields=fields,
        languages=languages,
        allow_unpriced=allow_unpriced,
        thresholds=threshold or (),
    )
    raise typer.Exit(run_command(source, options, quiet=quiet, as_json=as_json, on_stop=on_stop))


@app.command()
def resume(
    run_folder: Run,
    concurrency: Concurrency = 64,
    config: Config = None,
    budget: BudgetOption = None,
    until: Until = None,
    for_: For = None,
    via: ViaOption = None,
    allow_rebuy: AllowRebuy = False,
    dedupe: Dedupe = None,
    media_root: MediaRootOption = None,
    allow_unpriced: AllowUnpriced = False,
    threshold: Threshold = None,
    on_stop: OnStop = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Go on with a run folder: the same as `overnight run RUN`.

    Example: overnight resume runs/first --budget 40
    """
    from outputs.run_record import read_run_record

    read_run_record(run_folder)
    run(
        run_folder,
        None,
        concurrency,
        config,
        budget=budget,
        until=until,
        for_=for_,
        via=via,
        allow_rebuy=allow_rebuy,
        dedupe=dedupe,
        media_root=media_root,
        allow_unpriced=allow_unpriced,
        threshold=threshold,
        on_stop=on_stop,
        quiet=quiet,
        as_json=as_json,
    )


@app.command()
def demo(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="By default runs/demo, or runs/demo-local with a folder for each."),
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="All three evaluations in small, on a real model started for it.")
    ] = False,
) -> None:
    """Judge the shipped captions on the embedded simulator, and correlate the scores with their ratings.

    Example: overnight demo
    """
    if local:
        raise typer.Exit(demo_local(out or Path("runs/demo-local")))
    from importlib.resources import as_file, files

    from orchestrator.analyzing import analyze_command
    from orchestrator.opening import Options
    from orchestrator.running import run_command

    with as_file(files("jobs").joinpath("examples")) as examples:
        folder = out or Path("runs/demo")
        code = run_command(examples / "gveval_ref_only.toml", Options(out=folder))
    if code == 0:
        analyze_command([folder])
    raise typer.Exit(code)


@app.command()
def plan(
    source: Source,
    out: Out = None,
    concurrency: Concurrency = 64,
    config: Config = None,
    simulate: Simulate = False,
    budget: BudgetOption = None,
    until: Until = None,
    for_: For = None,
    via: ViaOption = None,
    media_root: MediaRootOption = None,
    prompts: Prompts = None,
    first: First = None,
    fields: Fields = None,
    languages: Languages = None,
    decode_media: DecodeMedia = False,
    as_json: Json = False,
) -> None:
    """Check SOURCE and say what it would take, lane by lane, without sending: tokens, cost and time as intervals.

    Both prices stand there, of calls and of the batch API; cap and deadline are judged by --via.

    Example: overnight plan manifest.jsonl --budget 25 --until 07:00
    """
    from orchestrator.asking import options_of
    from orchestrator.estimates.planning import make_plan
    from orchestrator.estimates.showing import show_plan

    options = options_of(
        out=out,
        concurrency=concurrency,
        config=config,
        simulate=simulate,
        budget=budget,
        until=until,
        for_=for_,
        via=via,
        media_root=media_root,
        prompts=prompts,
        first=first,
        fields=fields,
        languages=languages,
    )
    made = make_plan(source, options, decode_media=decode_media)
    print_json(made.to_json()) if as_json else show_plan(made)


@app.command()
def status(run_folder: Run, as_json: Json = False) -> None:
    """How a run stands, while it runs and after.

    Example: overnight status runs/first --json
    """
    from orchestrator.showing import show_status
    from orchestrator.status import read_status

    read = read_status(run_folder)
    print_json(read.to_json()) if as_json else show_status(read)


for starting in (jobs, build):
    app.command()(starting)
for looking in (providers, check, prices):
    app.command()(looking)
for steering in (pause, unpause, stop):
    app.command()(steering)
app.command(name="set")(set_)
app.command()(analyze)
app.add_typer(import_)
app.command()(compare)
app.command()(tables)
app.command()(report)
app.command()(view)
app.command()(simulate)
app.command(name="serve-local")(serve_local)


@app.command()
def retry(run_folder: Run, as_json: Json = False) -> None:
    """Put the finally failed rows up again; `overnight run RUN` then sends them.

    Example: overnight retry runs/first && overnight run runs/first
    """
    from orchestrator.exporting import retry_failed

    count = retry_failed(run_folder)
    if as_json:
        print_json({"folder": str(run_folder), "rows": count})
        return
    typer.echo(f"{count:,} rows put up again; send them: overnight run {run_folder}" if count else "no failed rows")


@app.command()
def export(
    run_folder: Run,
    failed: Annotated[bool, typer.Option("--failed", help="The finally failed rows.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; standard output by default.")] = None,
) -> None:
    """Write rows of a run as a manifest.

    Example: overnight export runs/first --failed -o again.jsonl
    """
    from orchestrator.exporting import failed_as_manifest, media_root_of, write_manifest

    if not failed:
        raise typer.BadParameter("say which rows: --failed", param_hint="--failed")
    if (root := media_root_of(run_folder)) is not None:
        typer.echo(f"overnight: pictures and clips lie under {root}: run what is exported with --media-root", err=True)
    lines = failed_as_manifest(run_folder)
    if output is None:
        sys.stdout.buffer.writelines(lines)
    else:
        write_manifest(output, lines)


@app.command()
def tail(
    run_folder: Run,
    as_json: Json = False,
    follow: Annotated[bool, typer.Option(help="Wait for more while the run is alive.")] = True,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Begin with this many earlier answers.")] = 10,
) -> None:
    """Follow answers as they land: one line each, or the whole line of the log with --json.

    Example: overnight tail runs/first --json | jq .custom_id
    """
    from orchestrator.running import tail_command

    tail_command(run_folder, as_json=as_json, follow_on=follow, earlier=lines)


if __name__ == "__main__":
    main()
