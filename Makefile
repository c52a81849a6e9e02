# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Pinned. pip takes the CPU build where its own find-links or index offer one; PyPI's build for
# Linux brings CUDA along, which is a larger download.
TORCH := torch==2.13.0

.DEFAULT_GOAL := help
.PHONY: docs help setup demo test test-slow fuzz mutants coverage lint bench results render clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## make .venv and install everything into it (downloads packages, once)

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet "$(TORCH)"
	$(BIN)/pip install --quiet --editable ".[all]" --group dev
	@touch $@

demo: $(READY) ## the main job, offline, from nothing: log -> dataset -> teacher -> report
	$(BIN)/eisv-lumen demo --out demo-out

# One thread a worker: two workers with two threads each wait for one another on two cores.
test: $(READY) ## run the tests, but for those of minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: $(READY) ## the tests of minutes: wheels in fresh environments, Spaces as the Hub builds them, jobs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m slow

fuzz: $(READY) ## ten thousand broken files, shared among all readers; kills at random moments
	EISV_FUZZ=10000 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 tests/fuzz

mutants: $(READY) ## change the core in small ways, and see whether tests notice (MUTANTS=0: all)
	$(BIN)/python -m tools.mutants --sample $(or $(MUTANTS),3)

coverage: $(READY) ## simulate how often the intervals hold the truth (results/coverage.json)
	$(BIN)/python -m tools.coverage

lint: $(READY) ## ruff (lint, format) and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY) ## the documentation site, built strictly into site/
	$(BIN)/pip install --quiet --group docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(READY) ## speed and memory, as ratios in one process
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks

results: $(READY) ## make every committed result again (hours of CPU; what is done is not repeated)
	$(BIN)/python -m tools.make_results
	$(BIN)/python -m tools.blind_results
	$(BIN)/python -m tools.student_results
	$(BIN)/python -m tools.lvm_results
	$(BIN)/python -m tools.lvm_ablation

render: $(READY) ## write READMEs, posts and figures from results/
	$(BIN)/eisv-lumen render

clean: ## remove what make made
	find src -name '*.nb[ci]' -delete
	rm -rf $(VENV) demo-out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
