"""Matrices are multiplied by one thread, so that numbers do not depend on how many cores a machine has."""

import os
import subprocess
import sys

import pytest

from outputs.statistics.one_thread import multiply_on_one_thread

_VARIABLE = "OPENBLAS_NUM_THREADS"


@pytest.mark.parametrize(("said", "kept"), [(None, "1"), ("4", "4")])
def test_one_thread_unless_somebody_said_otherwise(
    monkeypatch: pytest.MonkeyPatch, said: str | None, kept: str
) -> None:
    """A number of threads that is set already stays."""
    monkeypatch.setenv(_VARIABLE, said or "")
    if said is None:
        monkeypatch.delenv(_VARIABLE)
    multiply_on_one_thread()
    assert os.environ[_VARIABLE] == kept


@pytest.mark.parametrize("module", ["orchestrator.reporting", "orchestrator.analyzing"])
def test_the_commands_say_it_before_numpy_is_there(module: str) -> None:
    """What is said later is not heard: the modules that say it must not import numpy themselves."""
    code = f"import sys, {module}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
