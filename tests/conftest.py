"""What holds for all tests, and fixtures that several test files share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from outputs.metrics import meteor
from tests.harness.browser import Chromium, chromium
from tests.harness.loopback import Loopback
from tests.harness.workplace import Workplace

settings.register_profile("any machine", deadline=None)  # no test is lost to a machine that is busy
settings.load_profile("any machine")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are cores: a third of the tests' time is waiting, for children and for clocks."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files marked `long` start first, so that no worker is left alone with one of them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(autouse=True)
def without_meteor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """METEOR's program takes seconds to start: tests that want it are marked so, in others it is not installed."""
    if request.node.get_closest_marker("meteor") is None:
        monkeypatch.setattr(meteor, "_jar", lambda: None)


@pytest.fixture
def provider() -> Iterator[Loopback]:
    """A provider on loopback that answers and keeps every call."""
    with Loopback() as server:
        yield server


@pytest.fixture
def work(tmp_path: Path, provider: Loopback, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """A user's working folder, with a catalog that sends the models `lab-*` to `provider`."""
    return Workplace(tmp_path, provider, monkeypatch)


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    """Headless Chromium; while it is there, nothing of this module can use an event loop."""
    with chromium() as started:
        yield started
