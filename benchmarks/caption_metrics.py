"""BLEU, ROUGE-L and CIDEr beside pycocoevalcap's, on the same tokens in the same process.

The captions are made up: words drawn by Zipf's law, as many as captions have. Each round scores all of them with each
metric of both, one after the other, each from the texts. Values must agree to 1e-12. CIDEr's memory is under 100 bytes
a word of candidates and references.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outputs.metrics.bleu import bleu
from outputs.metrics.cider import cider
from outputs.metrics.rouge import rouge_l
from program import UsageError, parser, tell, whole_number
from ratios import Ratio, ratio_of
from report import Report, Verdict
from targets import exit_by_targets

_LEAST = 6.0
_EXACT = 1e-12
_LENGTH, _SPREAD, _LONGEST = 10.5, 2.4, 40  # words of a caption: about those of COCO's

Floats = NDArray[np.float64]
Captions = tuple[list[str], list[tuple[str, ...]]]


@dataclass(slots=True)
class Timed:
    """Seconds by round, and the greatest difference of a value."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    difference: float = 0.0


def measure(given: argparse.Namespace) -> Report:
    """All metrics of both, round by round."""
    captions = _made_up(given.captions, given.references, given.words, given.seed)
    pairs = _pairs(captions)
    found = {name: Timed() for name in pairs}
    for number in range(1, given.rounds + 1):
        for name, (ours, theirs) in pairs.items():
            tell(f"round {number}: {name}")
            took, mine = _timed(ours)
            found[name].ours.append(took)
            took, expected = _timed(theirs)
            found[name].theirs.append(took)
            found[name].difference = max(found[name].difference, float(np.abs(mine - expected).max()))
    return _report(found, given)


def _timed(score: Callable[[], Floats]) -> tuple[float, Floats]:
    begun = time.perf_counter()
    values = score()
    return time.perf_counter() - begun, values


def _pairs(captions: Captions) -> dict[str, tuple[Callable[[], Floats], Callable[[], Floats]]]:
    """Ours and theirs of each metric, as functions that give all values. Raises UsageError without pycocoevalcap."""
    try:
        from pycocoevalcap.bleu.bleu import Bleu
        from pycocoevalcap.cider.cider import Cider
        from pycocoevalcap.rouge.rouge import Rouge
    except ImportError:
        raise UsageError('pycocoevalcap is not installed: pip install -e ".[dev]"') from None
    candidates, references = captions
    told = {place: list(those) for place, those in enumerate(references)}
    said = {place: [candidate] for place, candidate in enumerate(candidates)}

    def their_bleu() -> Floats:
        return np.array(Bleu(4).compute_score(told, said, verbose=0)[1]).T

    def theirs(scorer: Any) -> Callable[[], Floats]:
        return lambda: np.asarray(scorer().compute_score(told, said)[1])

    return {
        "BLEU-1 to 4": (lambda: bleu(candidates, references).captions, their_bleu),
        "ROUGE-L": (lambda: rouge_l(candidates, references), theirs(Rouge)),
        "CIDEr": (lambda: cider(candidates, references), theirs(Cider)),
    }


def _made_up(captions: int, references: int, vocabulary: int, seed: int) -> Captions:
    """Tokenised texts; no two captions share their references, so that nothing is gained by holding them once."""
    random = np.random.default_rng(seed)
    words = np.array([f"word{number}" for number in range(vocabulary)])
    weights = 1 / np.arange(1, vocabulary + 1)

    def texts(many: int) -> list[str]:
        lengths = np.clip(random.normal(_LENGTH, _SPREAD, many).round().astype(np.int64), 1, _LONGEST)
        drawn = words[random.choice(vocabulary, size=lengths.sum(), p=weights / weights.sum())]
        return [" ".join(text) for text in np.split(drawn, np.cumsum(lengths)[:-1])]

    told = texts(captions * references)
    return texts(captions), [tuple(told[low : low + references]) for low in range(0, len(told), references)]


def _report(found: dict[str, Timed], given: argparse.Namespace) -> Report:
    total = Timed(
        [sum(times) for times in zip(*(timed.ours for timed in found.values()), strict=True)],
        [sum(times) for times in zip(*(timed.theirs for timed in found.values()), strict=True)],
        max(timed.difference for timed in found.values()),
    )
    everything = found | {"all three": total}
    report = Report(
        f"Made up: seconds for {given.captions} captions with {given.references} references each",
        ("", "ours", "pycocoevalcap", "faster", "greatest difference"),
        rows=[(name, *_cells(timed)) for name, timed in everything.items()],
        notes=[f"medians of {given.rounds} rounds; words by Zipf's law out of {given.words}, seed {given.seed}"],
        numbers={
            name: {"ours": timed.ours, "theirs": timed.theirs, "difference": timed.difference}
            for name, timed in everything.items()
        },
    )
    faster = _faster(total)
    report.verdicts.append(
        Verdict(
            "BLEU, ROUGE-L, CIDEr",
            f"{faster} as fast as",
            "pycocoevalcap",
            f"at least {_LEAST:g}",
            faster.middle >= _LEAST,
        )
    )
    exact = total.difference <= _EXACT
    report.verdicts.append(
        Verdict("greatest difference", f"{total.difference:.1e}", "from pycocoevalcap", f"at most {_EXACT:g}", exact)
    )
    return report


def _cells(timed: Timed) -> Sequence[str]:
    ours, theirs = float(np.median(timed.ours)), float(np.median(timed.theirs))
    return f"{ours:.2f}", f"{theirs:.2f}", f"{_faster(timed).middle:.1f} x", f"{timed.difference:.1e}"


def _faster(timed: Timed) -> Ratio:
    return ratio_of(timed.theirs, timed.ours)


def _arguments() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--captions", type=whole_number, default=47_000)
    made.add_argument("--references", type=whole_number, default=5, help="of each caption")
    made.add_argument("--words", type=whole_number, default=10_000, help="size of the vocabulary")
    made.add_argument("--rounds", type=whole_number, default=3)
    made.add_argument("--seed", type=int, default=0)
    return made


if __name__ == "__main__":
    exit_by_targets(_arguments(), measure)
