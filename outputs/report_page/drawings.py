"""Charts as parts of a page: SVG without what a page of many charts cannot have twice, or does not need."""

import re
from xml.etree import ElementTree

from outputs.figures.drawing import svg_for_page
from outputs.figures.parts import Chart

_SVG = "http://www.w3.org/2000/svg"
_ELEMENTS = frozenset({"svg", "g", "path", "rect", "line", "text", "tspan", "circle", "title", "defs", "clipPath"}) | {
    "linearGradient",
    "radialGradient",
    "stop",
    "ellipse",
    "polygon",
    "polyline",
}
_KEPT = re.compile(
    r"d|[xyr]|[xy][12]|c[xy]|r[xy]|f[xyr]|d[xy]|width|height|viewBox|points|transform|id|class|version|offset|display"
    r"|opacity|clip-path|clip-rule|gradientUnits|gradientTransform|pointer-events|text-anchor|dominant-baseline"
    r"|(fill|stroke|stop|font|text)(-[a-z]+)*"
)
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

ElementTree.register_namespace("", _SVG)


def drawn(chart: Chart, prefix: str) -> str:
    """The chart as SVG for a page. Its ids begin with `prefix`; it has shapes and texts, and nothing else.

    Roles and labels of single marks go: the picture as a whole is described where it stands.
    """
    tree = ElementTree.fromstring(_NO_XML.sub("�", svg_for_page(chart)))
    _clean(tree, prefix)
    tree.set("aria-hidden", "true")
    tree.set("focusable", "false")
    return ElementTree.tostring(tree, encoding="unicode")


def _clean(element: ElementTree.Element, prefix: str) -> None:
    for child in list(element):
        if _name(child) in _ELEMENTS:
            _clean(child, prefix)
        else:
            element.remove(child)
    for name, value in list(element.attrib.items()):
        if not _KEPT.fullmatch(name):
            del element.attrib[name]
        elif name == "id":
            element.set(name, f"{prefix}-{value}")
        elif "url(" in value:
            element.set(name, re.sub(r"url\(#", f"url(#{prefix}-", value))
        elif name == "class":
            del element.attrib[name]


def _name(element: ElementTree.Element) -> str:
    return str(element.tag).removeprefix(f"{{{_SVG}}}")
