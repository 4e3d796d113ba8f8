"""Rows that wait, by number."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.batching.row_queue import RowQueue

ROWS = st.lists(st.integers(0, 2**32 - 1), max_size=6)
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "add_first", "pop", "take_all", "drop", "upcoming"]), ROWS), max_size=30
)


@given(STEPS)
def test_it_is_a_queue_into_which_rows_can_be_put_back(steps: list[tuple[str, list[int]]]) -> None:
    """Whatever is done with it, it holds the same rows as a plain double-ended queue, in the same order."""
    queue, plain = RowQueue(), deque[int]()
    for what, rows in steps:
        match what:
            case "add":
                for row in rows:
                    queue.add(row)
                plain.extend(rows)
            case "add_first":
                queue.add_first(rows)
                plain.extendleft(reversed(rows))
            case "pop" if plain:
                assert queue.pop() == plain.popleft()
            case "take_all":
                assert list(queue.take_all()) == list(plain)
                plain.clear()
            case "drop":
                odd = sum(row % 2 for row in plain)
                assert queue.drop(lambda row: row % 2 == 1) == odd
                plain = deque(row for row in plain if row % 2 == 0)
            case "upcoming":
                assert list(queue.upcoming(len(rows))) == list(plain)[: len(rows)]
        assert (len(queue), bool(queue)) == (len(plain), bool(plain))


def test_a_row_takes_four_bytes() -> None:
    """A million rows wait in four megabytes."""
    queue = RowQueue()
    for row in range(1000):
        queue.add(row)
    assert queue.upcoming(1000).itemsize == 4  # type: ignore[attr-defined]  # of the array that it is
