"""Reads scores that stand in marked places of a text, one place per dimension: what all such formats do alike.

A format says where the last place of a dimension is; what stands there is a score of the scale, or the answer is
unparseable: a later faulty place is not healed by an earlier score. Nothing here raises.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from prompts.expectation import score_at, token_bytes
from prompts.records import Completion, Outcome, Parsed, SampledToken, Score
from prompts.score_reading import cut_before, integer_fault, not_answered, score_key, without_logprobs

_EMPHASIS = " \t\r\n*_`"
_BETWEEN = r"(?:-|–|—|\bto\b|\bor\b|\.{2,3}|…)"


class Slot(NamedTuple):
    """What stands in one place, without space and emphasis around it, and where it starts, in characters."""

    content: str
    start: int


Finder = Callable[[str, str], Slot | None]  # the last slot in a text for a label


def slot_of(text: str, start: int, end: int) -> Slot:
    """The slot whose marks end at `start` and begin again at `end`."""
    inner = text[start:end]
    return Slot(inner.strip(_EMPHASIS), start + len(inner) - len(inner.lstrip(_EMPHASIS)))


def last_answer(slots: Iterable[Slot], scale: tuple[int, int]) -> Slot | None:
    """The last slot that does not repeat the form of the prompt, such as `0-100` or `0 or 1`, which is no answer."""
    form = _form(scale)
    last = None
    for slot in slots:
        if not form.fullmatch(slot.content):
            last = slot
    return last


@lru_cache(maxsize=64)
def _form(scale: tuple[int, int]) -> re.Pattern[str]:
    return re.compile(rf"{scale[0]}\s*{_BETWEEN}\s*{scale[1]}", re.IGNORECASE)


def read_slots(completion: Completion, labels: Sequence[str], scale: tuple[int, int], find: Finder) -> Parsed:
    """The scores of `labels` at the slots that `find` finds, integers of `scale` (both ends included), by their keys.

    An answer that was cut after its last score is OK.
    """
    if unanswered := not_answered(completion):
        return unanswered
    slots = {label: find(completion.text or "", label) for label in labels}
    missing = [score_key(label) for label, slot in slots.items() if slot is None]
    if missing and completion.finish_reason == "length":
        return cut_before(missing)
    faults = [fault for label, slot in slots.items() if (fault := _fault(label, slot, scale))]
    if faults:
        return Parsed(Outcome.UNPARSEABLE, reason="; ".join(faults))
    sampled = {label: int(slot.content) for label, slot in slots.items() if slot is not None}
    return Parsed(Outcome.OK, scores=_scores(sampled, completion.tokens or (), scale, find))


def _fault(label: str, slot: Slot | None, scale: tuple[int, int]) -> str | None:
    return integer_fault(score_key(label), None if slot is None else slot.content, scale)


def _scores(
    sampled: dict[str, int], tokens: Sequence[SampledToken], scale: tuple[int, int], find: Finder
) -> dict[str, Score]:
    if not tokens:
        return {score_key(label): without_logprobs(value) for label, value in sampled.items()}
    answer = b"".join(map(token_bytes, tokens)).decode("utf-8", "surrogateescape")

    def score(label: str, value: int) -> Score:
        """The score at the tokens that spell it; the sampled integer where they do not end on the same slot."""
        slot = find(answer, label)
        if slot is None or _fault(label, slot, scale) or int(slot.content) != value:
            return without_logprobs(value)
        start = len(answer[: slot.start].encode("utf-8", "surrogateescape"))
        return score_at(tokens, (start, start + len(slot.content)), scale)

    return {score_key(label): score(label, value) for label, value in sampled.items()}
