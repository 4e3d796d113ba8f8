"""What of a provider's limits is used, and what refused, in virtual time; the long versions: benchmarks/limits.py."""

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.harness.rate_case import Case, Seen
from tests.harness.rate_lab import measure

TOLD = {"rpm": 600.0, "tpm": 200_000.0}
TOKENS_BIND = Case(prompt_tokens=(200, 1500), warm_up_s=60.0, measured_s=120.0)
MIXED = Case(warm_up_s=60.0, measured_s=90.0)
BLIND = Case(tpm=None, headers=False, warm_up_s=120.0, measured_s=120.0)
FAST = Case(rpm=60_000.0, tpm=None, latency_s=(0.05, 0.3), concurrency=512, warm_up_s=8.0, measured_s=4.0)


def calls_in(seen: Seen, start: float, end: float) -> list[list[float]]:
    """By lane."""
    return [[at for at in lane if start <= at < end] for lane in seen.calls_at]


@pytest.mark.parametrize("case", [MIXED, TOKENS_BIND, replace(MIXED, burst_s=5.0), FAST])
def test_headers_tell_the_limit_and_it_is_kept_to(case: Case) -> None:
    """A lane that learns its limit from headers uses at least 0.95 of it and is hardly ever refused."""
    seen = measure(case)
    assert seen.use >= 0.95
    assert seen.refused_share < 0.01


@pytest.mark.parametrize("case", [MIXED, TOKENS_BIND, replace(TOKENS_BIND, headers=False)])
def test_a_limit_that_was_told_is_used_and_never_passed(case: Case) -> None:
    """At least 0.98 of it, and not one refusal."""
    seen = measure(replace(case, told=TOLD))
    assert seen.use >= 0.98
    assert len(seen.refused_at) == 0


@pytest.mark.parametrize(
    "case",
    [
        BLIND,
        replace(BLIND, retry_after=False),
        replace(BLIND, burst_s=1.0),
        replace(BLIND, tpm=200_000.0, prompt_tokens=(200, 1500)),
        replace(FAST, headers=False, burst_s=1.0),
    ],
)
def test_without_headers_a_rate_is_learned_from_refusals(case: Case) -> None:
    """At least 0.9 of the limit, whatever the provider lets in at once, and less than 3 % refused."""
    seen = measure(case)
    assert seen.use >= 0.9
    assert seen.refused_share < 0.03


@pytest.mark.parametrize("headers", [True, False])
def test_a_limit_that_is_halved_is_followed(headers: bool) -> None:
    """Half a minute later the new limit is used to 0.9, with few refusals."""
    case = replace(MIXED, headers=headers, tpm=200_000.0 if headers else None, burst_s=5.0)
    seen = measure(replace(case, change_at_s=60.0, change=0.5, warm_up_s=90.0, measured_s=240.0))
    assert 0.9 <= seen.use <= 1.1
    assert seen.refused_share < 0.03


@pytest.mark.parametrize("told", [{}, TOLD])
def test_two_lanes_share_a_limit(told: dict[str, float]) -> None:
    """Both get their half, and nothing is refused."""
    seen = measure(replace(TOKENS_BIND, lanes=2, told=told))
    assert seen.use >= 0.95
    assert seen.smallest_share >= 0.4
    assert len(seen.refused_at) == 0


@pytest.mark.parametrize("after_s", [0.0, 30.0])
def test_two_processes_on_one_key_share_what_headers_tell(after_s: float) -> None:
    """They know nothing of each other; the one that comes later gets its share too."""
    seen = measure(replace(TOKENS_BIND, processes=2, starts_after_s=after_s, warm_up_s=120.0, measured_s=180.0))
    assert seen.use >= 0.9
    assert seen.refused_share < 0.02
    assert seen.smallest_share >= 0.4


@pytest.mark.parametrize("retry_after", [True, False])
def test_a_storm_is_met_with_one_probe_a_cooldown(retry_after: bool) -> None:
    """Twenty minutes of refusals: a lane probes once a cooldown, lanes do not probe together, and then all is well."""
    storm = Case(
        storm_s=(60.0, 1260.0), processes=4, concurrency=32, headers=False, retry_after=retry_after, tpm=None, rpm=240.0
    )
    seen = measure(replace(storm, warm_up_s=1260.0, measured_s=120.0))
    probes = calls_in(seen, 65.0, 1260.0)
    if retry_after:
        assert all(later - at >= 5.0 for lane in probes for at, later in pairwise(lane))
    assert all(len(lane) <= 1200 / (5 if retry_after else 60) + 10 for lane in probes)
    moments = [round(at, 1) for lane in probes for at in lane]
    assert max(moments.count(moment) for moment in moments) < 4
    assert seen.accepted_between(1320.0, 1380.0) >= 0.85 * 240


def test_odd_refusals_do_not_bring_the_pace_down() -> None:
    """One call in a hundred is refused for no reason: the pace stays near the limit."""
    for case in (replace(BLIND, warm_up_s=180.0, measured_s=300.0), replace(MIXED, prompt_tokens=(200, 1500))):
        seen = measure(replace(case, refused_anyway=0.01))
        assert seen.use >= 0.65
        assert seen.refused_share < 0.03


@pytest.mark.parametrize("told", [{}, TOLD])
def test_a_row_larger_than_a_minute_goes_and_so_do_the_others(told: dict[str, float]) -> None:
    """It waits for a full bucket, borrows, and neither hangs nor starves those behind it."""
    seen = measure(Case(huge=(200, 250_000), told=told, measured_s=900.0))
    assert seen.largest == 250_000
    assert seen.accepted >= 600
    assert seen.use >= 0.7


@pytest.mark.parametrize("told", [{}, TOLD])
def test_huge_rows_and_small_rows_both_go_on(told: dict[str, float]) -> None:
    """Two lanes under one bucket: neither is starved by the other."""
    seen = measure(replace(MIXED, lanes=2, by_lane=((5_000, 30_000), (20, 100)), told=told, measured_s=180.0))
    assert min(seen.by_lane) >= 5
    assert seen.use >= 0.9


def test_windows_that_begin_anew_are_used() -> None:
    """Where what remains falls to the end of a window and then jumps back, the pace stays even."""
    seen = measure(replace(TOKENS_BIND, window_s=60.0, headers=True))
    assert seen.use >= 0.9
    assert seen.refused_share < 0.01


def test_the_same_case_gives_the_same() -> None:
    """Nothing in the lab depends on the real time or on chance."""
    case = replace(TOKENS_BIND, headers=False, retry_after=False)
    assert measure(case) == measure(case)
