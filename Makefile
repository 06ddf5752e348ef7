# make demo and make test do all their own set-up; see README.md for the three system packages they need.
# GOLDDIFF_TORCH_INDEX: index URL to take torch from (a CPU-only one saves gigabytes on a machine without a GPU).
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.SILENT:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/dev.lock
READY := $(VENV)/.ready-$(firstword $(shell cat $(LOCK) pyproject.toml | cksum))
TORCH := torch==2.13.0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# pip compiles nothing: of 19,000 files most are never imported. Python compiles what it imports and must be free to keep it.
unexport PYTHONDONTWRITEBYTECODE
GOLDDIFF_TORCH_INDEX ?=

.PHONY: help demo test test-faults check setup format lock bench clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

demo: $(READY) ## The whole loop on real code with a simulated team: sessions in, a measured student out
	$(BIN)/golddiff demo --output demo

test: check ## Everything CI runs: set-up, linters, types, architecture, tests
	echo "== tests"
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

test-faults: $(READY) ## Power cuts, kills, outages, full and failing disks, in their long form: half an hour (strace, a C compiler, PostgreSQL, root for some)
	GOLDDIFF_FAULTS=1 GOLDDIFF_TEST_SCALE=20 $(BIN)/python -m pytest -s -m "faults or not faults" -rs --durations=10 \
	  tests/faults tests/rights/test_bodies.py tests/record/gateway/test_passing.py tests/record/gateway/test_many_workers.py

check: $(READY) ## Linter, types, import contracts
	echo "== ruff, mypy, import contracts"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: $(READY) ## Make the virtual environment only

$(READY): $(LOCK) pyproject.toml
	command -v git >/dev/null || { echo "error: git is missing. Run: apt-get install git" >&2; exit 1; }
	command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is missing. Run: apt-get install python3 python3-venv" >&2; exit 1; }
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
	  echo "error: $$($(PYTHON) --version) is too old, golddiff needs 3.11 or newer. Install it, then: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: the venv module is missing. Run: apt-get install python3-venv" >&2; exit 1; }
	echo "== setting up $(VENV) (first time or dependencies changed: some minutes, about 3 GB with the CPU build of torch)"
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	echo "== installing what $(LOCK) pins (every file checked by hash)"
	$(BIN)/python -m pip install -q --no-compile --require-hashes --no-deps -r $(LOCK)
	echo "== installing $(TORCH) (its build depends on the machine, so its version is pinned but not its hash)"
	$(BIN)/python -m pip install -q --no-compile $(TORCH) $(if $(GOLDDIFF_TORCH_INDEX),--index-url $(GOLDDIFF_TORCH_INDEX))
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	rm -f $(VENV)/.ready-*
	touch $@

format: $(READY) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# torch and the GPU packages that only it asks for are left to pip, which picks the build for the machine.
lock: $(READY) ## Pin the newest versions that fit pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --group dev --all-extras --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-package golddiff --no-emit-index-url --no-emit-find-links $(LOCK_FLAGS) \
	  | awk '/^[a-z]/ { keep = !/^(torch|triton|nvidia-|cuda-)/ } keep' > $(LOCK).new
	mv $(LOCK).new $(LOCK)

clean: ## Remove the environment and what the demo wrote
	rm -rf $(VENV) demo build dist
