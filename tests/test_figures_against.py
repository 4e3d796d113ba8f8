"""The section of a report that holds ICE against RSE: points with both intervals."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.text import Text

from outputs.analysis_options import Options
from outputs.figures.against import against_section
from outputs.figures.label_places import CORNERS, Named, corners
from outputs.figures.parts import Analysis, Section
from outputs.ice_against_rse import report_ice_against_rse
from outputs.identity.rates import rates_table
from outputs.judged_run import report_judged
from outputs.report import Report
from tests.harness.drawn import check_part, written_in
from tests.harness.identity_runs import rows_of, searched
from tests.harness.judgements import grid, judged_run

FEW = Options(resamples=100)
HOSTILE = "x/</text><script>alert(1)</script>&\x1b[31m'\""
MEASURES = ("loose", "strict", "hard")


def made(folder: Path, hits: Mapping[str, int], **more: Any) -> tuple[Analysis, Section | None]:
    """Targets with so many conflicts in ten, in two templates; judged answers of models of the same names."""
    means = {name: [1.0 + (some + place) % 5 for place in range(8)] for name, some in hits.items()}
    run = judged_run(folder / "run", grid(means, **more))
    judged = report_judged([run], FEW)
    rows = (row for name, some in hits.items() for row in searched([some, some // 2], name))
    ice = Report({"rates": rates_table(rows_of(rows))}, {}, Text(""))
    against = report_ice_against_rse(ice, judged)
    tables = {**judged.tables, **ice.tables, **(against.tables if against else {})}
    document = {"ice_against_rse": against.document} if against else {}
    found = Analysis([run], Report(tables, document, Text("")), FEW)
    section = against_section(found)
    for part in section.parts if section else ():
        check_part(part)
    return found, section


def test_each_measure_has_its_points_with_both_intervals(tmp_path: Path) -> None:
    """The numbers are those of RSE's means and ICE's rates."""
    found, section = made(tmp_path, {"a": 1, "p/b": 3, "c": 4})
    assert section is not None
    assert [part.name for part in section.parts][:3] == [f"ice_against_rse_{name}" for name in MEASURES]
    for part, measure in zip(section.parts[:3], MEASURES, strict=True):
        assert set(part.frame["model"]) == {"a", "p/b", "c"}
        for row in part.frame.to_dicts():
            (mean,) = found.table("means").filter(model=row["model"]).to_dicts()
            (rate,) = found.table("rates").filter(target=row["model"], measure=measure).to_dicts()
            assert [row[f"similarity{end}"] for end in ("", "_low", "_high")] == [
                mean["mean"], mean["low"], mean["high"]
            ]  # fmt: skip
            assert [row[f"rate{end}"] for end in ("", "_low", "_high")] == [rate["rate"], rate["low"], rate["high"]]
        assert {"a", "b", "c"} <= set(written_in(part))


def test_the_note_has_the_correlation(tmp_path: Path) -> None:
    """As in the table of correlations, with how many models it is over and what is to be known of it."""
    found, section = made(tmp_path, {"a": 1, "b": 3, "c": 4})
    assert section is not None
    (row,) = found.table("ice_against_rse_correlations").filter(measure="loose").to_dicts()
    note = section.parts[0].note
    assert f"over 3 models: Spearman {row['spearman']:.3f}, tau-b {row['tau_b']:.3f}, p {row['p']:.3f}" in note
    assert "only 3 models" in note
    assert section.parts[-1].frame["p"].to_list() == found.table("ice_against_rse_correlations")["p"].to_list()


def test_a_model_without_a_number_is_not_drawn_at_0(tmp_path: Path) -> None:
    """It is in the table without a number, and the note counts it."""
    rows = [*grid({"a": [3.0, 4.0], "b": [None, None], "c": [1.0, 2.0]})]
    run = judged_run(tmp_path / "run", rows)
    judged = report_judged([run], FEW)
    ice = Report({"rates": rates_table(rows_of(row for name in "abc" for row in searched([3], name)))}, {}, Text(""))
    against = report_ice_against_rse(ice, judged)
    assert against is not None
    tables = {**judged.tables, **ice.tables, **against.tables}
    section = against_section(Analysis([run], Report(tables, {}, Text("")), FEW))
    assert section is not None
    part = section.parts[0]
    assert part.frame.filter(model="b")["similarity"].to_list() == [None]
    assert "1 model without both numbers is not drawn" in part.note
    assert "b" not in written_in(part)


def test_a_point_leads_to_the_rows_of_both_evaluations(tmp_path: Path) -> None:
    """Judgements of the model's answers, and questions put to it, by what each of the two calls it."""
    _, section = made(tmp_path, {"a": 1, "b": 3})
    assert section is not None
    part = section.parts[0]
    assert list(part.filters) == [{"stage": "judge", "model": name} for name in part.frame["model"]]
    assert list(part.others) == [{"stage": "ask", "model": name} for name in part.frame["target"]]
    assert section.parts[-1].filters[0] == {"stage": "judge"}
    assert section.parts[-1].others[0] == {"stage": "ask"}


def test_names_of_points_that_are_close_do_not_overlap() -> None:
    """Each stands at a corner of its own; where there is none left the names have no room."""
    close = [Named(100.0 + 3 * place, 50.0, 20) for place in range(2)]
    first, second = corners(close)
    assert first is not None
    assert second is not None
    assert first != second
    assert corners([Named(100.0, 50.0, 20), Named(400.0, 300.0, 20)]) == [CORNERS[0]] * 2
    assert None in corners([Named(100.0, 50.0, 20)] * 9)


def test_points_that_are_the_same_have_numbers(tmp_path: Path) -> None:
    """Nine names at one place could not be read; the table has them by number."""
    run = judged_run(tmp_path / "run", [*grid({name: [3.0, 4.0] for name in "abcdefghi"})])
    judged = report_judged([run], FEW)
    rows = (row for name in "abcdefghi" for row in searched([3], name))
    ice = Report({"rates": rates_table(rows_of(rows))}, {}, Text(""))
    against = report_ice_against_rse(ice, judged)
    assert against is not None
    tables = {**judged.tables, **ice.tables, **against.tables}
    section = against_section(Analysis([run], Report(tables, {}, Text("")), FEW))
    assert section is not None
    assert section.parts[0].columns[0].heading == "Point"
    assert "a" not in written_in(section.parts[0])


def test_many_points_have_numbers(tmp_path: Path) -> None:
    """Names of forty would lie over one another: they are in the table, by number."""
    _, section = made(tmp_path, {f"m{place}": place % 9 for place in range(40)})
    assert section is not None
    part = section.parts[0]
    assert part.columns[0].heading == "Point"
    assert {str(place) for place in range(1, 41)} <= set(written_in(part))


def test_hostile_names_are_text(tmp_path: Path) -> None:
    """Markup and control characters are written, and nothing else happens."""
    _, section = made(tmp_path, {HOSTILE: 2, "a": 3})
    assert section is not None
    assert any("<script>" in text and "\\x1b" in text for text in written_in(section.parts[0]))
    for part in section.parts:
        if part.chart is not None:
            assert written_in(part)


def test_one_model_is_one_point(tmp_path: Path) -> None:
    """It is drawn; that there is no correlation is said."""
    _, section = made(tmp_path, {"a": 3})
    assert section is not None
    assert "Spearman n/a" in section.parts[0].note
    assert "a" in written_in(section.parts[0])


def test_of_several_judges_their_mean_is_drawn(tmp_path: Path) -> None:
    """The correlations by judge are in their table."""
    run = judged_run(tmp_path / "run", [
        row for judge in ("p/j", "p/k") for row in grid({"a": [3.0, 4.0], "b": [1.0, 2.0]}, judge=judge)
    ])  # fmt: skip
    judged = report_judged([run], FEW)
    ice = Report({"rates": rates_table(rows_of(row for name in "ab" for row in searched([3], name)))}, {}, Text(""))
    against = report_ice_against_rse(ice, judged)
    assert against is not None
    tables = {**judged.tables, **ice.tables, **against.tables}
    section = against_section(Analysis([run], Report(tables, {}, Text("")), FEW))
    assert section is not None
    assert len(section.parts) == 4
    assert section.parts[-1].frame.height == 9


def test_without_a_common_model_there_is_no_section(tmp_path: Path) -> None:
    """There is nothing to hold against each other."""
    assert against_section(Analysis([], Report({}, {}, Text("")))) is None
