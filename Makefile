# Everything here needs make and a python3 >= 3.11 with venv, and nothing else: each target fills .venv from the hash-locked files in
# requirements/ first. Another Python: make PYTHON=python3.13 ... ; another folder: make VENV=/path ...

VENV   ?= .venv
STAMPS := $(VENV)/.stamps
PY     := $(VENV)/bin/python
PIP    := $(PY) -m pip --disable-pip-version-check --quiet --quiet install --no-input --no-compile
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test tools lint types arch contracts style wheel bench probes format lock clean

help:                   ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 16

# --- environments: a stamp per requirement file, so that nothing is installed twice ---------------------------------------------------
$(STAMPS)/venv: .ci/venv
	@PYTHON="$(PYTHON)" sh .ci/venv "$(VENV)"
	@mkdir -p $(STAMPS) && touch $@

# The project itself, editable. Its build tools are locked too, so nothing is fetched without a hash.
$(STAMPS)/project: $(STAMPS)/venv requirements/runtime.txt requirements/build.txt pyproject.toml
	@echo "installing saferoute's dependencies into $(VENV) ..."
	@$(PIP) --require-hashes -r requirements/runtime.txt
	@$(PIP) --require-hashes -r requirements/build.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/test: $(STAMPS)/project requirements/test.txt
	@echo "installing what the tests need into $(VENV) ..."
	@$(PIP) --require-hashes -r requirements/test.txt
	@touch $@

$(STAMPS)/lint: $(STAMPS)/test requirements/lint.txt
	@echo "installing linters and type checkers into $(VENV) ..."
	@$(PIP) --require-hashes -r requirements/lint.txt
	@touch $@

# --- what people run ------------------------------------------------------------------------------------------------------------------
demo: $(STAMPS)/project ## see saferoute work: an embedded provider on loopback, no key needed
	@$(PY) -m saferoute demo

# The covered tests wait for loopback and for processes for a sixth of their time: three workers keep two cores busy. Among those that are not
# covered some measure time, and have a core each.
test: $(STAMPS)/test    ## all tests, with branch coverage and its floors (PYTEST_ARGS="-k name" for some)
	@rm -f .coverage coverage.json
	$(PY) -m pytest -n 3 --dist loadfile $(if $(PYTEST_ARGS),,-m "not large") --cov --cov-report=json:coverage.json --cov-report= $(PYTEST_ARGS)
	@if [ -z "$(PYTEST_ARGS)" ]; then $(PY) -m pytest -q -n 2 --dist worksteal -m large tests && $(PY) tests/architecture/coverage_floors.py coverage.json; fi

tools: $(STAMPS)/lint   ## install what tests and checks need

lint: $(STAMPS)/lint    ## ruff, dependency use, docstring coverage, slots
	$(PY) -m ruff check --quiet .
	$(PY) -m ruff format --check --quiet .
	$(VENV)/bin/deptry --no-ansi .
	$(PY) -m interrogate --quiet saferoute
	$(PY) -m slotscheck saferoute

types: $(STAMPS)/lint   ## mypy --strict, and the public typing test under a second checker
	$(PY) -m mypy
	@if ls tests/typing/*.py >/dev/null 2>&1; then $(PY) -m mypy tests/typing && PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(PY) -m pyright --pythonpath $(PY); fi

contracts: $(STAMPS)/lint ## import contracts: which layer may import which
	$(VENV)/bin/lint-imports --no-logo --no-cache

arch: contracts         ## import contracts and the architecture tests (which `make test` runs too)
	$(PY) -m pytest -q -p no:randomly tests/architecture

style: $(STAMPS)/lint   ## the measurable rows of the style bar, gated
	$(PY) tests/architecture/style_bar.py

wheel: $(STAMPS)/project ## build the wheel twice, look inside, install it bare, run every command that a message names
	$(PY) tests/architecture/check_wheel.py

bench: $(STAMPS)/test   ## function-call and import gates (exact for a version set)
	$(PY) benchmarks/gates.py

probes: $(STAMPS)/project ## the same attacks on saferoute and its peers; writes the README's table (needs an index)
	$(PY) benchmarks/probes/run.py --scratch $(VENV)/.probes

format: $(STAMPS)/lint  ## let ruff lay out the code
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix --quiet .

lock:                   ## make the lock files anew (needs uv)
	requirements/lock

clean:                  ## remove the environment and what tools left
	rm -rf .venv .nox .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage coverage.json build dist mutants
