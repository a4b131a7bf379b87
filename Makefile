# Milon: `make demo` and `make test` do all their own set-up. They need Python 3.11+, make and the package registries.

PYTHON ?= python3
VENV   := .venv
BIN    := $(CURDIR)/$(VENV)/bin
# Node.js comes from the virtual environment, whatever the machine has.
export PATH := $(BIN):$(PATH)

SETUP := $(VENV)/.setup
NPM   := node_modules/.setup

.PHONY: help setup demo test lint format unit solidity contracts integration e2e abi build bench clean

help: ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(SETUP) $(NPM) ## install everything into .venv and node_modules

$(SETUP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Milon needs Python 3.11 or newer; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(NPM): package.json package-lock.json $(SETUP)
	@# Not `npm ci`: it refuses a lock file without the native parts of other platforms, which a mirror may lack.
	npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

demo: setup ## run the main job on four organisations; ARGS=--kill-one kills one in mid-round
	$(BIN)/python scripts/demo.py $(ARGS)

test: setup lint solidity unit contracts integration e2e ## lint, types, and every test, fast ones first
	@echo "all tests passed"

lint: setup ## ruff, mypy, solhint, prettier
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	npm run --silent lint

format: setup ## rewrite sources in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	npm run --silent format

solidity: setup ## Solidity tests
	npx hardhat test solidity

unit contracts integration e2e: setup ## one folder of Python tests
	$(BIN)/python -m pytest -q tests/$@

build: setup ## wheel and sdist
	$(BIN)/python -m build

bench: setup ## the benchmarks of benchmarks/
	$(BIN)/python benchmarks/aggregation.py
	$(BIN)/python benchmarks/round_overhead.py

clean: ## remove everything that was generated
	rm -rf $(VENV) node_modules artifacts cache build dist runs *.egg-info
