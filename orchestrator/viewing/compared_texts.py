"""Texts beside or after one another with their differences marked: answers of a pair, templates of a chain."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.viewing.excerpts import Excerpt, Sheet, short
from orchestrator.viewing.word_differences import MOST_STEPS, Differences, Passage, differences
from outputs.browsing.ancestry import Ancestor
from outputs.browsing.related import Side

_MOST_TURNS = 40
_MOST_STEPS_BACK = 60


@dataclass(frozen=True, slots=True)
class Column:
    """One of two texts: whose it is, and where its row is (None where there is no address to it)."""

    title: str
    name: str
    link: str | None
    text: Excerpt | None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts as passages, and what is to be said of them; or one text, where there is no other."""

    title: str
    columns: tuple[Column, ...]
    passages: tuple[Passage, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Step:
    """A template of a chain; `differences` to the one that it was made of, or else its `text`, where they are known."""

    title: str
    about: str
    request: int | None
    text: Excerpt | None
    differences: Differences | None = None


def pair_of(title: str, left: Column, right: Column, most_steps: int = MOST_STEPS) -> Pair:
    """Two texts compared, as far as they are shown."""
    if left.text is None or right.text is None:
        return Pair(title, (left, right), (), "Of one of them there is no text to compare.")
    found = differences(left.text.text, right.text.text, most_steps)
    return Pair(title, (left, right), found.passages, _note(left.text, right.text, found))


def _note(left: Excerpt, right: Excerpt, found: Differences) -> str:
    shown = " as far as they are shown" if left.cut or right.cut else ""
    if found.none:
        return f"The same {'text' if left.text == right.text else 'words'}{shown}."
    if not found.whole:
        return "Too different to be compared in full: what is marked may be more than what differs."
    return f"Words of the first that are not in the second are struck through, those of the second underlined{shown}."


def pairs_of(sides: Sequence[Side], sheet: Sheet) -> list[Pair]:
    """What a judgement is about: a pair for each turn, the two answers in the order in which the judge saw them."""
    turns = min(max((len(side.texts) for side in sides), default=0), _MOST_TURNS)
    return [_turn(sides, number, turns, sheet) for number in range(turns)]


def _turn(sides: Sequence[Side], number: int, turns: int, sheet: Sheet) -> Pair:
    columns = tuple(_column(side, place, number, sheet) for place, side in enumerate(sides))
    title = f"Turn {number + 1}" if turns > 1 else ""
    if len(columns) != 2:
        return Pair(title, columns, (), "")
    return pair_of(title, columns[0], columns[1], MOST_STEPS // turns)


def _column(side: Side, place: int, number: int, sheet: Sheet) -> Column:
    text = side.texts[number] if number < len(side.texts) else None
    request = side.requests[number] if number < len(side.requests) else None
    title = ("First", "Second")[place] + (", the reference" if side.is_reference else "")
    link = None if request is None else str(request)
    return Column(title, short(side.model), link, None if text is None else sheet.excerpt(text))


def steps_of(chain: Sequence[Ancestor], sheet: Sheet) -> list[Step]:
    """The last templates of a chain, each with its differences to the one before."""
    return list(_steps(chain[-_MOST_STEPS_BACK:], sheet))


def _steps(chain: Sequence[Ancestor], sheet: Sheet) -> Iterator[Step]:
    before: Excerpt | None = None
    for one in chain:
        text = None if one.text is None else sheet.excerpt(one.text)
        found = None
        if before is not None and text is not None:
            found = differences(before.text, text.text, MOST_STEPS // len(chain))
        yield Step(short(one.node), _how(one), one.request, text, found)
        before = text


def _how(one: Ancestor) -> str:
    """Level, operator and iteration, as far as they are known."""
    told = [
        _made(one),
        "" if one.level is None else f"level {one.level}",
        "" if one.iteration is None else f"iteration {one.iteration}",
    ]
    return ", ".join(text for text in told if text)


def _made(one: Ancestor) -> str:
    if one.operator is None:
        return "a seed" if one.level == 0 else "nobody said what it was made of"
    made = f"by {short(one.operator)}"
    return made if one.partner is None else f"{made} with {short(one.partner)}"
