"""All classic metrics of a set of captions: of each caption, and of the set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from outputs.items import Item
from outputs.metrics.bleu import bleu_of
from outputs.metrics.cider import cider_of
from outputs.metrics.meteor import MeteorMissing, meteor_with_corpus
from outputs.metrics.rouge import rouge_l_of
from outputs.metrics.texts import read_texts
from outputs.metrics.tokens import tokenize

Floats = NDArray[np.float64]

BLEU = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4")
METRICS = (*BLEU, "ROUGE-L", "CIDEr", "METEOR")
NO_CANDIDATE = "no candidate"
NO_REFERENCES = "no references"
NOTHING = "no item has a candidate and references"
ONE_ROW = "a set of one caption has no document frequencies: CIDEr would be 0 whatever the caption says"

_SCHEMA = {"item": pl.String, "metric": pl.String, "value": pl.Float64}


@dataclass(frozen=True, slots=True)
class CaptionMetrics:
    """`values`: a row for each item and metric, `item`, `metric`, `value`, items in their order within each metric.

    `corpus` has a value of the whole set for each metric: BLEU's own, METEOR's own, the means of the others. Values are
    from 0 to 1, CIDEr's from 0 to 10. `absent` says of each metric that could not be computed why, `left_out` how many
    items were not scored, by reason.
    """

    values: pl.DataFrame
    corpus: dict[str, float]
    absent: dict[str, str]
    left_out: dict[str, int]


def caption_metrics(items: Sequence[Item]) -> CaptionMetrics:
    """The classic metrics of items with a candidate and references; CIDEr counts documents over all of these.

    An item whose candidate is the empty text has none, and is left out like one without references. A candidate that
    is punctuation or white space only is a caption of no words, and scored: that gives 0, but ROUGE-L is 1 where a
    reference has no words either.
    """
    scored = [item for item in items if item.candidate and item.references]
    if not scored:
        return _together([], {}, {}, dict.fromkeys(METRICS, NOTHING), _left_out(items))
    candidates, references = _tokenized(scored)
    texts = read_texts(candidates, references)
    of_bleu = bleu_of(texts)
    columns: dict[str, Floats] = {name: of_bleu.captions[:, order] for order, name in enumerate(BLEU)}
    columns["ROUGE-L"] = rouge_l_of(texts)
    absent = {}
    if len(scored) > 1:
        columns["CIDEr"] = cider_of(texts)
    else:
        absent["CIDEr"] = ONE_ROW
    corpus = {name: float(values.mean()) for name, values in columns.items()}
    corpus |= {name: float(value) for name, value in zip(BLEU, of_bleu.corpus, strict=True)}
    try:
        of_meteor = meteor_with_corpus(candidates, references)
        columns["METEOR"], corpus["METEOR"] = of_meteor.captions, of_meteor.corpus
    except MeteorMissing as missing:
        absent["METEOR"] = str(missing)
    return _together([item.item for item in scored], columns, corpus, absent, _left_out(items))


def _tokenized(items: Sequence[Item]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Candidates and references as tokens; items that share their references share the tokenised ones."""
    sets = list(dict.fromkeys(item.references for item in items))
    tokens = iter(tokenize([text for those in sets for text in those]))
    tokenized = {those: tuple(next(tokens) for _ in those) for those in sets}
    return tokenize([item.candidate for item in items]), [tokenized[item.references] for item in items]


def _left_out(items: Sequence[Item]) -> dict[str, int]:
    """How many items are not scored, by reason; of two reasons the candidate's counts."""
    without = sum(not item.candidate for item in items)
    unreferenced = sum(bool(item.candidate) and not item.references for item in items)
    counts = {NO_CANDIDATE: without, NO_REFERENCES: unreferenced}
    return {reason: many for reason, many in counts.items() if many}


def _together(
    items: Sequence[str],
    columns: dict[str, Floats],
    corpus: dict[str, float],
    absent: dict[str, str],
    left_out: dict[str, int],
) -> CaptionMetrics:
    frames = [
        pl.DataFrame({"item": items, "metric": [name] * len(items), "value": values}, schema=_SCHEMA)
        for name, values in columns.items()
    ]
    return CaptionMetrics(pl.concat([pl.DataFrame(schema=_SCHEMA), *frames]), corpus, absent, left_out)
