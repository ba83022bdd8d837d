# The one set of verbs. Everything installs what it needs into .venv; a second run is quick.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: help run demo cli check unit test tests-here tests-end-to-end browser bench bench-polling docs screenshots build deploy delete clean

# The first Python 3.13 there is: by name, from pyenv, or the plain python3.
PYTHON ?= $(shell for candidate in python3.13 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13*/bin/python3.13 python3 python; do \
	"$$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && { echo "$$candidate"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
LOCAL := $(VENV)/.local-installed
DEV := $(VENV)/.dev-installed

# SAM builds the layer with the Python and pip of the virtual environment, and reports to nobody.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export SAM_CLI_TELEMETRY := 0

help: ## Show this
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(LOCAL) ## Run taskhook on this machine: no cloud account, state kept in .local/
	@exec $(BIN)/python -m local.run

demo: $(LOCAL) ## The same against simulated providers; posts one task of each kind and shows the news
	@exec $(BIN)/python -m local.demo

cli: $(DEV) ## Install the command line `taskhook` into .venv/bin
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation ./cli
	@rm -rf cli/build cli/*.egg-info
	@echo "$(BIN)/taskhook --help"

check: $(DEV) ## Lint, types and template, in seconds
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sam validate --lint

SLOWER := test_simulator* test_receiver* test_chats* test_looking*
unit: $(DEV) ## The quick tests: the product's pure code, in under a minute; the slower ones are in `make test`
	$(BIN)/pytest -q -n 2 --hypothesis-profile=quick tests/unit $(SLOWER:%=--ignore-glob='tests/unit/%')

browser:
	@tests/browser.sh > /dev/null

# All at once, as the tests on the emulator mostly wait. They go first where they do not, since they wait in real time;
# and what they say comes in one piece at their end. It fails when any of them does.
test: $(DEV) browser ## Everything: checks, unit, integration, and end to end on the emulator
	@$(MAKE) --no-print-directory --jobs=3 tests-end-to-end tests-here check

tests-here: $(DEV)
	nice $(BIN)/pytest -q -n 2 --dist loadgroup tests/unit tests/cli tests/integration tests/catalogue

END_TO_END := $(BIN)/pytest -q -n 3 --dist loadfile --no-loadscope-reorder tests/e2e
tests-end-to-end: $(DEV) browser
	@echo "$(END_TO_END)"
	@said=$$($(END_TO_END) 2>&1) || failed=$$?; echo "$$said"; exit $${failed:-0}

bench: $(DEV) ## Figures, as ratios against a named peer in the same run
	$(BIN)/python -m benchmarks

bench-polling: $(DEV) ## When to look, and how a limit is shared: against the field's ways, simulated
	$(BIN)/python -m benchmarks.polling
	$(BIN)/python -m benchmarks.limits

docs: $(LOCAL) ## Write docs/providers.md and openapi.json anew from the code
	@$(BIN)/python -m local.providers_page
	@PYTHONPATH=layers/taskhook $(BIN)/python -m local.openapi.document

screenshots: $(DEV) browser ## Take the pictures in docs/page.md anew
	@PYTHONPATH=layers/taskhook $(BIN)/python -m tests.page_shots

build: $(LOCAL) ## Build the functions and the layer for AWS
	$(BIN)/sam build

deploy: build ## Deploy to AWS with the credentials of your shell
	$(BIN)/sam deploy

delete: $(LOCAL) ## Remove the stack from AWS
	$(BIN)/sam delete

clean: ## Remove what was built and installed here; .local/ (your configuration and tasks) stays
	rm -rf $(VENV) .aws-sam .pytest_cache .mypy_cache .ruff_cache .hypothesis cli/build cli/*.egg-info

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "taskhook needs Python 3.13; none was found. Install it, or name it: make PYTHON=/path/to/python3.13"; exit 1; }
	@echo "Making .venv with $(PYTHON) ..."
	@$(PYTHON) -m venv $(VENV)

$(LOCAL): requirements/local.txt | $(VENV)/bin/python
	@echo "Installing what make run needs (once; a minute or two) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement requirements/local.txt
	@touch $@

$(DEV): requirements/dev.txt $(LOCAL)
	@echo "Installing what the tests need (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --requirement requirements/dev.txt
	@touch $@
