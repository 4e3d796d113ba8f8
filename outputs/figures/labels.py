"""What charts call things that are no models: as text that is safe to draw, short, and told apart."""

import math
from collections.abc import Iterable
from typing import Any

from outputs.figures.model_names import apart
from outputs.report import cut_names
from prompts.plain_text import plain_text

NOT_DEFINED = "n/a"


def text_labels(names: Iterable[str]) -> dict[str, str]:
    """Texts by what a chart calls them: control characters as escapes, so that an SVG can be read as XML."""
    plain = {name: plain_text(name) or NOT_DEFINED for name in dict.fromkeys(names)}
    cut = cut_names(plain.values())
    return apart({name: cut[one] for name, one in plain.items()})


def plotted(value: Any) -> Any:
    """A value as a chart takes it: None where it is not defined."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
