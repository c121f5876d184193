# Everything a developer does. Needs Python 3.11+ and make; the rest is set up in .venv.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup console demo test test-slow test-adapters test-interop check lint types imports openapi screenshots bench lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(STAMP) ## make the environment in .venv

$(STAMP): requirements.lock pyproject.toml hatch_build.py
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Tutti needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@echo "setting up .venv (a minute or two, once) …" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

console: $(STAMP) ## build the web console (what is built from the same sources stays)
	@$(BIN)/python hatch_build.py

demo: console ## the example fleet at work, until Ctrl-C
	@$(BIN)/tutti demo

# What is called from outside: about as much work as all the rest.
DOORS := a2a access api cli client mcp service

test: console ## the fast tests, in three runs side by side: the console's, those of other doors, the rest
	@$(BIN)/python -m pytest tests/console > .tests-console.txt 2>&1 & console=$$!; \
	$(BIN)/python -m pytest $(DOORS:%=tests/%) > .tests-doors.txt 2>&1 & doors=$$!; \
	$(BIN)/python -m pytest $(patsubst %,--ignore=tests/%,console $(DOORS)); failed=$$?; \
	wait $$doors; failed=$$((failed + $$?)); wait $$console; failed=$$((failed + $$?)); \
	cat .tests-doors.txt .tests-console.txt; exit $$failed

test-slow: $(STAMP) ## simulation, kill -9 and real data (minutes)
	@$(BIN)/python -m pytest -m slow

test-adapters: ## agents of other frameworks, with their own libraries (minutes)
	@test -x .venv-adapters/bin/python || $(PYTHON) -m venv .venv-adapters
	@test -x .venv-adapters-crewai/bin/python || $(PYTHON) -m venv .venv-adapters-crewai
	@.venv-adapters/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/adapters/requirements.lock
	@.venv-adapters-crewai/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/adapters/requirements-crewai.lock
	@PYTHONPATH=src .venv-adapters/bin/python -m pytest -p tutti.testing.plugin tests/adapters
	@PYTHONPATH=src CREWAI_DISABLE_TELEMETRY=true OTEL_SDK_DISABLED=true .venv-adapters-crewai/bin/python -m pytest -p tutti.testing.plugin tests/adapters

test-interop: $(STAMP) ## clients of others against a real server (needs Node 20; minutes)
	@$(BIN)/python -m tests.interop
	@$(BIN)/python -m tests.interop.mcp

lint: $(STAMP) ## style
	@$(BIN)/ruff check src tests bench hatch_build.py
	@$(BIN)/ruff format --check src tests bench hatch_build.py

types: $(STAMP) ## strict types
	@$(BIN)/mypy

imports: $(STAMP) ## the import contract
	@$(BIN)/lint-imports

check: lint types imports test ## all that CI holds

openapi: $(STAMP) ## write down what the console's types are made of
	@$(BIN)/python tests/console/described.py

screenshots: console ## pictures of every view into .screenshots (needs Chromium)
	@$(BIN)/python tests/console/screenshots.py

bench: $(STAMP) ## measure, peers side by side (many minutes)
	@$(BIN)/python -m bench --all

lock: $(STAMP) ## write requirements.lock anew (needs uv); without ortools, which holds protobuf back
	@uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-header --group dev --extra fleets --extra llm --extra postgres --extra telemetry --python-version 3.11 -o requirements.lock --quiet

clean: ## remove the environment and caches
	@rm -rf .venv .venv-adapters .venv-adapters-crewai src/tutti/console/node_modules src/tutti/console/dist .screenshots build .pytest_cache .ruff_cache .mypy_cache .hypothesis dist
