"""The report as a file: it holds all it needs, every text in it is only text, and its rows are those of its numbers."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.api import run
from outputs.analysis_options import Options
from outputs.figures.parts import Column, Kind, Part, Section
from outputs.report_page.drawings import drawn
from outputs.report_page.embedding import block, embedded, read_embedded
from outputs.report_page.making import MOST_BYTES, Made, Wanted, make_report
from outputs.report_page.numbers import MOST_LINES, numbers_of
from outputs.report_page.rows import LONGEST_TEXT
from outputs.report_page.views import section_view
from tests.harness.hostile_runs import hostile_runs
from tests.harness.made_once import made_once
from tests.harness.payloads import PAYLOADS

EXAMPLES = Path(__file__).resolve().parents[1] / "jobs" / "examples"
QUICK = Options(resamples=100)
VOID = {"meta", "link", "img", "br", "hr", "input", "base", "wbr"}
TAGS = """html head meta title style body a header h1 h2 h3 p strong nav ul li main section div table caption thead
tbody tr th td span figure figcaption details summary pre code noscript label input button footer script svg g path rect
line text tspan circle defs clippath lineargradient stop"""
OURS = set(re.split(r"\s", TAGS))


@dataclass
class Page(HTMLParser):
    """What a browser makes of a page: its elements, the texts outside of scripts, and the content of scripts."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open and self.open[-1] == "script" else self.texts).append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def parsed(made: Made) -> Page:
    page = Page()
    page.feed(made.page.decode())
    page.close()
    assert page.open == []
    return page


def rows_of(made: Made) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    kept = read_embedded(made.page.decode(), "report-rows")
    return kept, [dict(zip(kept["columns"], row, strict=True)) for row in kept["rows"]]


@pytest.fixture
async def rse(tmp_path: Path) -> Path:
    assert (await run(EXAMPLES / "rse.toml", out=tmp_path / "rse")).exit_code == 0
    return tmp_path / "rse"


def void(_: object) -> None:
    """What was made stays where it is."""


_MADE: dict[Path, Made] = {}  # a fixture of the module would be made before METEOR is taken away


@pytest.fixture
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The report of runs all of whose texts are hostile."""
    folder = made_once(tmp_path_factory, "hostile-for-report", lambda place: void(hostile_runs(place)))
    if folder not in _MADE:
        _MADE[folder] = make_report(sorted((folder / "runs").iterdir()), Wanted(QUICK))
    return _MADE[folder]


async def test_the_page_has_all_it_needs_and_asks_for_nothing(rse: Path) -> None:
    """Its policy allows its one script and its one style by their hashes; no attribute names another file."""
    page = parsed(make_report([rse], Wanted(QUICK)))
    [policy] = [meta["content"] for meta in page.named("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    [script] = [one for one in page.scripts if "use strict" in one]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy is not None
    assert policy.startswith(f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'sha256-")
    assert "unsafe" not in policy
    for tag, attributes in page.elements:
        assert not {"src", "srcset", "style", "data", "action"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("href") or "#").startswith("#")


async def test_the_page_is_built_for_every_reader(rse: Path) -> None:
    """Figures are pictures with a sentence, tables have captions and headings, and headings go down by one."""
    page = parsed(make_report([rse], Wanted(QUICK)))
    pictures = [one for one in page.named("div") if one.get("role") == "img"]
    assert len(pictures) == len(page.named("figure")) == len(page.named("svg")) > 2
    assert all(one["aria-label"] for one in pictures)
    assert len(page.named("caption")) == len(page.named("table"))
    assert all(one.get("scope") in ("col", "row") for one in page.named("th"))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))
    targets = {one["href"] for one in page.named("a") if "?" not in str(one["href"])}
    assert {str(target)[1:] for target in targets} <= set(names)


async def test_a_line_says_how_many_rows_it_rests_on_and_they_are_those(rse: Path) -> None:
    """The number of a link is that of the rows of the run that its filter selects; all rows of a small run are in."""
    made = make_report([rse], Wanted(QUICK))
    kept, rows = rows_of(made)
    assert (made.rows, made.of, kept["total"], len(rows)) == (340, 340, 340, 340)
    part = next(part for part in made.sections[0].parts if part.name == "coverage")
    shown = block(made.page.decode(), "part-coverage") or ""
    for of in part.filters:
        assert of is not None
        matching = [row for row in rows if row["stage"] == of["stage"] and row["lane"] == of["lane"]]
        query = f"stage={of['stage']}&lane={str(of['lane']).replace('/', '%2F')}"
        assert kept["totals"][query] == len(matching) > 0
        assert f'href="#rows?{query.replace("&", "&amp;")}">{len(matching)}<' in shown


async def test_rows_are_sampled_by_the_seed_and_spread(rse: Path) -> None:
    """Forty of 340 rows are drawn: some of each stage and model, the same ones each time, and the page says so."""
    first, again = (make_report([rse], Wanted(QUICK, rows=40)) for _ in range(2))
    _, rows = rows_of(first)
    assert rows_of(again)[1] == rows
    assert rows_of(make_report([rse], Wanted(Options(resamples=100, seed=1), rows=40)))[1] != rows
    assert len({(row["stage"], row["lane"]) for row in rows}) == 5
    assert "40 of 340 rows are in this file" in first.page.decode()


def test_an_answer_of_a_million_characters_is_cut_and_the_page_stays_small(hostile: Made) -> None:
    """The page has the beginning of a very long text and says how long it is."""
    assert len(hostile.page) < MOST_BYTES
    texts = [text for row in rows_of(hostile)[1] for text in row["texts"]]
    [(title, text)] = [(title, text) for title, text in texts if text.startswith("AAAA")]
    assert len(text) == LONGEST_TEXT
    assert re.search(r"the first 6,000 of 1,000,0\d\d characters", title)


def test_hostile_texts_are_texts(hostile: Made) -> None:
    """Scripts, closing tags, attributes and templates in names, answers, datasets and failures add no element."""
    page = parsed(hostile)
    assert {tag for tag, _ in page.elements} <= OURS
    assert len(page.named("script")) == 3
    assert [one for _, one in page.elements if {"onerror", "onfocus", "autofocus", "onmouseover"} & set(one)] == []
    shown = "".join(page.texts)
    for name in ("script", "end of a script", "picture", "template", "attribute"):
        assert PAYLOADS[name] in shown
    assert "\\x202etxt.exe" in shown
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]", shown)


def test_hostile_answers_are_kept_as_they_were(hostile: Made) -> None:
    """What the rows' JSON says is the answer itself: nothing is lost to escaping, and nothing ends the element."""
    _, rows = rows_of(hostile)
    texts = "".join(text for row in rows for _, text in row["texts"])
    for payload in PAYLOADS.values():
        assert payload in texts


@given(st.recursive(st.text() | st.integers(-(2**53), 2**53) | st.none(), lambda inner: st.lists(inner, max_size=4)))
def test_embedded_json_is_read_back_and_has_no_character_of_markup(value: Any) -> None:
    """Whatever is embedded comes back, and no character of it can begin or end anything in HTML or JavaScript."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    text = embedded(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert read_embedded(f'<script type="application/json" id="x">{text}</script>', "x") == value


def test_a_drawing_keeps_shapes_and_texts_only() -> None:
    """A name that is markup is a text; ids begin with the part's name; there are no links, styles or handlers."""
    rows = [{"m": PAYLOADS[name], "v": 1.0} for name in ("drawing", "end of a script", "controls", "attribute")]
    data = alt.Data(values=rows)  # type: ignore[no-untyped-call]
    chart = alt.Chart(data).mark_bar(clip=True).encode(y="m:N", x="v:Q", href="m:N", color="v:Q")
    page = Page()
    page.feed(drawn(chart, "one"))
    assert {tag for tag, _ in page.elements} <= OURS
    assert [one for _, one in page.elements if {"style", "href", "xlink:href", "onload", "role"} & set(one)] == []
    identified = [str(one["id"]) for _, one in page.elements if "id" in one]
    assert identified
    assert all(name.startswith("one-") for name in identified)
    used = re.findall(r"url\(#([^)]+)\)", str(page.elements))
    assert set(used) <= set(identified)
    assert "<svg/onload=window.pwned=9" in "".join(page.texts)


def long_section(lines: int) -> Section:
    frame = pl.DataFrame({"name": [f"n{line}" for line in range(lines)], "value": [None, *[1.5] * (lines - 1)]})
    columns = [Column("name", "name"), Column("value", "value", Kind.NUMBER)]
    return Section("long", "Long", [Part("long", "Long", frame, columns, [{"item": "x"}] * lines)])


def test_a_long_table_is_cut_and_says_so() -> None:
    """The page shows the first lines and how many are left out; its numbers are those of the lines that it shows."""
    [part] = section_view(long_section(MOST_LINES + 7), lambda _: 3).parts
    assert (len(part.lines), part.left_out) == (MOST_LINES, 7)
    [numbers] = numbers_of([long_section(MOST_LINES + 7)])
    assert (numbers["lines"], len(numbers["rows"])) == (MOST_LINES + 7, MOST_LINES)


def test_what_is_not_defined_is_not_a_number() -> None:
    """An undefined value is written n/a and kept as null, never as 0; a filter without rows leads nowhere."""
    section = long_section(2)
    assert section_view(section, lambda _: 0).parts[0].lines[0].cells[1][0] == "n/a"
    assert section_view(section, lambda _: 0).parts[0].lines[0].rows == [(None, "0")]
    assert numbers_of([section])[0]["rows"][0] == ["n0", None]


def test_a_line_of_two_sides_has_two_links() -> None:
    """One to the rows of each, named apart; a side that is no set of rows has none."""
    frame = pl.DataFrame({"one": ["a"], "other": ["b"], "mean": [0.5]})
    columns = [Column("one", "Model"), Column("other", "Other"), Column("mean", "Mean", Kind.NUMBER)]
    part = Part("pair", "Pair", frame, columns, [{"model": "a"}], others=[{"model": "b"}])
    [view] = section_view(Section("s", "S", [part]), lambda of: 3 if of["model"] == "a" else 4).parts
    assert view.lines[0].rows == [("#rows?model=a", "3"), ("#rows?model=b", "4")]


def test_a_name_is_not_broken_and_a_sentence_is() -> None:
    """Also a long one of one word, as models have; only beyond any line's width it is."""
    name, words = "hf/meta-llama/Meta-Llama-3.1-70B-Instruct-AWQ-INT4", "a sentence of several words that is longer "
    frame = pl.DataFrame({"text": [name, "a/" * 100, words, words * 3]})
    part = Part("names", "Names", frame, [Column("text", "Text")])
    [view] = section_view(Section("s", "S", [part]), lambda _: 1).parts
    assert [line.cells[0][1] for line in view.lines] == ["s", "t", "", "t"]
