"""A page of the viewer as its elements and its text, as a browser would see them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_EMPTY = {"meta", "link", "img", "input", "br", "hr", "rect"}
# All that the pages of a row and of a comparison are made of.
KNOWN = {
    "html", "head", "meta", "title", "link", "script", "body", "a", "header", "nav", "b", "button", "kbd", "main", "h1",
    "h2", "h3", "p", "dialog", "dl", "dt", "dd", "form", "div", "section", "pre", "del", "ins", "table", "caption",
    "thead", "tbody", "tfoot", "tr", "th", "td", "code", "svg", "rect", "span", "bdi", "ol", "ul", "li", "details",
    "summary", "figure", "img", "figcaption", "em", "strong", "select", "option", "label", "noscript",
}  # fmt: skip


@dataclass(slots=True)
class Element:
    """A tag with its attributes, and the text inside of it."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""


@dataclass(slots=True)
class Parsed:
    """The elements of a page in their order."""

    elements: list[Element] = field(default_factory=list)

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """The elements of this tag with these attributes; `class_` for class."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            one
            for one in self.elements
            if one.tag == tag and all(one.attributes.get(name) == value for name, value in wanted.items())
        ]

    def texts(self, tag: str, **attributes: str) -> list[str]:
        """Their texts."""
        return [one.text for one in self.all(tag, **attributes)]

    @property
    def text(self) -> str:
        """All that is to be read."""
        return self.all("body")[0].text


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Parsed()
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.page.elements.append(element)
        if tag not in _EMPTY:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if any(element.tag == tag for element in self._open):
            while self._open.pop().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data


def parse(page: str) -> Parsed:
    """The page."""
    parser = _Parser()
    parser.feed(page)
    parser.close()
    return parser.page


def assert_harmless(page: str) -> Parsed:
    """Nothing but our own elements: no script or style inside of it, no handler, no address but a relative one."""
    found = parse(page)
    for one in found.elements:
        assert one.tag in KNOWN, one
        assert not any(name.startswith("on") or name == "style" for name in one.attributes), one
        for name in ("src", "href", "action"):
            address = one.attributes.get(name)
            assert address is None or (":" not in address and not address.startswith("//")), one
        assert one.tag != "script" or (one.text == "" and one.attributes.get("src")), one
    steering = [c for c in page if ord(c) < 32 and c not in "\n\t\r"] + [
        c for c in page if c in "\x7f\u202e\u2066\u2028"
    ]
    assert steering == []
    return found
