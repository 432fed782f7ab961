# Two commands matter: `make run` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PORT ?= 8000
export PORT

.DEFAULT_GOAL := help
.PHONY: help install run test lint format bench faults lock translations

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(STAMP) ## make .venv with everything in it

$(STAMP): requirements/run.txt requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "actionkit needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/pybabel -q compile -d actionkit/translations
	@touch $(STAMP)

run: $(STAMP) ## start everything: web and worker, with sample content on first start
	@exec $(BIN)/actionkit run --content content

test: $(STAMP) ## every test, in parallel
	@$(BIN)/python -m pytest -n 4 --dist worksteal

lint: $(STAMP) ## ruff, mypy, import-linter, template lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/djlint templates --lint --quiet

format: $(STAMP) ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

translations: $(STAMP) ## collect the interface's sentences into the catalogues
	$(BIN)/pybabel -q extract -F babel.cfg --no-wrap --omit-header --sort-output -k _ -k _l -k lazy_gettext -k gettext_noop -o actionkit/translations/messages.pot .
	$(BIN)/pybabel -q update --no-wrap --no-fuzzy-matching --ignore-obsolete -i actionkit/translations/messages.pot -d actionkit/translations
	$(BIN)/pybabel -q compile -d actionkit/translations

lock: ## write requirements/ anew (needs uv)
	uv pip compile -q pyproject.toml --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header -o requirements/run.txt
	uv pip compile -q --group dev -c requirements/run.txt --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header -o requirements/dev.txt

bench: $(STAMP) ## the benchmarks, each beside its limit; ONLY=name runs one
	@$(BIN)/python -m bench $(ONLY)

faults: $(STAMP) ## every fault of the rig in its whole size, three rounds each; ONLY=F03 runs one
	@$(BIN)/python -m tests.faults $(ONLY)
