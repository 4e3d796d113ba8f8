"""How long `overnight --help` takes, beside an interpreter that does nothing; each time a fresh process."""

import argparse
import sys
from statistics import median

from overnight_run import overnight
from processes import run_to_end
from program import main, parser, whole_number
from ratios import ratio_of
from report import Report, Verdict

_CHILD_S = 30.0
_TARGET_S = 0.3


def measure(given: argparse.Namespace) -> Report:
    """Both in turn, after one unmeasured round that brings the files into memory."""
    commands = {"overnight --help": [overnight(), "--help"], "python -c pass": [sys.executable, "-c", "pass"]}
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(given.rounds + 1):
        for name, command in commands.items():
            wall_s = run_to_end(command, _CHILD_S).wall_s
            if number:
                seconds[name].append(wall_s)
    return _report(seconds)


def _report(seconds: dict[str, list[float]]) -> Report:
    (command, ours), (baseline, theirs) = seconds.items()
    ratio = ratio_of(ours, theirs)
    figure = f"{median(ours):.3f} s, {ratio}"
    return Report(
        f"Seconds of a process, medians of {len(ours)}",
        ("", "median", "lowest", "highest"),
        rows=[(name, *(f"{f(each):.3f}" for f in (median, min, max))) for name, each in seconds.items()],
        verdicts=[Verdict(command, figure, baseline, f"under {_TARGET_S:g} s", median(ours) < _TARGET_S)],
        numbers=dict(seconds),
    )


def _arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--rounds", type=whole_number, default=20)
    return made


if __name__ == "__main__":
    main(_arguments(), measure)
