# `make run` and `make test` need git, make, ca-certificates, python3 and python3-venv, and prepare the rest.

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
# In the order of tests/conftest.py: those that take longest first, so that no process is left with a long one at the end.
BY_FILE := --dist loadfile --no-loadscope-reorder
# Real processes on a shared machine: what fails is run once more, and told as RERUN, which is to be looked into (CONTRIBUTING.md).
REAL := --reruns 1 --max-suite-reruns 5 --rerun-show-tracebacks

.PHONY: run test lint bench soak screenshots clean

# `exec`: a signal to make's child reaches the program itself.
run: .venv/installed
	@exec $(BIN)/python app.py $(ARGS)

test: .venv/installed-tests lint
	@DRM_BROWSER="$$(sh tests/browser/find_browser.sh $(BIN)/python)" && export DRM_BROWSER && \
	$(BIN)/python -m pytest -n 2 $(BY_FILE) tests/unit && \
	$(BIN)/python -m pytest -n 3 $(BY_FILE) $(REAL) tests/integration tests/test_*.py && \
	$(BIN)/python -m pytest -n 2 $(BY_FILE) $(REAL) tests/browser

lint: .venv/installed-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	BIN="$(abspath $(BIN))" sh tests/one_tree.sh

bench: .venv/installed-tests
	$(BIN)/python -m pytest -s tests/bench/bench_*.py

soak: .venv/installed-tests
	$(BIN)/python -m pytest -s tests/soak_*.py

screenshots: .venv/installed-tests
	@DRM_BROWSER="$$(sh tests/browser/find_browser.sh $(BIN)/python)" $(BIN)/python -m tests.browser.screenshots

clean:
	rm -rf .venv dist build .mypy_cache .ruff_cache .hypothesis

# The stamps keep a second `make run` from installing again.
.venv/installed: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "python3 -m venv failed: install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[push]'
	@touch .venv/installed .venv

.venv/installed-tests: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[push,test]'
	@touch .venv/installed-tests
