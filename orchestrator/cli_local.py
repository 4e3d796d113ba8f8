"""The commands around the real model on this machine: `serve-local`, and `demo --local`."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import typer

JUDGES_BADLY = "So small a model judges badly"
FREE_PORT = 0


def serve_local(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8081,
) -> None:
    """Serve a small real model (SmolLM2-135M) on loopback, with log probabilities and grammars, until Ctrl-C.

    Needs two packages, which the first start without them names.

    Example: overnight serve-local --port 8081
    """
    from orchestrator.running import say
    from providers.local_model import MODEL, PROVIDER, catalog_entry, local_server

    try:
        with _ended_by_signals(), local_server(port) as server:
            typer.echo(f"serving {MODEL} at {server.base_url} (Ctrl-C ends it); in overnight.toml:\n")
            typer.echo(catalog_entry(server.base_url))
            typer.echo(f'The model is then "{PROVIDER}/{MODEL}". {JUDGES_BADLY}: use it to try things out.')
            code = server.wait()
    except KeyboardInterrupt:
        say("")
        return
    say(f"overnight: the local model ended by itself, with exit code {code}")
    raise typer.Exit(1)


def demo_local(folder: Path) -> int:
    """Judge twelve captions on the local model, through the ordinary engine, and analyse them; returns the exit code.

    The server lives as long as the run. Raises InputError where a package is missing.
    """
    from importlib.resources import as_file, files

    from orchestrator.opening import Options
    from orchestrator.running import analyze_command, run_command, say
    from providers.local_model import MODEL, local_server

    with (
        as_file(files("jobs").joinpath("examples")) as examples,
        local_server(FREE_PORT) as server,
        _catalog(server.base_url) as config,
    ):
        say(f"{MODEL}, a real model, answers on this machine: nothing is simulated")
        code = run_command(examples / "gveval_local.toml", Options(out=folder, config=config))
    if code == 0:
        analyze_command(folder, include_sampled=False, as_json=False)
        typer.echo(f"{JUDGES_BADLY}: these numbers show that real log probabilities flow, and nothing of quality.")
    return code


@contextlib.contextmanager
def _catalog(base_url: str) -> Iterator[Path]:
    """A catalog file with the local model in it."""
    import tempfile

    from providers.local_model import catalog_entry

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "overnight.toml"
        path.write_text(catalog_entry(base_url), "utf-8")
        yield path


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM, and a terminal that closes, end the block as Ctrl-C does; under `nohup` a terminal may close."""

    def interrupt(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
