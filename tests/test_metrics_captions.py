"""The classic metrics of items: what is scored, what is left out and what is absent, with its reason."""

import math

import pytest

from outputs.items import Item
from outputs.metrics import captions as module
from outputs.metrics.bleu import bleu
from outputs.metrics.captions import METRICS, NO_CANDIDATE, NO_REFERENCES, NOTHING, ONE_ROW, caption_metrics
from outputs.metrics.cider import cider
from outputs.metrics.meteor import Meteor, MeteorMissing
from outputs.metrics.rouge import rouge_l

REFERENCES = ("A man, riding.", "A man rides a horse.")
ITEMS = (
    Item(item="one", candidate="A man rides a horse.", references=REFERENCES),
    Item(item="two", candidate="Two dogs!", references=REFERENCES),
    Item(item="three", candidate="A cat sits.", references=("The cat is sitting.",)),
)


@pytest.fixture(autouse=True)
def no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """METEOR takes seconds to start; its own tests are elsewhere."""

    def missing(candidates: list[str], references: list[tuple[str, ...]]) -> Meteor:
        raise MeteorMissing("not here")

    monkeypatch.setattr(module, "meteor_with_corpus", missing)


def test_values_are_those_of_the_tokenised_texts() -> None:
    """Each metric has a value for each item, from tokens, and one of the set; METEOR is absent with its reason."""
    found = caption_metrics(ITEMS)
    tokens = ["a man rides a horse", "two dogs", "a cat sits"]
    shared = ["a man riding", "a man rides a horse"]
    references = [shared, shared, ["the cat is sitting"]]
    by_metric = {name: found.values.filter(metric=name)["value"].to_list() for name in METRICS}
    assert by_metric["CIDEr"] == cider(tokens, references).tolist()
    assert by_metric["ROUGE-L"] == rouge_l(tokens, references).tolist()
    assert by_metric["BLEU-3"] == bleu(tokens, references).captions[:, 2].tolist()
    assert found.values["item"].to_list() == ["one", "two", "three"] * 6
    assert found.corpus["BLEU-2"] == bleu(tokens, references).corpus[1]
    assert found.corpus["CIDEr"] == pytest.approx(cider(tokens, references).mean())
    assert (by_metric["METEOR"], found.absent, found.left_out) == ([], {"METEOR": "not here"}, {})
    assert "METEOR" not in found.corpus


def test_items_without_a_candidate_or_references_are_counted_not_scored() -> None:
    """What was never said is no caption of no words: it is left out, with the number of them."""
    without = (Item(item="a", references=("x",)), Item(item="b", candidate="x"), Item(item="c"))
    found = caption_metrics((*ITEMS, *without))
    assert found.left_out == {NO_CANDIDATE: 2, NO_REFERENCES: 1}
    assert found.values.equals(caption_metrics(ITEMS).values)


def test_a_caption_of_punctuation_only_is_scored_as_one_of_no_words() -> None:
    """It was said, so its zeros count in the set's means."""
    found = caption_metrics((*ITEMS, Item(item="dots", candidate="...", references=("A cat.",))))
    assert found.values.filter(item="dots")["value"].to_list() == [0] * 6
    assert found.corpus["ROUGE-L"] < caption_metrics(ITEMS).corpus["ROUGE-L"]
    same = caption_metrics((*ITEMS, Item(item="dots", candidate="...", references=("A cat.", "!"))))
    assert same.values.filter(item="dots", metric="ROUGE-L")["value"].to_list() == [1]


def test_one_caption_has_no_cider() -> None:
    """A set of one row has no document frequencies, and no 0 stands for that."""
    found = caption_metrics(ITEMS[:1])
    assert found.absent["CIDEr"] == ONE_ROW
    assert "CIDEr" not in found.corpus
    assert found.values["metric"].unique().sort().to_list() == ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L"]


@pytest.mark.parametrize("items", [(), (Item(item="prompt"),)])
def test_where_nothing_can_be_scored_every_metric_is_absent(items: tuple[Item, ...]) -> None:
    """An empty run has an empty table of the same columns and no value of the set."""
    found = caption_metrics(items)
    assert found.values.schema == caption_metrics(ITEMS).values.schema
    assert (found.values.height, found.corpus, found.absent) == (0, {}, dict.fromkeys(METRICS, NOTHING))


def test_meteor_stands_beside_the_others_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its values come from the same tokens, and the set's value is its own, not a mean."""
    monkeypatch.setattr(module, "meteor_with_corpus", lambda c, r: Meteor(bleu(c, r).captions[:, 0], 0.25))
    found = caption_metrics(ITEMS)
    assert found.values.filter(metric="METEOR")["value"].equals(found.values.filter(metric="BLEU-1")["value"])
    assert (found.corpus["METEOR"], found.absent) == (0.25, {})
    assert all(map(math.isfinite, found.corpus.values()))
