# Two commands do all the set-up: `make app` serves the app, `make test` checks everything.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8501
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: app test lint types architecture fast slow browser interop docs clean

app: $(VENV)/.app
	$(BIN)/histospace serve --port $(PORT)

test: $(VENV)/.dev browser interop lint types architecture fast slow

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "HistoSPACE needs Python 3.11 or later: make app PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.app: requirements.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.app requirements-dev.txt
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $@

# The browser tests drive Debian's chromium; elsewhere, install chromium yourself.
browser:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } \
	  || echo "No chromium: the browser tests will be skipped."

# The programs that exports are for have an environment of their own: spatialdata pins another Dask.
interop: $(VENV)-interop/.done

$(VENV)-interop/.done: requirements-interop.txt
	$(PYTHON) -m venv $(VENV)-interop
	$(VENV)-interop/bin/python -m pip install --quiet -r requirements-interop.txt
	@touch $@

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

architecture: $(VENV)/.dev
	$(BIN)/lint-imports

# Two processes of one thread each are quicker on two cores than one of two.
fast: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 -m "not slow and not browser"

# A browser on a busy machine may miss a gesture: it may try again, reported as a
# rerun. Two processes, since each holds a Playwright of its own.
slow: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m "slow or browser" --reruns 2 tests/browser
	$(BIN)/python -m pytest -q -m "slow or browser" --reruns 2 --ignore=tests/browser

# The site, into site/; the tests build it too.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) $(VENV)-interop .pytest_cache .mypy_cache .ruff_cache .hypothesis site .import_linter_cache
