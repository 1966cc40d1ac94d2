# Everything a person does with a checkout of Hansard; `make` alone tells what there is.

PYTHON ?= python3
ARGS ?=
PROCESSES ?= 6
VENV := .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/.installed-to-run
TESTS := $(VENV)/.installed-to-test
BENCHES := $(VENV)/.installed-to-bench
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Many processes load the same code: it is compiled once, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=

PYTEST := $(BIN)/pytest --quiet --dist worksteal --durations 10
# All tests of these need a database; to load them alone takes long.
UNREAD := --ignore tests/browser --ignore tests/crash --ignore tests/service/api/test_fuzzing.py -p no:schemathesis

.DEFAULT_GOAL := help
.PHONY: help serve check quick test whole static wheel format bench screenshots install clean

help: ## Tell what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

serve: $(RUNS) ## Run Hansard with a PostgreSQL of its own; ARGS="--port 9000" passes flags on
	@exec $(BIN)/hansard serve $(ARGS)

install: $(TESTS) ## Install Hansard and what its tests need into .venv

check: $(TESTS) ## Check the format, the lint, the types, the layers and what needs no database
	@$(MAKE) --no-print-directory --jobs 2 static quick

quick: $(TESTS)
	$(PYTEST) --numprocesses 2 -m "not database" $(UNREAD) $(ARGS)

test: $(TESTS) ## Check everything; ARGS='-m "not browser and not crash"' leaves the slowest out
	@$(MAKE) --no-print-directory --jobs 2 static whole

whole: $(TESTS)
	$(PYTEST) --numprocesses $(PROCESSES) $(ARGS)

static: $(TESTS)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

wheel: $(TESTS) ## Build the wheel, install it elsewhere, and use it there
	$(BIN)/python -m tests.wheel

format: $(TESTS) ## Put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(BENCHES) ## Measure this machine; ARGS passes flags on
	@exec $(BIN)/hansard bench $(ARGS)

screenshots: $(TESTS) ## Take the pictures in docs/pages anew
	@$(BIN)/python -m tests.browser.screenshots

clean: ## Remove what was installed and cached, never what was recorded
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -not -path './hansard-data/*' -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Hansard needs Python 3.11 or newer, and $(PYTHON) is not: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Making $(VENV) …"
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "$(PYTHON) has no venv module: on Debian and Ubuntu, apt install python3-venv"; exit 1; }

$(RUNS): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Hansard into $(VENV): a minute the first time, nothing after that …"
	@$(INSTALL) --editable .
	@touch $@

$(BENCHES): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Hansard and what it is measured beside into $(VENV) …"
	@$(INSTALL) --editable '.[bench]'
	@touch $(RUNS) $@

$(TESTS): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Hansard and what its tests need into $(VENV) …"
	@$(INSTALL) --editable '.[dev]'
	@touch $(RUNS) $@
