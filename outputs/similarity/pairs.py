"""Every pair of models' answers to every prompt, at each granularity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from outputs.similarity.embeddings import BACKENDS, Embedded, embed
from outputs.similarity.overlap import MOST_WORDS, bigram_overlap, rouge_l
from outputs.similarity.structure import Form, form_of, form_similarity
from outputs.similarity.texts import Texts
from outputs.similarity.words import Ints, encode
from outputs.statistics.resampling import Floats

BIGRAMS, ROUGE_L, STRUCTURE = "2-gram", "ROUGE-L", "structure"


@dataclass(frozen=True)
class Compared:
    """`values` by granularity: (prompts, models, models), NaN where an answer is missing.

    `encoded` and `forms` are by answer; `place` (prompts, models) is an answer's place there, -1 where it is missing.
    """

    texts: Texts
    values: Mapping[str, Floats]
    encoded: Sequence[Ints]
    forms: Sequence[Form]
    place: NDArray[np.int64]
    embedding: str  # the granularity that is of embeddings; empty for none

    @cached_property
    def dataset_of(self) -> NDArray[np.int64]:
        """(prompts,): which of `texts.datasets`."""
        places = {name: place for place, name in enumerate(self.texts.datasets)}
        return np.array([places[prompt.dataset] for prompt in self.texts.prompts], dtype=np.int64)

    @cached_property
    def whole(self) -> NDArray[np.bool_]:
        """(prompts,): those that all models of their dataset have answered, models without any answer there aside."""
        there = self.texts.there
        found = np.zeros(len(there), dtype=np.bool_)
        for dataset in range(len(self.texts.datasets)):
            rows = self.dataset_of == dataset
            active = there[rows].any(axis=0)
            found[rows] = there[rows][:, active].all(axis=1) & active.any()
        return found

    @property
    def bounded(self) -> int:
        """Answers of which only the first words count where order matters."""
        return sum(len(answer) > MOST_WORDS for answer in self.encoded)


def compare(texts: Texts, backend: str) -> Compared:
    """All pairs of answers to the same prompt. Raises InputError for a backend that is not there."""
    flat = [answer for row in texts.answers for answer in row if answer is not None]
    place = np.where(texts.there, np.cumsum(texts.there).reshape(texts.there.shape) - 1, -1)
    encoded, vocabulary = encode(flat)
    forms = [form_of(answer, len(said)) for answer, said in zip(flat, encoded, strict=True)]
    embedded = embed(backend, flat, encoded, vocabulary)
    names = [BIGRAMS, ROUGE_L, STRUCTURE, *([BACKENDS[backend]] if embedded else [])]
    shape = (len(texts.prompts), len(texts.models), len(texts.models))
    values = {name: np.full(shape, np.nan) for name in names}
    for prompt, row in enumerate(place):
        models = np.flatnonzero(row >= 0)
        if len(models):
            block = np.ix_(np.array([prompt]), models, models)
            for name, found in _of_prompt(row[models], encoded, forms, embedded).items():
                np.fill_diagonal(found, 1.0)
                values[BACKENDS[backend] if name == "" else name][block] = found
    return Compared(texts, values, encoded, forms, place, BACKENDS[backend])


def _of_prompt(
    answers: NDArray[np.int64], encoded: Sequence[Ints], forms: Sequence[Form], embedded: Embedded | None
) -> dict[str, Floats]:
    said = [encoded[answer] for answer in answers]
    found = {BIGRAMS: bigram_overlap(said), ROUGE_L: rouge_l(said)}
    found[STRUCTURE] = form_similarity([forms[answer] for answer in answers])
    if embedded is not None:
        found[""] = embedded.cosines(answers.tolist())
    return found
