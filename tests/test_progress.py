"""What a run is doing, as numbers and as a line."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.amounts import duration, money
from orchestrator.budget import Budget, Caps
from orchestrator.display import line
from orchestrator.progress import Watcher
from outputs.fold import RunState
from tests.harness.lanes import make_lane


def _engine(rows: int) -> Any:
    state = RunState()
    lane = state.lane_number("p", "m")
    for row in range(rows):
        state.add_request(row + 1, 0, lane)
    batching = SimpleNamespace(note=lambda _: "")
    return SimpleNamespace(
        state=state,
        lanes={0: make_lane()},
        stopping=None,
        budget=Budget(Caps()),
        deadline=None,
        about={},
        batching=batching,
    )


def test_rate_and_time_left_come_from_what_was_done_lately() -> None:
    """Ten answers in five seconds are two a second, and forty more take twenty seconds."""
    engine = _engine(50)
    watcher = Watcher(cast("Any", engine), simulated=True)
    watcher.look(100.0)
    for row in range(10):
        engine.state.answer(row, row + 100, None, 0.5)
    progress = watcher.look(105.0)
    assert (progress.total.rate, progress.total.eta_s) == (2.0, 20.0)
    assert line(progress).startswith(
        "[simulated] 10/50 answered, 0 failed, 0 in flight, 2.0/s, 0 tokens, $5.00, 20s left"
    )


def test_nothing_done_means_no_time_left_is_claimed() -> None:
    """Without progress there is no estimate."""
    progress = Watcher(_engine(5), simulated=False).look(1.0)
    assert progress.total.eta_s is None
    assert "? left" in line(progress)


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "?"), (0.0, "0s"), (59.4, "59s"), (60.0, "1m00s"), (3725.0, "1h02m")]
)
def test_durations_read_as_people_say_them(seconds: float | None, text: str) -> None:
    """Seconds, minutes or hours."""
    assert duration(seconds) == text


def test_unpriced_answers_are_shown_beside_the_cost() -> None:
    """A cost that is not whole says so."""
    assert money(1.5, 3) == "$1.50 + 3 unpriced"
    assert money(0.00123) == "$0.0012"
    assert money(0.0, 3) == "3 unpriced"
