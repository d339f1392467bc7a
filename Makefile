# make book   from an empty folder to the website      make test   all tests
# Variables:  PYTHON=python3.12   PROFILE=quick|full   SUITE=pico|nano   WORKERS=N
PYTHON  ?= python3
VENV    ?= .venv
PROFILE ?= quick
SUITE   ?= $(if $(filter full,$(PROFILE)),nano,pico)
BIN     := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup book pdf test lint format lock dist clean distclean

help:
	@echo "make book    set up, train $(SUITE) if needed, run the $(PROFILE) profile, build the site"
	@echo "make pdf     the same, and its chapters as one PDF (needs Chromium)"
	@echo "make test    set up, then run all tests"
	@echo "make lint    ruff on code and notebooks      make format   the same, repairing"
	@echo "make dist    wheel and sdist in dist/        make lock     refresh constraints.txt"
	@echo "make clean   remove runs and the site        make distclean   and the virtual environment"

setup: $(VENV)/.set-up

$(VENV)/.set-up: pyproject.toml constraints.txt book/fetch_assets.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	$(BIN)/python book/fetch_assets.py
	@touch $@

book: setup
	$(BIN)/pythia train $(SUITE)
	$(BIN)/pythia run --profile $(PROFILE)
	$(BIN)/pythia book --suite $(SUITE)

pdf: book
	$(BIN)/pythia pdf

test: setup
	$(BIN)/python -m pytest -n logical --maxprocesses 4

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:
	rm -rf .lock && $(PYTHON) -m venv .lock
	.lock/bin/python -m pip install --quiet -e '.[test]'
	{ echo '# Exact pins of every package that `make setup` installs (Python 3.11, Linux). Refresh: make lock'; \
	  .lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//'; } > constraints.txt
	rm -rf .lock

dist: setup
	$(BIN)/python -m build

clean:
	rm -rf runs _build dist

distclean: clean
	rm -rf $(VENV) book/_static/vendor
