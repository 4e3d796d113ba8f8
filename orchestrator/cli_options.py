"""The arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[
    Path, typer.Argument(help="A manifest (.jsonl), a job spec (.toml) or a run folder.", metavar="SOURCE")
]
Run = Annotated[Path, typer.Argument(help="A run folder.", metavar="RUN")]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="The run folder; by default runs/ and the source's stem.")
]
Concurrency = Annotated[int, typer.Option("--concurrency", "-c", min=1, max=4096, help="Calls in flight per lane.")]
Config = Annotated[Path | None, typer.Option("--config", help="A catalog file, in place of ./overnight.toml.")]
Simulate = Annotated[bool, typer.Option("--simulate", help="Send everything to the embedded simulator.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Accept = Annotated[bool, typer.Option("--accept-changes", help="Go on although prompt, spec or manifest changed.")]
BudgetOption = Annotated[
    str | None,
    typer.Option("--budget", metavar="USD", help="Spend at most this, over all sessions of the run; none: no cap."),
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Have all answers by then: 07:00, or 2026-11-23T07:00.")
]
For = Annotated[str | None, typer.Option("--for", metavar="SPAN", help="Have all answers in this time: 8h, 90m.")]
ViaOption = Annotated[
    str | None,
    typer.Option(
        "--via",
        metavar="online|batch|auto",
        help="How rows travel: by calls, by the providers' batch APIs (half the price, within a day), or by batch and "
        "online what is late or no batch takes; by default as before, at first online.",
    ),
]
AllowRebuy = Annotated[
    bool,
    typer.Option(
        "--allow-rebuy",
        help="Near the deadline, send rows online whose batch is late and cannot be cancelled in time; and send "
        "rows again whose batch its provider does not know any more. They may be paid for twice, and are shown.",
    ),
]
Dedupe = Annotated[
    bool | None,
    typer.Option("--dedupe/--no-dedupe", help="Send equal requests once, and write the answer for all of them."),
]
MediaRootOption = Annotated[
    Path | None,
    typer.Option("--media-root", help="The folder of pictures and clips, in place of the manifest's or the dataset's."),
]
First = Annotated[
    int | None,
    typer.Option("--first", metavar="N", help="Only the first N items of each dataset, or rows of a manifest."),
]
Fields = Annotated[
    str | None, typer.Option("--fields", metavar="A,B", help="For ICE: only the questions of these fields.")
]
Languages = Annotated[
    str | None, typer.Option("--languages", metavar="A,B", help="For ICE: only the questions in these languages.")
]
Prompts = Annotated[
    Path | None, typer.Option("--prompts", metavar="DIR", help="A folder of prompts that go over the shipped ones.")
]
DecodeMedia = Annotated[
    bool,
    typer.Option("--decode-media", help="Decode every picture and clip to its end, too; a run does so row by row."),
]
AllowUnpriced = Annotated[
    bool, typer.Option("--allow-unpriced", help="Send also what nobody knows the price of; it is shown as unpriced.")
]
OnStop = Annotated[
    str | None,
    typer.Option("--on-stop", metavar="CMD", help="Run this when the run ends; OVERNIGHT_REASON and others say how."),
]
Threshold = Annotated[
    list[str] | None,
    typer.Option("--threshold", metavar="NAME=N", help="When to give up, such as failures_in_row=20; may be repeated."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
