# Every target works from a fresh clone, whatever ran before. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= $(firstword $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p; done))
UV_VERSION := 0.9
SEED ?= 1
MINUTES ?= 3
HISTORIES ?= 25000
BIN := .venv/bin
SYNCED := .venv/.synced
UV := .make/uv/bin/uv
export UV_PYTHON_DOWNLOADS := never
export VIRTUAL_ENV :=

.PHONY: help setup demo up test lint format proto oracle bench clients chaos laws mutate docs clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup: $(SYNCED) ## The virtual environment, exactly as uv.lock says

$(UV):
	@test -n "$(PYTHON)" || { echo "Paceline needs Python 3.11 or newer on the PATH (or make PYTHON=/path/to/python3)"; exit 2; }
	@$(PYTHON) -m venv .make/uv
	@.make/uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=$(UV_VERSION),<1'

$(SYNCED): pyproject.toml uv.lock $(UV)
	@$(UV) sync --locked --quiet --python $(PYTHON)
	@touch $@

demo: setup ## One leader, a hundred followers, five services, judged by the simulator's books
	@$(BIN)/paceline demo

up: setup ## Everything on embedded defaults until Ctrl-C
	@$(BIN)/paceline up

test: lint ## All that must hold: style, types, contracts, protos, migrations, tests, oracle, coverage
	@$(BIN)/pytest -q -n 2 --dist loadgroup --cov --cov-report=term:skip-covered --durations=15

lint: setup ## Format, lint, types, import contracts, proto lint and breaking check
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code
	@$(BIN)/buf breaking --against protos/released.binpb
	@$(BIN)/python protos/generate.py --check

format: setup ## Put the sources into the house's form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

proto: setup ## Generate the stubs from protos/
	@$(BIN)/python protos/generate.py

oracle: setup ## The vendor's own SDK, in an environment of its own, against the simulator
	@$(BIN)/pytest -q -n 2 tests/oracle

bench: setup ## What the parts cost on this machine, as JSON and as a table
	@$(BIN)/paceline bench

clients: $(UV) ## HTTP clients side by side, in an environment of their own
	@UV_PROJECT_ENVIRONMENT=.make/bench $(UV) sync --locked --quiet --no-dev --extra embedded --group bench --python $(PYTHON)
	@.make/bench/bin/python -m benchmarks clients

chaos: setup ## Kill, cut, freeze and restart while trading; judged by the simulator's books
	@$(BIN)/paceline chaos --scope feed --seed $(SEED) --minutes $(MINUTES)
	@$(BIN)/paceline chaos --scope copy --seed $(SEED) --minutes $(MINUTES)

laws: setup ## The laws of copying over HISTORIES random histories of each mode, from SEED
	@PACELINE_LAW_HISTORIES=$(HISTORIES) $(BIN)/pytest -q -n 2 --hypothesis-seed=$(SEED) --durations=2 \
		tests/unit/domain/test_laws.py tests/unit/domain/test_laws_on_order.py

mutate: $(UV) ## Which changes of the rules no test notices; an environment of its own, half an hour
	@UV_PROJECT_ENVIRONMENT=.make/mutate $(UV) sync --locked --quiet --group mutate --python $(PYTHON)
	@.make/mutate/bin/python -m tests.mutation.run

clean: ## Remove what the other targets made
	@rm -rf .venv .make .oracle mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.*
