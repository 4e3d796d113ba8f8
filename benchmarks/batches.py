"""What a run by batch costs this machine, beside a plain script over the same batch API. Simulated.

Both have the same rows answered in one batch by the same simulator, one after the other. The script writes no log,
keeps to no budget and cannot be resumed. Compared are seconds of processor time and peak memory: how long a batch takes
is the provider's affair.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from overnight_run import CATALOG, MANIFEST, overnight
from processes import Finished, run_to_end
from program import add_folder, parser, tell, whole_number
from report import Report, Verdict
from scratch import disk_note, scratch_folder
from serving import PORT, serving
from targets import exit_by_targets

_CHILD_S = 300.0
_MOST_CPU = 2.0  # times the script's
_MOST_MEMORY = 1.0
_PROMPT = "Why is it that, in spite of everything, the harbour freezes before the river does? "
_ENTRY = """[providers.lab]
protocol = "openai"
base_url = "{root}/v1"
models = ["*"]
batch_discount = 0.5
[providers.lab.prices."*"]
input = 1.0
output = 2.0
[providers.lab.batch]
"""


def measure(given: argparse.Namespace) -> Report:
    """Both, `--rounds` times in turn; the medians count."""
    with scratch_folder(given.dir) as folder:
        _write_manifest(folder / MANIFEST, given.rows)
        script, ours = [], []
        for number in range(given.rounds):
            tell(f"round {number + 1} of {given.rounds}")
            script.append(_round(folder, _script))
            ours.append(_round(folder, _overnight))
        return _report(script, ours, given.rows, disk_note(folder))


def _write_manifest(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            body = {"model": "model-a", "max_tokens": 100, "messages": [_asking(number)]}
            line = {"custom_id": f"row-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}
            file.write(json.dumps(line) + "\n")


def _asking(number: int) -> dict[str, str]:
    return {"role": "user", "content": f"{number}: {_PROMPT * 8}"}


def _round(folder: Path, command: Callable[[Path, str], list[str]]) -> Finished:
    with serving([overnight(), "simulate", "--port", PORT, "--batch-s", "5"], folder) as root:
        return run_to_end(command(folder, root), _CHILD_S, folder=folder)


def _script(_: Path, root: str) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name("plain_batch.py")), f"{root}/v1", MANIFEST, "answers.jsonl"]


def _overnight(folder: Path, root: str) -> list[str]:
    (folder / CATALOG).write_text(_ENTRY.format(root=root), encoding="utf-8")
    out = folder / f"run-{len(list(folder.iterdir()))}"
    return [overnight(), "run", MANIFEST, "--out", out.name, "--via", "batch", "--budget", "1000000", "--quiet"]


def _report(script: list[Finished], ours: list[Finished], rows: int, disk: str) -> Report:
    cpu = [sorted(one.cpu_s for one in each)[len(each) // 2] for each in (script, ours)]
    peak = [sorted(one.peak_bytes for one in each)[len(each) // 2] for each in (script, ours)]
    named = zip(("plain script", "overnight run --via batch"), cpu, peak, strict=True)
    report = Report(
        f"Simulated: {rows:,} rows in one batch",
        ("", "processor s", "us a row", "peak MB"),
        rows=[(name, f"{one:.2f}", f"{one / rows * 1e6:.0f}", f"{most / 1e6:.0f}") for name, one, most in named],
        notes=[disk],
        numbers={
            "cpu_s": {"script": cpu[0], "overnight": cpu[1]},
            "peak_bytes": {"script": peak[0], "overnight": peak[1]},
        },
    )
    work, memory = cpu[1] / cpu[0], peak[1] / peak[0]
    what, beside = "overnight run --via batch", "of the plain script's"
    report.verdicts = [
        Verdict(what, f"{work:.2f}", f"{beside} processor time", f"{_MOST_CPU:g} at most", work <= _MOST_CPU),
        Verdict(what, f"{memory:.2f}", f"{beside} peak memory", f"{_MOST_MEMORY:g} at most", memory <= _MOST_MEMORY),
    ]
    return report


if __name__ == "__main__":
    arguments = parser(__doc__)
    add_folder(arguments)
    arguments.add_argument("--rows", type=whole_number, default=50_000)
    arguments.add_argument("--rounds", type=whole_number, default=3)
    exit_by_targets(arguments, measure)
