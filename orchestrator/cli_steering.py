"""The commands that steer a run from another terminal."""

from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli_options import BudgetOption, Config, For, Json, Run


def pause(run_folder: Run, as_json: Json = False) -> None:
    """Start no more calls in a run that is going on, until `overnight unpause`; calls in flight are awaited.

    Example: overnight pause runs/first
    """
    from orchestrator.control import Pause

    _steer(run_folder, Pause(), as_json)


def unpause(run_folder: Run, as_json: Json = False) -> None:
    """Start calls again in a paused run.

    Example: overnight unpause runs/first
    """
    from orchestrator.control import Unpause

    _steer(run_folder, Unpause(), as_json)


def stop(
    run_folder: Run,
    cancel_batches: Annotated[
        bool,
        typer.Option(
            "--cancel-batches",
            help="Cancel the batches too, and take in what they have answered; without it they go on at the provider.",
        ),
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """End a run that is going on as Ctrl-C would: calls in flight are awaited. `overnight run RUN` goes on with it.

    Batches go on at their provider, and are paid for: the next `overnight run RUN` fetches them. With --cancel-batches
    they are cancelled, also where no process works on the run: then this waits until they have ended. --config is for
    that alone.

    Example: overnight stop runs/first --cancel-batches
    """
    from orchestrator.control import Stop
    from orchestrator.stopping import nobody_to_stop
    from outputs.run_record import read_run_record

    read_run_record(run_folder)
    if nobody_to_stop(run_folder, cancel_batches):
        from orchestrator.opening import Options
        from orchestrator.running import run_command

        options = Options(config=config, cancel_batches=True)
        raise typer.Exit(run_command(run_folder, options, as_json=as_json))
    _steer(run_folder, Stop(cancel_batches=cancel_batches), as_json)


def set_(
    run_folder: Run,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", "-c", min=1, max=4096, help="Calls in flight per lane.")
    ] = None,
    budget: BudgetOption = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Another deadline, or none.")] = None,
    for_: For = None,
    limit: Annotated[
        list[str] | None,
        typer.Option("--limit", metavar="NAME=N", help="A limit of the catalog, such as openai.rpm=300."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Change a run while it goes on: its concurrency, its budget, its deadline, its limits.

    Example: overnight set runs/first --budget 40 --limit openai.rpm=300
    """
    from orchestrator.asking import adjustment

    _steer(run_folder, adjustment(concurrency, budget, until, for_, limit or ()), as_json)


def _steer(run_folder: Path, command: Any, as_json: bool) -> None:
    from orchestrator.control import send_command
    from orchestrator.showing import steered_line
    from outputs.run_record import read_run_record

    read_run_record(run_folder)
    answer = send_command(run_folder, command)
    print_json(answer) if as_json else typer.echo(steered_line(run_folder, answer))


def print_json(document: Any) -> None:
    """Print a document as JSON."""
    import orjson

    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
