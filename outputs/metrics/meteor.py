"""METEOR 1.5 of captions (Denkowski and Lavie 2014), by its own program: a jar in pycocoevalcap's wheel, and Java.

The program reads lines and answers them in order. `SCORE ||| reference ||| ... ||| candidate` is answered by a line of
counts, and `EVAL ||| counts ||| counts ...` by the score of each and then that of them all.
"""

import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from outputs.metrics.line_program import LineProgram, ProgramError

Floats = NDArray[np.float64]

INSTALL_JAR = 'pip install "overnight[meteor]"'
INSTALL_JAVA = "install a Java runtime, such as openjdk-17-jre-headless, so that `java` is on the path"
SILENCE_S = 300.0
_SEPARATOR = " ||| "
# English whatever the computer speaks: the program reads its own numbers back, and elsewhere a point is no decimal one.
_OPTIONS = ("-Xmx2G", "-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8")
_TASK = ("-", "-", "-stdio", "-l", "en", "-norm")


class MeteorMissing(Exception):  # noqa: N818 - it is a lack, and its text says what to do
    """METEOR cannot be had; the message says why, and what to install where that is the reason."""


@dataclass(frozen=True, slots=True)
class Meteor:
    """`captions` (n,) and the `corpus`, whose counts are summed before they are scored: from 0 to 1."""

    captions: Floats
    corpus: float


def meteor(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> Floats:
    """(n,): METEOR of each candidate against the best of its references. The texts are tokens joined by single spaces.

    A candidate without words is 0. Raises MeteorMissing, ValueError where a candidate has no reference.
    """
    return meteor_with_corpus(candidates, references).captions


def meteor_with_corpus(
    candidates: Sequence[str], references: Sequence[Sequence[str]], silence_s: float = SILENCE_S
) -> Meteor:
    """`meteor`, and the corpus's, which is NaN where there is no caption.

    Raises MeteorMissing also where the program ends early, says nothing for `silence_s`, or says what is no score.
    """
    if len(candidates) != len(references) or not all(map(len, references)):
        raise ValueError("every candidate needs a reference")
    command = _command()
    if not candidates:
        return Meteor(np.zeros(0), math.nan)
    try:
        with LineProgram(command, silence_s) as program:
            counts = program.ask(_questions(candidates, references), len(candidates))
            answers = program.ask([_SEPARATOR.join(("EVAL", *counts))], len(candidates) + 1)
    except ProgramError as error:
        raise MeteorMissing(f"METEOR's program {error}; is the Java runtime whole, with 2 GB of memory?") from error
    scores = np.array([_score(answer) for answer in answers])
    return Meteor(scores[:-1], float(scores[-1]))


def _command() -> list[str]:
    """Raises MeteorMissing."""
    java, jar = shutil.which("java"), _jar()
    if jar is None:
        raise MeteorMissing(f"METEOR's program is not installed: {INSTALL_JAR}")
    if java is None:
        raise MeteorMissing(f"Java is not there: {INSTALL_JAVA}")
    return [java, *_OPTIONS, "-jar", str(jar), *_TASK]


def _jar() -> Path | None:
    found = find_spec("pycocoevalcap")  # looked for, not imported: its modules are not needed
    places = found.submodule_search_locations if found is not None else None
    jars = (Path(place, "meteor", "meteor-1.5.jar") for place in places or ())
    return next((jar for jar in jars if jar.is_file()), None)


def _questions(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> Iterator[str]:
    for candidate, those in zip(candidates, references, strict=True):
        yield _SEPARATOR.join(("SCORE", *map(_harmless, those), _harmless(candidate)))


def _harmless(text: str) -> str:
    """Without what would end a line or a text, or be no character."""
    text = text.replace("|||", " ").encode("utf-8", "replace").decode("utf-8")
    return " ".join(text.split())


def _score(answer: str) -> float:
    """Raises MeteorMissing."""
    try:
        score = float(answer)
    except ValueError:
        score = math.nan
    if not 0 <= score <= 1:
        raise MeteorMissing(f"METEOR's program answered what is no score: {answer[:80]!r}")
    return score
