"""BLEU, ROUGE-L and CIDEr beside the field's reference implementation, on the same tokens."""

import math
import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from outputs.metrics import blocks
from outputs.metrics.bleu import bleu
from outputs.metrics.cider import cider
from outputs.metrics.rouge import rouge_l

Rows = list[tuple[str, list[str]]]
Floats = NDArray[np.float64]

EXACT = 1e-12
MISSING = "pycocoevalcap IS NOT INSTALLED (extra dev): the metrics are not compared with it"


def theirs(rows: Rows) -> tuple[Floats, Floats, Floats, Floats]:
    """(n, 4) and (4,) BLEU, (n,) ROUGE-L and CIDEr of pycocoevalcap."""
    scorer = pytest.importorskip("pycocoevalcap.bleu.bleu", reason=MISSING).Bleu(4)
    rouge = pytest.importorskip("pycocoevalcap.rouge.rouge", reason=MISSING).Rouge()
    consensus = pytest.importorskip("pycocoevalcap.cider.cider", reason=MISSING).Cider()
    told = {place: references for place, (_, references) in enumerate(rows)}
    said = {place: [candidate] for place, (candidate, _) in enumerate(rows)}
    corpus, captions = scorer.compute_score(told, said, verbose=0)
    ciders = consensus.compute_score(told, said)[1] if any("".join(these) for _, these in rows) else np.zeros(len(rows))
    return np.array(captions).T, np.array(corpus), rouge.compute_score(told, said)[1], ciders


def assert_equal(rows: Rows) -> None:
    candidates, references = [row[0] for row in rows], [row[1] for row in rows]
    captions, corpus, rouge, ciders = theirs(rows)
    found = bleu(candidates, references)
    np.testing.assert_allclose(found.captions, captions, rtol=0, atol=EXACT)
    np.testing.assert_allclose(found.corpus, corpus, rtol=0, atol=EXACT)
    np.testing.assert_allclose(rouge_l(candidates, references), rouge, rtol=0, atol=EXACT)
    np.testing.assert_allclose(cider(candidates, references), ciders, rtol=0, atol=EXACT)


def made_up(seed: int, rows: int, words: int, longest: int) -> Rows:
    """Captions of words drawn by Zipf's law, with 1 to 7 references each; every third row has those before it."""
    random = np.random.default_rng(seed)

    def text() -> str:
        return " ".join(f"w{min(word, words)}" for word in random.zipf(1.4, random.integers(1, longest)))

    sets = [[text() for _ in range(random.integers(1, 8))] for _ in range(rows)]
    return [(text(), sets[place - (place % 3 == 2)]) for place in range(rows)]


captions = st.lists(st.sampled_from(["a", "b", "c", "é", "狗", "’"]), max_size=9).map(" ".join)
sets_of_rows = st.lists(st.tuples(captions, st.lists(captions, min_size=1, max_size=4)), min_size=1, max_size=6)


@settings(deadline=None)
@given(sets_of_rows)
def test_any_captions_score_as_there(rows: Rows) -> None:
    """Repeated words, no words, no overlap, letters of any script, one row: equal to 1e-12."""
    assert_equal(rows)


@pytest.mark.parametrize("cells", [1, 700, blocks.CELLS])
def test_made_up_captions_score_as_there_whatever_fits_into_memory(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of one pair, of a few, and of as many as there are give the same values."""
    monkeypatch.setattr(blocks, "CELLS", cells)
    assert_equal(made_up(seed=1, rows=90, words=60, longest=25))


def test_texts_longer_than_a_machine_word_score_as_there() -> None:
    """A reference of more than 64 words is compared in full, also beside short ones."""
    assert_equal(made_up(seed=2, rows=12, words=30, longest=200))


def test_texts_too_long_for_tables_score_as_there() -> None:
    """A candidate of 4,000 words beside short references, and a long reference beside short ones, equal to 1e-12."""
    [(short, references), (other, _)] = made_up(seed=3, rows=2, words=30, longest=12)
    long = " ".join(candidate for candidate, _ in made_up(seed=4, rows=400, words=60, longest=20))
    assert_equal([(long, references), (short, [other, long]), (other, references)])


def test_memory_goes_with_the_number_of_words() -> None:
    """A caption of a megabyte is scored, and takes some kilobytes for each thousand words, not their square."""
    candidates, references = [" ".join(["a b c d"] * 50_000), "a x"], [["a b c d e", "q"], ["a y"]]
    tracemalloc.start()
    found = bleu(candidates, references)
    rouge, ciders = (metric(candidates, references) for metric in (rouge_l, cider))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000_000
    shares = np.array([4, 3, 2, 1]) / (200_000 - np.arange(4))
    np.testing.assert_allclose(found.captions[0], np.cumprod(shares) ** (1 / np.arange(1, 5)), rtol=1e-8)
    precision, recall = 4 / 200_000, 4 / 5
    assert rouge[0] == pytest.approx((1 + 1.44) * precision * recall / (recall + 1.44 * precision))
    assert ciders[0] == 0  # the difference of length alone leaves nothing


def test_references_that_rows_share_count_once_for_each_row() -> None:
    """Document frequencies go by the rows of the set, not by the different references in it."""
    shared = ["a man runs", "a man walks"]
    assert_equal([("a man runs", shared), ("a dog runs", shared), ("a cat", ["a cat sits"]), ("x y", shared)])


@pytest.mark.parametrize(
    ("candidate", "references"),
    [
        ("a b c d", ["a b c", "a b c d e"]),  # two lengths as close
        ("a b c d", ["a b c d e", "a b c"]),
        ("the the the the the", ["the cat is on the mat", "the the"]),
        ("x y z", ["a b c"]),
        ("", ["a b c"]),
        ("", [""]),
        ("", ["", "a"]),
        ("a", ["", "b"]),
        ("a", ["a"]),
        ("a  b", ["a b", " a b"]),
        ("a\tb", ["a\u00a0b", "a b"]),
    ],
)
def test_edges_score_as_there(candidate: str, references: list[str]) -> None:
    """Ties of reference length, clipping, no overlap, no words, odd spaces: alone and in a set of three."""
    assert_equal([(candidate, references)])
    assert_equal([(candidate, references), ("a b", ["a b c"]), ("q", ["r"])])


def test_a_tie_of_reference_lengths_goes_to_the_shorter() -> None:
    """Four words between references of three and five are not too short."""
    found = bleu(["a b c d"], [["a b c d e", "x y z"]])
    assert found.captions[0] == pytest.approx([1, 1, 1, 1])


def test_a_caption_without_words_is_zero_but_equals_one_without_words() -> None:
    """No words score 0; ROUGE-L finds the empty word of another text without words."""
    assert bleu([""], [["a"]]).captions.tolist() == [[0, 0, 0, 0]]
    assert rouge_l(["", ""], [["a"], [""]]).tolist() == [0, 1]
    assert cider(["", "a"], [["a b"], ["c"]]).tolist() == [0, 0]


def test_one_row_has_a_cider_of_zero() -> None:
    """The logarithm of one row is 0, so that every n-gram weighs nothing."""
    assert cider(["a man runs"], [["a man runs"]]).tolist() == [0]


def test_no_rows_have_no_values() -> None:
    """An empty set gives no caption's value, and a corpus's that is NaN."""
    found = bleu([], [])
    assert found.captions.shape == (0, 4)
    assert all(map(math.isnan, found.corpus))
    assert (len(rouge_l([], [])), len(cider([], []))) == (0, 0)


@pytest.mark.parametrize("metric", [bleu, rouge_l, cider])
@pytest.mark.parametrize("references", [[[]], []])
def test_a_candidate_without_references_is_refused(metric: object, references: Sequence[Sequence[str]]) -> None:
    """There is no value to give."""
    with pytest.raises(ValueError, match=r"no reference|0 sets of references"):
        metric(["a"], references)  # type: ignore[operator]
