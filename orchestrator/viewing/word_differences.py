"""Which words of two texts differ: common ones are found by words that each text has once, then by the shortest edit.

The work is counted and bounded, whatever the texts are: what would take more is shown as replaced as a whole, and said
to be. Spaces are not compared: they go with the word before them.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MOST_STEPS = 1_000_000  # comparisons of words, or so: well under a second
_MOST_EDITS = 400  # of one gap between words that are told by their being there once
_SHORT = 40  # words of a gap, below which the shortest edit is looked for at once

# A word, one ideograph or syllable of a script that is written without spaces, or a mark; with the space behind it.
_UNSPACED = "\u0e00-\u0e7f\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"(?:[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]|\A(?=\s))\s*")


class Passage(NamedTuple):
    """A stretch of both texts: the same words, or others in their place (either may be empty)."""

    same: bool
    left: str
    right: str


class Differences(NamedTuple):
    """Two texts as passages in their order; `whole`: the work sufficed to compare all of them."""

    passages: tuple[Passage, ...]
    whole: bool

    @property
    def none(self) -> bool:
        """Whether the words are the same."""
        return all(passage.same for passage in self.passages)


class _Gap(NamedTuple):
    """Words of both texts that are yet to be compared: from, and up to, of either."""

    left: int
    left_end: int
    right: int
    right_end: int


def differences(left: str, right: str, most_steps: int = MOST_STEPS) -> Differences:
    """Which words of `right` are others than those of `left`."""
    ours, theirs = _WORD.findall(left), _WORD.findall(right)
    search = _Search([word.rstrip() for word in ours], [word.rstrip() for word in theirs], most_steps)
    passages = tuple(_readable(_passages(ours, theirs, search.pairs())))
    return Differences(passages, search.whole)


def _passages(left: Sequence[str], right: Sequence[str], pairs: Sequence[tuple[int, int]]) -> Iterator[Passage]:
    """The texts cut where words that are the same begin and end."""
    one = other = 0
    for start, start_right, length in [*_runs(pairs), (len(left), len(right), 0)]:
        if start > one or start_right > other:
            yield Passage(False, "".join(left[one:start]), "".join(right[other:start_right]))
        one, other = start + length, start_right + length
        if length:
            yield Passage(True, "".join(left[start:one]), "".join(right[start_right:other]))


def _runs(pairs: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Where words that are the same begin in either text, and how many follow one another."""
    start: tuple[int, int] | None = None
    length = 0
    for left, right in pairs:
        if start is not None and (left, right) == (start[0] + length, start[1] + length):
            length += 1
            continue
        if start is not None:
            yield *start, length
        start, length = (left, right), 1
    if start is not None:
        yield *start, length


def _readable(passages: Iterator[Passage]) -> Iterator[Passage]:
    """Marks alone that two changes have between them belong to the change: nobody reads confetti."""
    held: Passage | None = None  # a change, to which what follows may be added
    marks: Passage | None = None
    for passage in passages:
        if passage.same and held is not None and marks is None and not any(map(str.isalnum, passage.left)):
            marks = passage
        elif not passage.same and held is not None and marks is not None:
            held, marks = _joined(held, marks, passage), None
        else:
            yield from (one for one in (held, marks) if one is not None)
            held, marks = (None, None) if passage.same else (passage, None)
            if passage.same:
                yield passage
    yield from (one for one in (held, marks) if one is not None)


def _joined(*passages: Passage) -> Passage:
    return Passage(False, "".join(one.left for one in passages), "".join(one.right for one in passages))


@dataclass(slots=True)
class _Search:
    """The words that two texts have in common, in an order that both have."""

    left: list[str]
    right: list[str]
    steps: int  # that are left
    whole: bool = True
    _found: list[tuple[int, int]] = field(default_factory=list)

    def pairs(self) -> list[tuple[int, int]]:
        """Places of a word in both texts, rising in either."""
        gaps = [_Gap(0, len(self.left), 0, len(self.right))]
        while gaps:
            gap = self._trimmed(gaps.pop())
            if gap.left == gap.left_end or gap.right == gap.right_end:
                continue
            if self.steps <= 0:
                self.whole = False
            else:
                gaps += self._inner(gap)
        return sorted(self._found)

    def _inner(self, gap: _Gap) -> list[_Gap]:
        """The gaps that remain of one, between words that are in both once; none where its shortest edit was found."""
        size = gap.left_end - gap.left + gap.right_end - gap.right
        anchors = [] if size <= _SHORT else self._anchors(gap)
        if not anchors:
            self._found += self._shortest(gap)
            return []
        self._found += anchors
        ends = [*anchors, (gap.left_end, gap.right_end)]
        starts = [(gap.left, gap.right), *((one + 1, other + 1) for one, other in anchors)]
        return [_Gap(s[0], e[0], s[1], e[1]) for s, e in zip(starts, ends, strict=True)]

    def _trimmed(self, gap: _Gap) -> _Gap:
        """Without the words that are the same at its beginning and its end."""
        left, left_end, right, right_end = gap
        while left < left_end and right < right_end and self.left[left] == self.right[right]:
            self._found.append((left, right))
            left, right = left + 1, right + 1
        while left < left_end and right < right_end and self.left[left_end - 1] == self.right[right_end - 1]:
            left_end, right_end = left_end - 1, right_end - 1
            self._found.append((left_end, right_end))
        return _Gap(left, left_end, right, right_end)

    def _anchors(self, gap: _Gap) -> list[tuple[int, int]]:
        """Words that both sides of a gap have exactly once: as many as stand in the same order (patience)."""
        ours, theirs = self.left[gap.left : gap.left_end], self.right[gap.right : gap.right_end]
        self.steps -= len(ours) + len(theirs)
        once = {word for word, count in Counter(ours).items() if count == 1}
        once &= {word for word, count in Counter(theirs).items() if count == 1}
        place = {word: gap.right + number for number, word in enumerate(theirs) if word in once}
        return _rising([(gap.left + number, place[word]) for number, word in enumerate(ours) if word in once])

    def _shortest(self, gap: _Gap) -> list[tuple[int, int]]:
        """What is left standing by the shortest edit (Myers, 1986); nothing where that takes too many steps."""
        ours, theirs = self.left[gap.left : gap.left_end], self.right[gap.right : gap.right_end]
        reach = {1: 0}  # by diagonal, how far an edit of so many words gets in ours
        trace: list[dict[int, int]] = []
        for edits in range(min(len(ours) + len(theirs), _MOST_EDITS) + 1):
            trace.append(reach)
            reach = dict(reach)
            for diagonal in range(-edits, edits + 1, 2):
                at = _step(reach, diagonal, edits)
                begun = at
                while at < len(ours) and 0 <= at - diagonal < len(theirs) and ours[at] == theirs[at - diagonal]:
                    at += 1
                self.steps -= 1 + at - begun
                reach[diagonal] = at
                if at >= len(ours) and at - diagonal >= len(theirs):
                    return [(gap.left + one, gap.right + other) for one, other in _walked(trace, len(ours), diagonal)]
            if self.steps <= 0:
                break
        self.whole = False
        return []


def _down(reach: dict[int, int], diagonal: int, edits: int) -> bool:
    """Whether the edit that gets farthest on this diagonal ends with a word added, not with one left out."""
    return diagonal == -edits or (diagonal != edits and reach[diagonal - 1] < reach[diagonal + 1])


def _step(reach: dict[int, int], diagonal: int, edits: int) -> int:
    """Where that edit gets, before the words that are the same there."""
    return reach[diagonal + 1] if _down(reach, diagonal, edits) else reach[diagonal - 1] + 1


def _walked(trace: Sequence[dict[int, int]], at: int, diagonal: int) -> list[tuple[int, int]]:
    """The pairs on the way back from the end of both."""
    found = []
    for edits in range(len(trace) - 1, -1, -1):
        start = _step(trace[edits], diagonal, edits)
        while at > start:
            at -= 1
            found.append((at, at - diagonal))
        at, diagonal = (start, diagonal + 1) if _down(trace[edits], diagonal, edits) else (start - 1, diagonal - 1)
    return found[::-1]


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest part of `pairs` (rising in the first) that rises in the second as well."""
    tails: list[int] = []  # the least last place of a rising part of each length
    ends: list[int] = []  # which pair that is
    before: list[int] = []
    for number, (_, place) in enumerate(pairs):
        length = bisect_left(tails, place)
        before.append(ends[length - 1] if length else -1)
        tails[length : length + 1] = [place]
        ends[length : length + 1] = [number]
    found = []
    number = ends[-1] if ends else -1
    while number >= 0:
        found.append(pairs[number])
        number = before[number]
    return found[::-1]
