# Milon: `make demo` and `make test` do all their own set-up. They need Python 3.11+, make and the package registries.

PYTHON ?= python3
VENV   := .venv
BIN    := $(CURDIR)/$(VENV)/bin
# Node.js comes from the virtual environment, whatever the machine has.
export PATH := $(BIN):$(PATH)

SETUP := $(VENV)/.setup
NPM   := node_modules/.setup
# Slither needs another web3 than Milon.
SLITHER_VERSION := 0.11.6
SLITHER := .venv-slither/.setup-$(SLITHER_VERSION)

.PHONY: help setup demo test lint format unit solidity gas contracts integration e2e coverage fuzz slither abi docs build bench bench-gas clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

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

test: setup lint solidity gas unit contracts integration e2e ## lint, types, and every test, fast ones first
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

gas: setup ## fail where a call costs over 2 percent more gas than benchmarks/gas.json says
	$(BIN)/python benchmarks/gas.py --check --sizes 4x4 10x10

unit contracts integration e2e: setup ## one folder of Python tests
	$(BIN)/python -m pytest -q tests/$@

coverage: setup ## line and statement coverage of the contracts, at least 98 percent
	$(BIN)/python scripts/contract_coverage.py

fuzz: setup ## invariants and fuzz tests for 10,000 runs; SEED=0x... repeats one
	@seed=$${SEED:-0x$$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')}; echo "to repeat: make fuzz SEED=$$seed"; \
	FUZZ_SEED=$$seed npx hardhat test solidity --test-profile long

slither: setup $(SLITHER) ## static analysis; every finding needs its answer in contracts/slither.toml
	$(BIN)/python scripts/slither_check.py

$(SLITHER):
	$(PYTHON) -m venv .venv-slither
	.venv-slither/bin/python -m pip install --quiet --disable-pip-version-check slither-analyzer==$(SLITHER_VERSION)
	@touch $@

abi: setup ## compile the contracts into chain/abi
	$(BIN)/python -m chain.compiler

docs: setup ## write docs/contracts.md from the contracts
	$(BIN)/python scripts/contract_docs.py

build: setup ## wheel and sdist, and the archive of the contracts for other programs
	$(BIN)/python -m build
	$(BIN)/python scripts/contract_bundle.py

bench: setup ## the benchmarks of benchmarks/
	$(BIN)/python benchmarks/aggregation.py
	$(BIN)/python benchmarks/round_overhead.py

bench-gas: setup ## gas of every call and of whole rounds, up to 200 trainers; ARGS=--update to commit it
	$(BIN)/python benchmarks/gas.py $(ARGS)

clean: ## remove everything that was generated
	rm -rf $(VENV) .venv-slither node_modules artifacts cache coverage build dist runs *.egg-info
