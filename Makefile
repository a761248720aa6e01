# Everything here creates .venv by itself and uses it again. It needs make and Python 3.11 or newer, nothing else.
# A Python that is not found by name: make PYTHON=/path/to/python3 test

VENV := .venv
BIN := $(VENV)/bin
# Tests share the machine's cores; make TEST_WORKERS=0 test runs them in one process.
TEST_WORKERS ?= auto

# Stories of runs that are stopped from outside: they want a process, and a machine, to themselves.
ALONE := tests/stories/test_control.py

.PHONY: help demo test soak check format lint types floors bench curves picture reference clean

help:
	@echo "make demo     run the breast-cancer graph three times: fresh, unchanged, after a one-line change"
	@echo "make test     run all tests"
	@echo "make soak     SOAK_STEPS random edits (2000), and SOAK_KILLS kills (200) of each of six runs, held to the truth"
	@echo "make check    format, lint, types, floors and tests: what CI runs"
	@echo "make bench    measure all that has a limit, beside plain Python, plain files and crystallize-ml 0.27"
	@echo "make curves   draw docs/cost.svg; PEERS=/path/to/python: one that has the peers installed"
	@echo "make picture  draw docs/run.svg from a real run"
	@echo "make reference  write docs/reference/api/ from the docstrings"
	@echo "make clean    remove .venv and what the above left behind"

demo: $(VENV)/.ready
	@$(BIN)/python examples/demo.py

test: $(VENV)/.ready-dev
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --ignore $(ALONE)
	$(BIN)/python -m pytest $(ALONE)

soak: $(VENV)/.ready-dev
	SOAK_STEPS=$${SOAK_STEPS:-2000} SOAK_KILLS=$${SOAK_KILLS:-200} \
		$(BIN)/python -m pytest -s tests/stories/test_random_edits.py tests/stories/test_random_kills.py

check: format lint types floors test

format: $(VENV)/.ready-dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .

types: $(VENV)/.ready-dev
	$(BIN)/mypy

floors: $(VENV)/.ready-dev
	$(BIN)/python -m pytest tests/test_floors.py

bench: $(VENV)/.ready
	@$(BIN)/python -m benchmarks $(BENCH)

curves: $(VENV)/.ready
	@$(BIN)/python -m benchmarks.cost $(PEERS) --draw docs/cost.svg

picture: $(VENV)/.ready
	$(BIN)/python docs/make_picture.py

reference: $(VENV)/.ready-dev
	$(BIN)/python docs/make_reference.py

clean:
	rm -rf $(VENV) .demo .hypothesis .mypy_cache .ruff_cache benchmarks/.peers benchmarks/results.json

# The package alone is enough for the demo and the benchmarks; tests and tools come on top.
$(VENV)/.ready: pyproject.toml
	@sh .ci/make-venv $(VENV) $(PYTHON)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --group dev
	@$(BIN)/python -m pip install --quiet --editable '.[ray]' \
		|| echo "Ray cannot be installed here: its tests are left out" >&2
	@touch $@
