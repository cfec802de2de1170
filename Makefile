# Both main commands install what they need: `make app` serves the app, `make test` checks everything.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8501
# Address of a package index with CPU builds of PyTorch. README.md says when you need it.
TORCH_INDEX ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: app test lint types architecture fast slow cases browser lock docs clean

app: $(VENV)/.app
	@echo "HistoSPACE is at http://localhost:$(PORT). Ctrl-C stops it."
	@$(BIN)/histospace serve --port $(PORT)

test: $(VENV)/.dev browser lint types architecture fast slow

# ---- Installation ------------------------------------------------------------------------------
# Measured on Linux x86_64 with Python 3.11; README.md names the sums.
TORCH_SIZE := 3.0 GB to download, 5.6 GB of disk
APP_SIZE := 0.3 GB to download, 1.4 GB of disk
DEV_SIZE := 0.3 GB to download, 1.1 GB of disk

# The lock names every package and its hash, so pip has nothing left to resolve.
INSTALL := $(BIN)/python -m pip install --no-deps --require-hashes
# Print the packages of the lock whose name matches $(1), or with ! in $(2) all others.
LOCKED = awk '/^[a-z]/ { found = /^($(1))==/ } $(2)found' requirements.txt
TORCH := torch|torchvision|triton|nvidia-[^=]*|cuda-[^=]*
STEP = @printf '\n== %s\n' "$(1)"

define PLAN
HistoSPACE is installed into the folder $(VENV) of this checkout, and nowhere else:
  1. a Python environment
  2. PyTorch: $(if $(TORCH_INDEX),the CPU build of $(TORCH_INDEX),$(TORCH_SIZE))
  3. all other packages of the app: $(APP_SIZE)
  4. HistoSPACE itself$(if $(filter-out app,$(MAKECMDGOALS)),
  5. the tools of the tests: $(DEV_SIZE))
Sizes were measured on Linux x86_64. A later start installs nothing.
endef

$(VENV)/.python: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "HistoSPACE needs Python 3.11 or later: make app PYTHON=/path/to/python3.11"; exit 1; }
	$(info $(PLAN))
	@[ -n "$(TORCH_INDEX)" ] || [ "$$(uname -sm)" != "Linux x86_64" ] || command -v nvidia-smi >/dev/null \
	  || echo "No NVIDIA GPU was found, but PyPI has only the CUDA build of PyTorch for this platform." \
	  "For the smaller CPU build, press Ctrl-C and see README.md, \"Without a GPU\"."
	$(call STEP,1. Python environment)
	$(PYTHON) -m venv $(VENV)
	@$(call LOCKED,pip) > $(VENV)/pip.txt
	$(INSTALL) -r $(VENV)/pip.txt
	@touch $@

$(VENV)/.torch: $(VENV)/.python
	$(call STEP,2. PyTorch)
ifdef TORCH_INDEX
	$(BIN)/python -m pip install --no-deps --index-url $(TORCH_INDEX) \
	  $$($(call LOCKED,torch|torchvision) | awk '/==/ { print $$1 }')
else
	@$(call LOCKED,$(TORCH)) > $(VENV)/torch.txt
	$(INSTALL) -r $(VENV)/torch.txt
endif
	@touch $@

$(VENV)/.packages: $(VENV)/.torch
	$(call STEP,3. All other packages of the app)
	@$(call LOCKED,$(TORCH),!) > $(VENV)/packages.txt
	$(INSTALL) -r $(VENV)/packages.txt
	@touch $@

$(VENV)/.app: $(VENV)/.packages pyproject.toml
	$(call STEP,4. HistoSPACE itself)
	$(BIN)/python -m pip install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.app requirements-dev.txt
	$(call STEP,5. The tools of the tests: $(DEV_SIZE))
	@awk '/^[a-z]/ { torch = /^($(TORCH))==/ } !torch' requirements-dev.txt > $(VENV)/dev.txt
	$(INSTALL) -r $(VENV)/dev.txt
	@touch $@

# The tests' lock comes first: it holds the app and its tests to versions that suit both.
lock: $(VENV)/.dev
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --quiet \
	  --custom-compile-command "make lock" requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --quiet \
	  --custom-compile-command "make lock" requirements.in -c requirements-dev.txt -o requirements.txt

# ---- Checks ------------------------------------------------------------------------------------
# The browser tests use Debian's chromium. On other systems, install chromium yourself.
browser:
	$(call STEP,Chromium for the browser tests)
	@command -v chromium || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && apt-get install -y --no-install-recommends chromium; } \
	  || echo "No chromium: the browser tests will be skipped."

lint: $(VENV)/.dev
	$(call STEP,Lint)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(call STEP,Types)
	$(BIN)/mypy

architecture: $(VENV)/.dev
	$(call STEP,Architecture)
	$(BIN)/lint-imports

# On two cores, two processes with one thread each are faster than one process with two threads.
fast: $(VENV)/.dev
	$(call STEP,Fast tests)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 -m "not slow and not browser and not cases" --durations 12

# On a busy machine a browser may miss a gesture, so a test may run again; pytest reports the rerun.
# The browser tests and the others run as two commands, because each needs its own Playwright. xdist
# would run files of many tests first, and the longest are files of one test.
slow: $(VENV)/.dev
	$(call STEP,Browser tests)
	$(BIN)/python -m pytest -q -m "slow or browser" --reruns 2 --durations 8 tests/browser
	$(call STEP,Slow tests)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "slow or browser" --reruns 2 --durations 8 --ignore=tests/browser

# Scripts that stand beside the checkout and judge the program from outside.
cases: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m cases tests/interop/test_shared_cases.py

# Build the documentation into site/. The tests build it too.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis site dist .import_linter_cache
