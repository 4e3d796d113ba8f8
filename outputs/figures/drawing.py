"""Charts as pictures: SVG for a page and for print, PDF and PNG for a paper. This needs no browser and no network."""

import re
from typing import Any

import vl_convert

from outputs.figures import theme
from outputs.figures.parts import Chart
from prompts.plain_text import plain_text

_PNG_PIXELS_PER_INCH = 300
_LONGEST_TEXT = 1000  # characters
_VARIABLES = {theme.INK: "var(--ink)", theme.FAINT: "var(--faint)", theme.GROUND: "var(--ground)"}


def specification(chart: Chart) -> dict[str, Any]:
    """The chart in Vega-Lite's JSON, with the theme; what cannot be printed is an escape in its texts."""
    made: dict[str, Any] = _in_print(chart.to_dict(context={"pre_transform": False}))
    made.pop("$schema", None)
    return {**made, "config": {**theme.config(), **_own(made)}}


def _in_print(value: Any) -> Any:
    """All texts in a value as they can be printed: at a control character the drawing library ends the process.

    Texts without an end are cut: measuring one takes minutes.
    """
    if isinstance(value, str):
        cut = value if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]}…"
        return cut if cut.isprintable() else "\n".join(map(plain_text, cut.split("\n")))
    if isinstance(value, dict):
        return {_in_print(name): _in_print(one) for name, one in value.items()}
    return [_in_print(one) for one in value] if isinstance(value, list) else value


def _own(made: dict[str, Any]) -> dict[str, Any]:
    """What the chart itself configures, but for altair's size of a view."""
    return {name: value for name, value in made.get("config", {}).items() if name != "view"}


def svg(chart: Chart) -> str:
    """The chart as SVG, dark on whatever is behind it. Nothing in it runs or is loaded."""
    return str(vl_convert.vegalite_to_svg(specification(chart), allowed_base_urls=[]))


def svg_for_page(chart: Chart) -> str:
    """The chart as SVG whose ink, faint lines and ground are the CSS variables --ink, --faint and --ground."""
    drawn = svg(chart)
    for colour, variable in _VARIABLES.items():
        drawn = re.sub(f'"{colour}"', f'"{variable}"', drawn, flags=re.IGNORECASE)
    return drawn


def pdf(chart: Chart) -> bytes:
    """The chart as PDF, its texts as text."""
    return bytes(vl_convert.vegalite_to_pdf(specification(chart), allowed_base_urls=[]))


def png(chart: Chart) -> bytes:
    """The chart as PNG on white, 300 pixels an inch."""
    made = specification(chart)
    made["config"] = {**made["config"], "background": theme.GROUND}
    return bytes(vl_convert.vegalite_to_png(made, ppi=_PNG_PIXELS_PER_INCH, scale=1, allowed_base_urls=[]))
