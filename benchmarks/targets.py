"""Benchmarks whose exit code says whether all targets were met."""

import argparse
from collections.abc import Callable
from typing import NoReturn

from program import main
from report import Report


def exit_by_targets(arguments: argparse.ArgumentParser, measure: Callable[[argparse.Namespace], Report]) -> NoReturn:
    """Measure, print and exit: 0, or 1 where a target was missed."""
    missed: list[bool] = []

    def measured(given: argparse.Namespace) -> Report:
        report = measure(given)
        missed.extend(not verdict.met for verdict in report.verdicts)
        return report

    main(arguments, measured)
    raise SystemExit(int(any(missed)))
