# PhotoVault: the everyday tasks. `make` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EMULATOR := .venv-emulator
DEMO_HOME ?= build/demo
PHOTOS ?=
PIP := -m pip install --quiet --disable-pip-version-check
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo contact-sheet test test-cloud models fuzz tools lint lint-template bench cloud build deploy template schemas emulator format lock clean

help: ## list the tasks
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: $(VENV)/.run ## ingest a folder and look at what comes out (PHOTOS=~/Pictures)
	@$(BIN)/photovault --home "$(DEMO_HOME)" demo $(if $(PHOTOS),"$(PHOTOS)")

contact-sheet: $(VENV)/.run ## draw a library's thumbnails with dates and places on one picture (PHOTOS=~/Pictures)
	@$(BIN)/photovault --home build/contact-sheet demo $(if $(PHOTOS),"$(PHOTOS)",$(if $(PHOTOVAULT_MEDIA),"$(PHOTOVAULT_MEDIA)")) >/dev/null
	@$(BIN)/photovault --home build/contact-sheet query gallery --oldest-first --limit 1000 --sheet build/contact-sheet.jpg

test: $(VENV)/.tools emulator ## run all tests (ARGS= for pytest)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

test-cloud: $(VENV)/.test emulator ## run the whole system on the AWS emulator, from an upload to a redrive
	$(BIN)/python -m pytest tests/e2e/test_cloud.py $(ARGS)

models: $(VENV)/.test ## install the models that recognise things, faces and words (114 MB; PHOTOVAULT_MODELS= says where)
	$(BIN)/photovault models install

fuzz: $(VENV)/.test ## break files of every kind for longer than the tests do (EXAMPLES=2000 a file and call)
	PHOTOVAULT_FUZZ_EXAMPLES=$(or $(EXAMPLES),2000) $(BIN)/python -m pytest tests/fuzz -n $(JOBS) --timeout 0 $(ARGS)

lint: $(VENV)/.lint ## ruff, mypy, the import contract, the published schemas
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m events_schema.generate --check

bench: $(VENV)/.bench emulator ## measure beside peers: a table, and build/bench.json (ARGS=--quick)
	$(BIN)/python -m benchmarks $(ARGS)

cloud: $(VENV)/.test emulator ## deploy the template to the emulator, and try it by hand
	$(BIN)/python -m infrastructure.try_cloud

tools: $(VENV)/.tools .venv-sam/.ready ## install what reads the template: cfn-lint, and sam in an environment of its own

build: $(VENV)/.tools ## make the Lambda packages, and check their sizes against AWS's limit
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m infrastructure.build --check

lint-template: tools ## lint the template, and see seeded mistakes caught
	$(BIN)/python -m pytest tests/unit/test_template.py tests/integration/test_template_lint.py $(ARGS)

STAGE ?= dev
DEPLOY_PARAMETERS := Stage=$(STAGE) $(if $(DEFAULT_OWNER),DefaultOwner=$(DEFAULT_OWNER)) \
  $(if $(ALARM_EMAIL),AlarmEmail=$(ALARM_EMAIL)) $(if $(BUDGET_USD),BudgetUsd=$(BUDGET_USD)) \
  $(if $(SCAN_IMAGE),ScanImage=$(SCAN_IMAGE)) $(if $(DASHBOARD),Dashboard=$(DASHBOARD))
deploy: build tools ## deploy to AWS with sam (STAGE= DEFAULT_OWNER= ALARM_EMAIL= BUDGET_USD=); see docs/deploy.md
	PATH="$(CURDIR)/.venv-sam/bin:$$PATH" sam deploy --template-file template.yaml --stack-name photovault-$(STAGE) --resolve-s3 \
	  --capabilities CAPABILITY_IAM CAPABILITY_NAMED_IAM CAPABILITY_AUTO_EXPAND --no-fail-on-empty-changeset \
	  --parameter-overrides $(DEPLOY_PARAMETERS)

template: $(VENV)/.test ## write what template.yaml repeats for each step and view anew (infrastructure/steps.py)
	$(BIN)/python -m infrastructure.repeated

schemas: $(VENV)/.run ## write events_schema/ anew from domain/events.py
	$(BIN)/python -m events_schema.generate

format: $(VENV)/.lint ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

emulator: $(EMULATOR)/.ready ## install the AWS emulator that the tests use, in an environment of its own

lock: ## pin the newest versions that pyproject.toml allows (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --no-header --no-annotate \
	  --upgrade --output-file constraints.txt

clean: ## remove the environments and what was built
	rm -rf $(VENV) $(EMULATOR) .venv-sam build

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "PhotoVault needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

# One stamp for each set of extras, so that a task installs no more than it needs.
$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python $(PIP) -c constraints.txt -e '.[media]'
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python $(PIP) -c constraints.txt -e '.[media,aws,ml,faces,memories,models,test]'
	@touch $@

$(VENV)/.lint: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python $(PIP) -c constraints.txt -e '.[media,aws,ml,faces,memories,models,test,lint]'
	@touch $@

$(VENV)/.tools: $(VENV)/.test constraints-tools.txt
	$(BIN)/python $(PIP) -r constraints-tools.txt
	@touch $@

$(VENV)/.bench: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python $(PIP) -c constraints.txt -e '.[media,aws,ml,memories,models,test,bench]'
	@touch $@

.venv-sam/.ready: constraints-sam.txt
	$(PYTHON) -m venv .venv-sam
	.venv-sam/bin/python $(PIP) -r constraints-sam.txt
	@touch $@

$(EMULATOR)/.ready: constraints-emulator.txt
	$(PYTHON) -m venv $(EMULATOR)
	$(EMULATOR)/bin/python $(PIP) --no-deps -r constraints-emulator.txt
	@touch $@
