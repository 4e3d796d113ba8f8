"""What the benchmarks of the limits make of logs and of what was seen; nothing here looks at a clock."""

import importlib
from array import array
from types import ModuleType

import pytest

from tests.harness.rate_case import Case, Seen
from tests.test_benchmarks import BENCHMARKS


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A script of the benchmarks, with its neighbours to import from."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module(name)


def line(at: float, status: int, row: int) -> str:
    return f'{at:.3f} {status} {{\\"model\\":\\"m\\",\\"content\\":\\"{row}: A dog\\"}}\n'


def test_a_servers_log_tells_use_refusals_and_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first 200 to the last; a row that was served twice counts, and one that never was is lost."""
    lines = [line(row / 50, 200, row) for row in range(51)] + [line(0.5, 429, 60), line(0.99, 200, 3)]
    judged = load("nginx_limit", monkeypatch).judge_lines(lines, 53)
    assert judged.use == pytest.approx(0.51)
    assert judged.refused == pytest.approx(1 / 53)
    assert (judged.lost, judged.twice) == (2, 1)


def test_runs_are_measured_while_all_of_them_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """From when the last one is warm to when the first one has nearly all its answers; the share is of the least."""
    runs = load("limited_runs", monkeypatch)
    slow = [runs.Answer(100.0 + second, 10) for second in range(300)]
    fast = [runs.Answer(100.0 + second / 3, 10) for second in range(900)]
    ran = runs.ran([slow, fast], 12, runs.Limits(240.0, 1e9))
    assert ran.use == pytest.approx(1.0, rel=0.02)
    assert ran.share == pytest.approx(0.25, rel=0.02)
    assert ran.refused == pytest.approx(12 / 1212)


def test_too_short_a_run_gives_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was never warm."""
    runs = load("limited_runs", monkeypatch)
    with pytest.raises(ValueError, match="more rows"):
        runs.ran([[runs.Answer(float(second), 1) for second in range(60)]], 0, runs.Limits(60.0, 60.0))


def test_a_storm_is_judged_by_who_calls_when(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes before their time, lanes that probe together, and the time until full speed."""
    findings = load("limit_findings", monkeypatch)
    case = Case(rpm=60.0, processes=2, storm_s=(0.0, 100.0), warm_up_s=100.0, measured_s=60.0)
    seen = Seen.nothing(2)
    seen.calls_at = [array("d", [10.0, 16.0, 18.0]), array("d", [10.05, 30.0])]
    seen.accepted_at = [array("d", [100.0 + second for second in range(20, 60)]), array("d")]
    assert findings.early(case, seen) == 1
    assert findings.together(case, seen) == 1.0
    assert findings.back_s(case, seen) == 19.0


def test_every_target_can_be_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little used, too much refused, too small a share, a large row that never went, too late a return."""
    findings, cases = load("limit_findings", monkeypatch), load("limit_cases", monkeypatch)
    target = cases.Scenario("", Case(), use=0.9, refused=0.01, share=0.4, back_s=60.0, largest=100)
    good = findings.Finding(use=0.95, refused=0.0, share=0.5, largest=100, back_s=10.0, together=0.5, early=0)
    assert not good.misses(target)
    for worse in (
        {"use": 0.89},
        {"refused": 0.02},
        {"share": 0.3},
        {"largest": 99},
        {"back_s": 61.0},
        {"together": 0.6},
        {"early": 1},
    ):
        fields = {name: getattr(good, name) for name in findings.Finding.__slots__} | worse
        assert findings.Finding(**fields).misses(target), worse
