"""What the benchmarks compute from what they measure; nothing here looks at a clock."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def load(name: str) -> ModuleType:
    """A module of the benchmarks, which are scripts and no package."""
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ratios = load("ratios")
run_log = load("run_log")
scratch = load("scratch")


def write_log(folder: Path, name: str, *lines: dict[str, object]) -> None:
    (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_ratio_is_of_the_medians_and_its_range_is_by_round() -> None:
    """A round in which both were slow moves the range but not the ratio of the medians."""
    ratio = ratios.ratio_of([80.0, 90.0, 8.0], [100.0, 100.0, 20.0])
    assert (ratio.middle, ratio.low, ratio.high) == (0.8, 0.4, 0.9)


def test_rounds_must_match() -> None:
    """A round that only one of the two went through is an error."""
    with pytest.raises(ValueError, match="zip"):
        ratios.ratio_of([1.0, 2.0], [1.0])


def test_sending_time_is_from_the_last_start_to_its_stop() -> None:
    """Earlier sessions and other events in the same log do not count."""
    events = [("start", 1.0), ("stop", 2.0), ("start", 10.0), ("lane_stopped", 11.0), ("stop", 12.5)]
    assert run_log.sending_s(json.dumps({"event": name, "at": at}).encode() for name, at in events) == 2.5


@pytest.mark.parametrize("names", [(), ("start",), ("stop",), ("start", "stop", "start")])
def test_sending_time_needs_a_whole_session(names: tuple[str, ...]) -> None:
    """A log whose last start has no stop gives no time."""
    with pytest.raises(ValueError, match="no start with a stop"):
        run_log.sending_s(json.dumps({"event": name, "at": 1.0}).encode() for name in names)


def test_lane_time_leaves_other_lanes_out(tmp_path: Path) -> None:
    """The fast lane's time runs from its own first call to its own last answer."""
    write_log(tmp_path, "requests.jsonl", {"seq": 1, "provider": "slow"}, {"seq": 2, "provider": "fast"})
    write_log(tmp_path, "attempts.jsonl", {"request": 1, "at": 1.0}, {"request": 2, "at": 2.0})
    write_log(tmp_path, "responses.jsonl", {"request": 2, "at": 2.5}, {"request": 1, "at": 9.0})
    assert run_log.lane_s(tmp_path, "fast") == 0.5


def test_lane_time_needs_all_answers(tmp_path: Path) -> None:
    """A lane that is not finished has no time."""
    write_log(tmp_path, "requests.jsonl", {"seq": 1, "provider": "fast"}, {"seq": 2, "provider": "fast"})
    write_log(tmp_path, "attempts.jsonl", {"request": 1, "at": 1.0})
    write_log(tmp_path, "responses.jsonl", {"request": 1, "at": 2.0})
    with pytest.raises(ValueError, match="1 answers to 2 requests"):
        run_log.lane_s(tmp_path, "fast")


def test_file_system_is_that_of_the_nearest_mount() -> None:
    """The innermost mount over a folder decides, and of two on one point the later."""
    mounts = "/dev/a / ext4 rw 0 0\nx /tmp ext4 rw 0 0\nx /tmp tmpfs rw 0 0\nx /a\\040b xfs rw 0 0\n"
    folders = (Path("/home/x"), Path("/tmp/deep/er"), Path("/tmpx"), Path("/a b"))
    assert [scratch.file_system(folder, mounts) for folder in folders] == ["ext4", "tmpfs", "ext4", "xfs"]
