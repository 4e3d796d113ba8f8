"""Search trees: where their nodes stand, what the table says of each, and which rows a node leads to."""

from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outputs.analysis_options import Options
from outputs.figures.drawing import svg
from outputs.figures.parts import Analysis, Part
from outputs.figures.search_nodes import search_nodes
from outputs.figures.search_tree import MOST_TREES, tree_parts
from outputs.figures.tree_drawing import MOST_LEAVES
from outputs.figures.tree_layout import tidy, without_circles
from outputs.identity.rates import rates_by
from outputs.identity_run import report_identity
from outputs.report import Report
from tests.harness.identity_runs import Asked, loaded, rows_of

NAMES = st.integers(0, 30).map(str)
FORESTS = st.dictionaries(NAMES, st.one_of(st.none(), NAMES), max_size=31)


def tried(node: str, iteration: int, hits: int, parent: str | None = "s1", **told: Any) -> list[Asked]:
    """An iteration of four questions through one template."""
    about = {"node": node, "parent": parent, "seed": "s1", "operator": "expand", "level": 1, **told}
    about.setdefault("template_sha256", f"{node:>016}")
    tree, target = about.pop("tree", 1), about.pop("target", "m")
    claims = (True if number < hits else "absent" for number in range(4))
    return [
        Asked(iteration, f"q{number}", number < hits, claim, target, tree, about) for number, claim in enumerate(claims)
    ]


def analysis(asked: list[Asked], folder: Path) -> Analysis:
    run = loaded(asked, folder)
    report = report_identity([run], Options())
    return Analysis([run], Report(report.tables, {"ice": report.document}, report.page))


def parts(asked: list[Asked], folder: Path) -> list[Part]:
    return list(tree_parts(analysis(asked, folder)))


def node(frame: pl.DataFrame, name: str) -> dict[str, Any]:
    [row] = frame.filter(pl.col("node") == name).iter_rows(named=True)
    return dict(row)


@given(FORESTS)
def test_no_two_nodes_stand_in_one_place(parents: dict[str, str | None]) -> None:
    """Whatever the tree is like, even where parents are missing or go round in a circle."""
    places = tidy(parents)
    assert list(places) == list(parents)
    assert len({(place.level, place.row) for place in places.values()}) == len(places)


@given(FORESTS)
def test_children_stand_one_level_to_the_right_and_around_their_parent(parents: dict[str, str | None]) -> None:
    """A parent is in the middle of the rows of its first and last child, and a leaf has a row of its own."""
    places, known = tidy(parents), without_circles(parents)
    for name, parent in known.items():
        assert places[name].level == (0 if parent is None else places[parent].level + 1)
    for parent in set(known.values()) - {None}:
        rows = [places[name].row for name, of in known.items() if of == parent]
        assert parent is not None
        assert places[parent].row == (min(rows) + max(rows)) / 2
    leaves = [place.row for place in places.values() if place.leaf]
    assert sorted(leaves) == list(range(len(leaves)))


def test_a_long_chain_is_laid_out() -> None:
    """A tree that is deeper than Python calls itself."""
    places = tidy({str(n): str(n - 1) if n else None for n in range(5000)})
    assert places["4999"].level == 4999


def test_a_node_has_what_came_of_its_rows() -> None:
    """Its share is that of the table of templates; a seed that nothing was asked through has none, rather than 0."""
    rows = rows_of([*tried("n1", 1, 3), *tried("n2", 2, 1, "n1", level=2), *tried("n3", 3, 0, "s2", seed="s2")])
    found = search_nodes(rows)
    assert found["node"].to_list() == ["n1", "n2", "n3", "s1", "s2"]
    by = rates_by(rows).filter(pl.col("by") == "template", pl.col("measure") == "loose")
    assert dict(by.select("value", "rate").iter_rows()) == dict(
        found.drop_nulls("loose").select("template", "loose").iter_rows()
    )
    assert (node(found, "s1")["loose"], node(found, "s1")["rows"], node(found, "s1")["parent"]) == (None, 0, None)


def test_what_nobody_could_judge_has_no_share() -> None:
    """A template all of whose judgements are unreadable is n/a in the table and in the picture."""
    asked = [Asked(1, "a", None, told={"node": "n1", "parent": "s1", "seed": "s1"})]
    assert node(search_nodes(rows_of(asked)), "n1")["loose"] is None


def test_visits_count_the_walks_that_went_through_a_template() -> None:
    """A new template's walk ended at its parent; an iteration that made none ended at the template it asked through."""
    asked = [*tried("n1", 1, 2), *tried("n2", 2, 1, "n1", level=2), *tried("n1", 3, 1), *tried("n4", 4, 0, "n2")]
    found = search_nodes(rows_of(asked))
    assert dict(found.select("node", "visits").iter_rows()) == {"n1": 3, "n2": 1, "n4": 0, "s1": 4}
    assert node(found, "n1")["iterations"] == 2
    assert node(found, "n1")["rows"] == 8


def test_a_node_leads_to_the_rows_that_were_asked_through_it(tmp_path: Path) -> None:
    """Its filter names the template as rows do, and selects as many as the table says."""
    asked = [*tried("n1", 1, 2), *tried("n2", 2, 1), *tried("n1", 3, 1)]
    [part] = parts(asked, tmp_path)
    called = {"n1": "t1-i1 n1", "n2": "t1-i2 n2"}
    counted = Counter(called[one.told["node"]] for one in asked)
    for row, where in zip(part.frame.iter_rows(named=True), part.filters, strict=True):
        assert (where is None) == (row["rows"] == 0)
        if where is not None:
            assert counted[str(where["template"])] == row["rows"]
            assert (where["run"], where["model"], where["stage"]) == ("r", "m", "ask")


def test_templates_of_one_text_lead_nowhere(tmp_path: Path) -> None:
    """Rows call two templates of the same text by one name: no filter selects those of one of them."""
    asked = [*tried("n1", 1, 2, template_sha256="a"), *tried("n2", 2, 1, template_sha256="a"), *tried("n3", 3, 1)]
    [part] = parts(asked, tmp_path)
    led = [row["node"] for row, where in zip(part.frame.iter_rows(named=True), part.filters, strict=True) if where]
    assert led == ["n3"]


def test_rows_that_tell_of_no_tree_have_no_part(tmp_path: Path) -> None:
    """Imported rows have a template each, and nobody says where it comes from."""
    told = {"node": "n1", "parent": None, "seed": None}
    assert not parts([Asked(1, "a", True, True, told=told)], tmp_path)
    assert not parts([Asked(1, "a", True, True)], tmp_path)


def test_of_many_trees_the_largest_are_drawn_and_all_are_listed(tmp_path: Path) -> None:
    """The largest comes first, and the list has every tree with the sums of its nodes."""
    asked = [one for tree in range(1, MOST_TREES + 3) for one in tried("n1", 1, 2, tree=tree)]
    asked += tried("n2", 2, 1, tree=4)
    found = parts(asked, tmp_path)
    assert [part.name for part in found] == [*(f"ice_tree_{n}" for n in range(1, MOST_TREES + 1)), "ice_trees"]
    assert found[0].title == "Search of m, tree 4"
    listed = found[-1].frame
    assert listed.height == MOST_TREES + 2
    assert (listed["rows"].sum(), listed["templates"].sum()) == (len(asked), MOST_TREES + 3)


def test_a_broad_tree_is_drawn_in_part_and_listed_whole(tmp_path: Path) -> None:
    """The branches with most conflicts are drawn, the note says so, and the table has all."""
    asked = [one for n in range(1, MOST_LEAVES + 11) for one in tried(f"n{n}", n, 1 + (n > 10))]
    [part] = parts(asked, tmp_path)
    assert part.frame.height == MOST_LEAVES + 11
    assert f"{MOST_LEAVES + 1} of {MOST_LEAVES + 11} templates" in part.note
    shown = drawn_texts(part)
    assert "n11  0.50" in shown
    assert "n1  0.25" not in shown


@pytest.mark.parametrize("hostile", ["</svg><script>alert(1)</script>", "a\x00\x1b[31m\u202eb", "datum.x; '\"", ""])
def test_hostile_names_of_templates_and_operators_are_text(tmp_path: Path, hostile: str) -> None:
    """The picture is XML in which they stand as text, with control characters as escapes."""
    [part] = parts([*tried(hostile, 1, 2, operator=hostile, seed=hostile), *tried("n2", 2, 1, hostile)], tmp_path)
    assert part.chart is not None
    root = ElementTree.fromstring(svg(part.chart))
    assert not [one for one in root.iter() if one.tag.endswith("script")]


def test_a_circle_of_parents_is_drawn(tmp_path: Path) -> None:
    """Metadata that nobody's search can have written make a picture all the same."""
    [part] = parts([*tried("n1", 1, 2, "n2"), *tried("n2", 2, 1, "n1")], tmp_path)
    assert part.frame.height == 2
    assert drawn_texts(part)


def drawn_texts(part: Part) -> set[str]:
    assert part.chart is not None
    root = ElementTree.fromstring(svg(part.chart))
    return {one.text or "" for one in root.iter() if one.tag.endswith("text")}
