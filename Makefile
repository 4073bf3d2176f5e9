# `make` alone lists the targets. Everything happens in .venv, made once and again when pyproject.toml changes.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test check bench bench-peers torture clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(STAMP) ## a server, workers, thousands of real jobs, a worker killed half way, and that all adds up
	$(BIN)/resque demo

test: $(STAMP) ## all tests, on every server that this machine has (see the closing lines)
	@sh tests/install_servers.sh
	$(BIN)/pytest -n 2

check: $(STAMP) ## format, lint, types, and the rules of the house
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict
	$(BIN)/pytest -q tests/test_architecture.py

bench: $(STAMP) ## how fast it is on this machine
	$(BIN)/python -m bench

bench-peers: $(STAMP) ## the same beside nine other libraries, in the same run (half an hour)
	$(BIN)/python -m bench --peers

torture: $(STAMP) ## the long tests: workers and servers are killed for minutes, nothing may be lost
	@sh tests/install_servers.sh
	RESQUE_TORTURE=1 $(BIN)/pytest -n 2 tests/processes tests/races tests/model tests/transitions/test_machine.py
	$(BIN)/resque torture

clean: ## remove .venv and everything that was generated
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The test group is read from pyproject.toml by Python itself: `pip install --group` needs pip 25.1, and the pip that a new
# .venv comes with is often older.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "Python 3.11 or newer is needed, but $(PYTHON) is %d.%d; say which one to take: make PYTHON=/path/to/python3.12" % v[:2])'
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	@echo "installing into .venv"
	@$(BIN)/python -c 'import tomllib; print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["test"]))' > .venv/test-requirements.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]' -r .venv/test-requirements.txt
	@touch $@
