"""Charts as they are drawn, for tests: what is written in them, and that nothing in them runs."""

from xml.etree import ElementTree

from outputs.figures.drawing import svg_for_page
from outputs.figures.parts import Part

_RUNS = {"script", "foreignObject", "iframe", "image", "a", "use", "style"}


def written_in(part: Part) -> list[str]:
    """The texts of a part's chart, which must be sound XML without anything that runs or is loaded."""
    assert part.chart is not None, part.name
    assert part.alt, part.name
    tree = ElementTree.fromstring(svg_for_page(part.chart))
    for element in tree.iter():
        assert element.tag.rpartition("}")[2] not in _RUNS, element.tag
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on"), name
            assert "javascript:" not in value.lower(), value
    return [element.text for element in tree.iter() if element.text and element.text.strip()]


def check_part(part: Part) -> None:
    """A part holds what it says: its columns are there, each line has its filter, and a chart says what it shows."""
    keys = [key for column in part.columns for key in (column.key, column.low, column.high) if key is not None]
    assert set(keys) <= set(part.frame.columns)
    assert len(part.filters) == part.frame.height
    assert part.frame.height > 0
    assert part.name == part.name.lower()
    assert bool(part.alt) == (part.chart is not None)
