"""How charts look: one set of colours, sizes and fonts for the page, for print and for a paper.

Data colours are those of Okabe and Ito, which people with any colour vision tell apart, and which stand on light and on
dark ground. Ink, faint lines and ground are placeholders here: a page puts its own variables in their place.
"""

from collections.abc import Mapping, Sequence
from typing import Any

INK, FAINT, GROUND = "#1f2328", "#d0d7de", "#ffffff"
OKABE_ITO = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f")
HEAT = ("#f7fbff", "#c6dbef", "#6baed6", "#2171b5", "#08306b")  # low to high; cells have their values written in them
ON_LIGHT, ON_DARK = "#14181d", "#fdfdfd"  # ink in a cell of HEAT: a cell keeps its colour on every page
WIDTH = 560  # of a chart, CSS pixels, without axes
ROW = 22  # of a line of a chart with a line for each model
FONT = "Helvetica, Arial, sans-serif"


def colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name, in order of first appearance; repeated where there are more than eight."""
    listed = list(dict.fromkeys(names))
    return {name: OKABE_ITO[place % len(OKABE_ITO)] for place, name in enumerate(listed)}


def config() -> Mapping[str, Any]:
    """The Vega-Lite config of every chart."""
    text = {"labelColor": INK, "titleColor": INK, "labelFont": FONT, "titleFont": FONT}
    lines = {"gridColor": FAINT, "domainColor": FAINT, "tickColor": FAINT}
    return {
        "aria": False,  # a figure says in one sentence what it shows; names would be in each mark again
        "background": None,
        "font": FONT,
        "view": {"stroke": None},
        "axis": {**text, **lines, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"},
        "legend": {**text, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"},
        "header": {**text, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"},
        "title": {"color": INK, "font": FONT, "fontSize": 13},
        "text": {"color": INK, "font": FONT, "fontSize": 11},
        "rule": {"color": INK},
        "range": {"category": list(OKABE_ITO), "heatmap": list(HEAT)},
    }
