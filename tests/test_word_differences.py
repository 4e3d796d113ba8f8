"""Which words of two texts differ: every text is shown whole, common words are found, and the work is bounded."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.viewing.word_differences import Passage, differences

WORDS = st.text(alphabet="ab.,é你 \n\t\u202e\x00", max_size=40)


def longest_common(ours: list[str], theirs: list[str]) -> int:
    """How many words two lists have in common in the same order, by the plain table."""
    above = [0] * (len(theirs) + 1)
    for word in ours:
        row = [0]
        for place, other in enumerate(theirs):
            row.append(above[place] + 1 if word == other else max(above[place + 1], row[place]))
        above = row
    return above[-1]


def kept(left: str, right: str) -> int:
    """How many words are shown as the same."""
    return sum(len(passage.left.split()) for passage in differences(left, right).passages if passage.same)


@given(WORDS, WORDS)
def test_nothing_is_lost_and_what_is_called_the_same_is(left: str, right: str) -> None:
    """The passages put together are both texts to a character; a passage that is the same differs in spaces alone."""
    found = differences(left, right)
    assert "".join(passage.left for passage in found.passages) == left
    assert "".join(passage.right for passage in found.passages) == right
    for passage in found.passages:
        assert not passage.same or "".join(passage.left.split()) == "".join(passage.right.split())


@given(st.lists(st.sampled_from("abcde"), max_size=30), st.lists(st.sampled_from("abcde"), max_size=30))
def test_as_many_words_are_the_same_as_can_be(ours: list[str], theirs: list[str]) -> None:
    """Of short texts the shortest edit is found: no longer sequence of common words exists."""
    assert kept(" ".join(ours), " ".join(theirs)) == longest_common(ours, theirs)


def test_one_word_that_was_changed_stands_alone() -> None:
    """The words around it are the same; a word is compared with its marks apart."""
    found = differences("The cat sat on the mat.", "The dog sat on the mat!")
    assert found.passages == (
        Passage(True, "The ", "The "),
        Passage(False, "cat ", "dog "),
        Passage(True, "sat on the mat", "sat on the mat"),
        Passage(False, ".", "!"),
    )
    assert found.whole
    assert not found.none


def test_marks_between_two_changes_are_no_passage_of_their_own() -> None:
    """A comma that happens to stand between other words on both sides is not shown as what the texts have in common."""
    assert differences("one, two", "eins, zwei").passages == (Passage(False, "one, two", "eins, zwei"),)


def test_scripts_without_spaces_are_compared_by_the_character() -> None:
    """A Chinese sentence is no single word."""
    found = differences("你好世界", "你们好世界")
    assert found.passages == (Passage(True, "你", "你"), Passage(False, "", "们"), Passage(True, "好世界", "好世界"))


def test_texts_that_differ_in_spaces_alone_have_the_same_words() -> None:
    """A line break in the place of a space is no other word; each side keeps its own."""
    found = differences("a b", "a\nb")
    assert found.none
    assert found.passages == (Passage(True, "a b", "a\nb"),)


def test_a_word_that_stands_once_ties_long_texts_together() -> None:
    """In long texts of common words, a changed word in the midst is found: what is around it is not replaced."""
    draw = random.Random(0)
    words = [draw.choice(["the", "of", "and", "to"]) for _ in range(5000)]
    for place in range(0, 5000, 50):
        words[place] = f"only{place}"
    changed = [*words[:2525], "CHANGED", *words[2526:]]
    found = differences(" ".join(words), " ".join(changed))
    assert [passage.right for passage in found.passages if not passage.same] == ["CHANGED "]
    assert found.whole


MEGABYTE = 1_000_000
HARD = {
    "common words": ("the of and to a in is it " * 40_000, "it is in a to and of the " * 40_000),
    "marks": ("!?" * (MEGABYTE // 2), "?!!" * (MEGABYTE // 3)),
    "two words": ("a " * (MEGABYTE // 2), "b a " * (MEGABYTE // 4)),
    "turned around": (" ".join(map(str, range(140_000))), " ".join(map(str, range(140_000, 0, -1)))),
    "one word": ("x" * MEGABYTE, "y" * MEGABYTE),
}


@pytest.mark.parametrize("case", HARD)
def test_a_megabyte_is_compared_in_bounded_work(case: str) -> None:
    """Texts made to be hard end in no time to speak of, and nothing of them is lost."""
    left, right = HARD[case]
    found = differences(left, right, most_steps=200_000)
    assert "".join(passage.left for passage in found.passages) == left
    assert "".join(passage.right for passage in found.passages) == right


def test_what_was_not_compared_is_said() -> None:
    """Where the work does not suffice, what is left counts as replaced, and `whole` is false."""
    found = differences("a b " * 1000 + "x", "b b a " * 1000 + "y", most_steps=10)
    assert not found.whole
    assert not found.none
