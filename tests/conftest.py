"""Fixtures that several test files share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.loopback import Loopback
from tests.harness.workplace import Workplace


@pytest.fixture
def provider() -> Iterator[Loopback]:
    """A provider on loopback that answers and keeps every call."""
    with Loopback() as server:
        yield server


@pytest.fixture
def work(tmp_path: Path, provider: Loopback, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """A user's working folder, with a catalog that sends the models `lab-*` to `provider`."""
    return Workplace(tmp_path, provider, monkeypatch)
