# Two commands matter: `make demo` and `make test`. Both set up what they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
export UV_SYSTEM_PYTHON :=

.PHONY: demo test lint types imports wheel bench clean dev

demo: $(VENV)/.demo  ## a whole conversation on embedded defaults; ARGS=--once ends by itself
	$(BIN)/offhook demo $(ARGS)

test: dev  ## all tests
	$(BIN)/python -m pytest $(ARGS)

dev: $(VENV)/.dev

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: dev
	$(BIN)/mypy

imports: dev
	$(BIN)/lint-imports

wheel: dev  ## the wheel, installed alone, and a third-party plugin beside it
	PYTHON=$(PYTHON) .ci/wheel-check

bench: dev  ## the media path against its peers; see bench/README.md
	$(BIN)/python bench/media/run.py $(ARGS)

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[local]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt examples/offhook-stt-echo/pyproject.toml | $(BIN)/python
	$(PIP) --group dev -e '.[local,all]' -e examples/offhook-stt-echo
	touch $@ $(VENV)/.demo
