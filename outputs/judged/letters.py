"""Which differences are significant, in letters: two models that share one are not told apart."""

from collections.abc import Collection, Sequence

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
MOST = 8  # letters that a reader can still compare


def shared_letters(names: Sequence[str], apart: Collection[frozenset[str]]) -> dict[str, str] | None:
    """Letters by name, None where they are too many; `names` stand in the order of their means, `apart` are pairs.

    Insert and absorb, after Piepho, An Algorithm for a Letter-Based Representation of All-Pairwise Comparisons (2004).
    """
    groups = [set(names)]
    for pair in sorted(map(sorted, apart)):
        groups = _absorbed([part for group in groups for part in _without(group, pair)])
        if len(groups) > 10 * MOST:
            return None
    ordered = sorted((group for group in groups if group), key=lambda group: sorted(map(names.index, group)))
    if len(ordered) > MOST:
        return None
    return {
        name: "".join(letter for letter, group in zip(_LETTERS, ordered, strict=False) if name in group)
        for name in names
    }


def _without(group: set[str], pair: Sequence[str]) -> list[set[str]]:
    return [group - {name} for name in pair] if set(pair) <= group else [group]


def _absorbed(groups: list[set[str]]) -> list[set[str]]:
    """Less those that are part of another."""
    kept: list[set[str]] = []
    for group in sorted(groups, key=len, reverse=True):
        if not any(group <= other for other in kept):
            kept.append(group)
    return kept
