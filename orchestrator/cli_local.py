"""The commands that serve on this machine: the simulator, the real model, and the demonstration on that."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import typer

JUDGES_BADLY = "So small a model judges badly"
FREE_PORT = 0
EVALUATIONS = ("gveval", "rse", "ice")  # each has a spec `..._local.toml` among the examples


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


def simulate(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    seed: Annotated[int, typer.Option(help="Another seed gives other answers and faults.")] = 0,
    latency_s: Annotated[float, typer.Option(help="Mean seconds per answer.")] = 0.05,
    latency_spread: Annotated[float, typer.Option(help="Relative spread of the latency.")] = 0.5,
    error_rate: Annotated[float, typer.Option(help="Share of calls answered 500.")] = 0.0,
    throttle_rate: Annotated[float, typer.Option(help="Share of calls answered 429.")] = 0.0,
    malformed_rate: Annotated[float, typer.Option(help="Share of 200s whose body is not JSON.")] = 0.0,
    drop_rate: Annotated[float, typer.Option(help="Share of calls whose connection is dropped.")] = 0.0,
    hang_rate: Annotated[float, typer.Option(help="Share of calls that are never answered.")] = 0.0,
    rpm: Annotated[float | None, typer.Option(help="Requests a minute; beyond them 429.")] = None,
    tpm: Annotated[float | None, typer.Option(help="Tokens a minute; beyond them 429.")] = None,
    burst_s: Annotated[float, typer.Option(help="Seconds of a limit that may be used at once.")] = 60.0,
    rate_headers: Annotated[bool, typer.Option("--headers/--no-headers", help="Tell limits in headers.")] = True,
    change_at_s: Annotated[float | None, typer.Option(help="After so many seconds the limits change.")] = None,
    change_factor: Annotated[float, typer.Option(help="What the limits are multiplied by then.")] = 1.0,
    storm_until_s: Annotated[float, typer.Option(help="Until then every call is answered 429.")] = 0.0,
    throttle_wait_s: Annotated[float, typer.Option(help="What a 429 asks to wait; 0: it does not say.")] = 1.0,
    batch_s: Annotated[float, typer.Option(help="Seconds that a batch takes.")] = 2.0,
    batch_spread: Annotated[float, typer.Option(help="Relative spread of that.")] = 0.0,
    batch_hold: Annotated[
        bool, typer.Option("--batch-hold", help="No batch ends before its window does, unless cancelled.")
    ] = False,
    batch_cancel_s: Annotated[float, typer.Option(help="Seconds that a cancellation takes.")] = 0.0,
    batch_drop_rate: Annotated[float, typer.Option(help="Share of lines that are billed, but in no file.")] = 0.0,
    batch_skip_rate: Annotated[float, typer.Option(help="Share of lines neither processed nor counted.")] = 0.0,
    batch_duplicate_rate: Annotated[float, typer.Option(help="Share of lines that stand twice in their file.")] = 0.0,
    batch_torn_rate: Annotated[float, typer.Option(help="Share of lines that are cut off.")] = 0.0,
    batch_error_rate: Annotated[float, typer.Option(help="Share of lines that fail with 500.")] = 0.0,
    batch_throttle_rate: Annotated[float, typer.Option(help="Share of lines that fail with 429.")] = 0.0,
    batch_expire_share: Annotated[float, typer.Option(help="Share of lines that expire.")] = 0.0,
    batch_unknown: Annotated[int, typer.Option(help="Answers in each batch that nobody asked for.")] = 0,
    batch_reorder: Annotated[
        bool,
        typer.Option("--batch-reorder/--batch-keep", help="Results in an order of their own, or as asked."),
    ] = True,
    batch_queue_tokens: Annotated[
        int | None, typer.Option(help="Tokens in all running batches; one beyond is refused.")
    ] = None,
    batch_upload_lost: Annotated[float, typer.Option(help="Share of uploads taken, while their answer is lost.")] = 0.0,
    batch_create_lost: Annotated[float, typer.Option(help="Share of batches created, while the answer is lost.")] = 0.0,
    batch_create_refused_rate: Annotated[
        float, typer.Option("--batch-create-refused", help="Share of batches refused with a 500.")
    ] = 0.0,
    batch_poll_error_rate: Annotated[
        float, typer.Option("--batch-poll-errors", help="Share of looks at a batch answered 500.")
    ] = 0.0,
    batch_download_torn: Annotated[float, typer.Option(help="Share of files whose first download is cut off.")] = 0.0,
) -> None:
    """Serve simulated models on loopback, with faults on demand, speaking OpenAI's chat completions.

    It also has batches, as OpenAI's (of chat completions) and as Anthropic's (of messages).

    Point a provider at it in overnight.toml: protocol = "openai", base_url = "http://127.0.0.1:8000/v1", free = true.

    Example: overnight simulate --port 8000 --error-rate 0.05
    """
    from orchestrator.running import simulate_command

    with _ended_by_signals():  # its files go with it
        simulate_command(
            port,
            seed=seed,
            latency_s=latency_s,
            latency_spread=latency_spread,
            error_rate=error_rate,
            throttle_rate=throttle_rate,
            malformed_rate=malformed_rate,
            drop_rate=drop_rate,
            hang_rate=hang_rate,
            rpm=rpm,
            tpm=tpm,
            burst_s=burst_s,
            rate_headers=rate_headers,
            change_at_s=change_at_s,
            change_factor=change_factor,
            storm_until_s=storm_until_s,
            throttle_wait_s=throttle_wait_s,
            batch_s=batch_s,
            batch_spread=batch_spread,
            batch_hold=batch_hold,
            batch_cancel_s=batch_cancel_s,
            batch_drop_rate=batch_drop_rate,
            batch_skip_rate=batch_skip_rate,
            batch_duplicate_rate=batch_duplicate_rate,
            batch_torn_rate=batch_torn_rate,
            batch_error_rate=batch_error_rate,
            batch_throttle_rate=batch_throttle_rate,
            batch_expire_share=batch_expire_share,
            batch_unknown=batch_unknown,
            batch_reorder=batch_reorder,
            batch_queue_tokens=batch_queue_tokens,
            batch_upload_lost=batch_upload_lost,
            batch_create_lost=batch_create_lost,
            batch_create_refused_rate=batch_create_refused_rate,
            batch_poll_error_rate=batch_poll_error_rate,
            batch_download_torn=batch_download_torn,
        )


def demo_local(folder: Path) -> int:
    """Run all three evaluations in small on the local model, through the ordinary engine, and analyse each.

    Each is a run folder of its own within `folder`, and the server lives as long as they all. Returns the exit code:
    that of the first run that does not end with 0, after which nothing follows. Raises InputError where a package is
    missing.
    """
    from importlib.resources import as_file, files

    from orchestrator.analyzing import analyze_command
    from orchestrator.opening import Options
    from orchestrator.running import run_command, say
    from providers.local_model import MODEL, local_server

    with (
        as_file(files("jobs").joinpath("examples")) as examples,
        local_server(FREE_PORT) as server,
        _catalog(server.base_url) as config,
    ):
        say(f"{MODEL}, a real model, answers on this machine: nothing is simulated")
        for name in EVALUATIONS:
            code = run_command(examples / f"{name}_local.toml", Options(out=folder / name, config=config))
            if code != 0:
                return code
            analyze_command([folder / name])
    typer.echo(f"{JUDGES_BADLY}: its numbers show that all three evaluations work, and say nothing of quality.")
    return 0


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
