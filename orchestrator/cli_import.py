"""The commands that turn results made elsewhere into run folders. They call nobody."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli_options import AllowUnpriced, Config, Json, MediaRootOption
from orchestrator.cli_steering import print_json

if TYPE_CHECKING:
    from orchestrator.importing import Made

Paths = Annotated[list[Path], typer.Argument(help="Files; all of them become one run.", metavar="PATH...")]
NewRun = Annotated[Path, typer.Option("--out", "-o", help="The run folder to make: one that is empty or not there.")]

import_ = typer.Typer(
    name="import",
    help="Make a run folder of results that were made elsewhere: nothing is sent, every row says where it is from.",
    epilog="Example: overnight import openai-batch output.jsonl errors.jsonl --manifest sent.jsonl --out runs/batch",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@import_.command("openai-batch")
def openai_batch(
    paths: Paths,
    out: NewRun,
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest",
            metavar="FILE",
            help="What was sent, or its spec: the run then sends what failed or is missing.",
        ),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option("--provider", metavar="NAME", help="Who answered, where there is no manifest to say it."),
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="Of different answers to a row take the last.")] = False,
    media_root: MediaRootOption = None,
    allow_unpriced: AllowUnpriced = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Import output and error files of OpenAI's and Azure's batches, and of vLLM's run-batch.

    A row that both failed and was answered is answered; the same answer twice is taken once, and two different answers
    are an error unless --last is given. Costs are by the price of the provider's batch API, where it is known.

    With --manifest it becomes an ordinary run of that manifest: `overnight run RUN` sends what failed or is missing.
    With the spec that the manifest was built of it becomes a run of the spec, which asks what follows from the answers.
    Without either, what was asked is not known, and nothing can be sent.

    Example: overnight import openai-batch output.jsonl errors.jsonl --manifest sent.jsonl --out runs/batch
    """
    from jobs.imports.openai_batch import BatchImport
    from orchestrator.importing import write_import
    from orchestrator.importing_batch import import_with_manifest
    from orchestrator.opening import Options
    from providers.catalog import load_catalog

    if manifest is not None and provider is not None:
        raise typer.BadParameter("the manifest says who is asked", param_hint="--provider")
    catalog = load_catalog(config)
    source = BatchImport(paths, catalog, provider=provider, last=last)
    if manifest is None:
        _show(write_import(out, source, catalog), as_json)
        return
    options = Options(config=config, media_root=media_root, allow_unpriced=allow_unpriced)
    _show(import_with_manifest(source, manifest, options, out, catalog), as_json)


@import_.command("ice")
def ice(
    paths: Paths,
    out: NewRun,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", metavar="NAME=FILE", help="What to call the target of a raw file; may be repeated."),
    ] = None,
    misleading: Annotated[
        list[str] | None,
        typer.Option("--misleading", help="Word that makes a template misleading; by default openai and gpt."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Import the released files of ICE, of any number of targets: raw (.jsonl), loose and strict (.csv).

    The raw file has all answers of a target; its CSVs are found by their rows, whatever they are called. Without the
    strict one, strict and hard are not known. Targets are called as their CSVs are, else as the raw file is.

    Example: overnight import ice data/ice/*/* --out runs/ice && overnight analyze runs/ice
    """
    from jobs.imports.ice import MISLEADING, IceImport
    from orchestrator.importing import write_import
    from providers.catalog import load_catalog

    names = {name: Path(file) for name, file in _pairs(target or (), "--target", "NAME=FILE").items()}
    if any(not word.strip() for word in misleading or ()):
        raise typer.BadParameter("is empty", param_hint="--misleading")
    _show(write_import(out, IceImport(paths, names, misleading or MISLEADING), load_catalog()), as_json)


@import_.command("gveval")
def gveval(
    paths: Paths,
    out: NewRun,
    reader: Annotated[
        str | None,
        typer.Option(
            "--reader",
            help="What the files are, if not what they look like: msvd-eval, flickr8k-expert, flickr8k-cf, "
            "composite-json, results.",
        ),
    ] = None,
    score_field: Annotated[
        list[str] | None, typer.Option("--score-field", help="Key that a score stands under; may be repeated.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Name of the dataset, put before the items' ids.")] = "",
    as_json: Json = False,
) -> None:
    """Import the JSON files of G-VEval's authors: captions, references and ratings, and scores where they have any.

    A score is a number, a list (accuracy, completeness, conciseness, relevance, average) or an object of numbers under
    G-VEval, gveval, score, accr, final_score or the like: beside `candidate` in MSVD-Eval's form, beside `rating` in
    Flickr8k's. Results that name picture and candidate, as their program keeps them, are joined to the datasets given.

    Example: overnight import gveval MSVD-Eval.json results.json --out runs/msvd
    """
    from jobs.imports.gveval import GvevalImport
    from orchestrator.importing import write_import
    from providers.catalog import load_catalog

    _show(write_import(out, GvevalImport(paths, reader, score_field or (), name), load_catalog()), as_json)


@import_.command("scores")
def scores(
    paths: Paths,
    out: NewRun,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="OURS=THEIRS", help="What a column is called: item=image_id; repeatable."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="Column of a wide table that is a metric; by default all with numbers."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Import tables of scores by other programs (CLIPScore, PAC-S, Polos, ...): CSV, TSV, JSON lines, Parquet.

    Long: a score a row, in the columns item, metric, value and, where there are several of a metric, dimension.
    Wide: an item a row, and a column of numbers for each metric; or none, where analyze is to compute BLEU, ROUGE-L and
    CIDEr of candidates and references. Both may have candidate, references (or reference_1,
    ...), ratings.DIMENSION or ratings.ANNOTATOR.DIMENSION, media, dataset, system. Empty values are left out and
    counted. Analysis joins the items to those of other runs by id.

    Example: overnight import scores clip.csv --column item=image_id --out runs/clip && overnight analyze runs/clip
    """
    from jobs.imports.score_tables import ScoresImport
    from orchestrator.importing import write_import
    from providers.catalog import load_catalog

    renamed = _pairs(column or (), "--column", "OURS=THEIRS")
    _show(write_import(out, ScoresImport(paths, renamed, metric or ()), load_catalog()), as_json)


def _pairs(texts: Sequence[str], option: str, form: str) -> dict[str, str]:
    """What is given by name; each name once."""
    found: dict[str, str] = {}
    for name, value in (_pair(text, option, form) for text in texts):
        if name in found:
            raise typer.BadParameter(f"{name!r} is given twice", param_hint=option)
        found[name] = value
    return found


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not (equals and ours.strip() and theirs.strip()):
        raise typer.BadParameter(f"{text!r} is not {form}", param_hint=option)
    return ours.strip(), theirs.strip()


def _show(made: "Made", as_json: bool) -> None:
    if as_json:
        print_json(made.to_json())
        return
    for line in made.sentences():
        typer.echo(line)
