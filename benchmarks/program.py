"""What every benchmark's command line shares: `--json`, and ways to end that leave nothing behind."""

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from processes import ChildError
from report import Report


class UsageError(Exception):
    """Something that the user can mend; the message says how."""


def whole_number(text: str) -> int:
    """An argument that is 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def parser(description: str | None) -> argparse.ArgumentParser:
    """A command line with the first line of a module's docstring as its help."""
    made = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    made.add_argument("--json", action="store_true", help="print JSON")
    return made


def add_folder(to: argparse.ArgumentParser) -> None:
    """`--dir`: where runs are written; temporary folders would often be in memory, where a sync costs nothing."""
    to.add_argument(
        "--dir", type=Path, default=Path(), help="make the temporary folder here (default: the working folder)"
    )


def main(arguments: argparse.ArgumentParser, measure: Callable[[argparse.Namespace], Report]) -> None:
    """Measure and print. A missed target is a finding, not a failure: it does not change the exit code."""
    given = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that children and folders go too
    try:
        report = measure(given)
    except UsageError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    except ChildError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    print(report.json() if given.json else report.text())


def tell(what: str) -> None:
    """A line for whoever waits."""
    print(what, file=sys.stderr, flush=True)
