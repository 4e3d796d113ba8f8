"""What models and judges are called in charts and tables: short, in print, and no two alike."""

from collections.abc import Hashable, Iterable, Mapping
from itertools import chain, count
from typing import TypeVar

from outputs.report import cut_names, short_names
from prompts.plain_text import plain_text

Key = TypeVar("Key", bound=Hashable)
NO_MODEL = "(no model)"


def shown_names(names: Iterable[str]) -> dict[str, str]:
    """Names without the provider, as far as that tells them apart, with what cannot be printed as escapes."""
    short = short_names(dict.fromkeys(names))
    plain = {name: plain_text(one) or NO_MODEL for name, one in short.items()}
    cut = cut_names(plain.values())
    return apart({name: cut[one] for name, one in plain.items()})


def apart(shown: Mapping[Key, str]) -> dict[Key, str]:
    """The same with a number where two would look alike, such as an escape and the same written out."""
    found: dict[Key, str] = {}
    for key, one in shown.items():
        more = (f"{one} ({number})" for number in count(2))
        found[key] = next(each for each in chain([one], more) if each not in found.values())
    return found
