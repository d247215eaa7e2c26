# Everything a person does here. `make` alone explains itself; each target first does the set-up it needs, and what is
# done already is not done again.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
export PORT ?= 8000
export PYTHON NO_CACHE CA_BUNDLE BASE

# Options of the image builder, from the variables that `make help` names.
BUILDER_FLAGS = $(if $(NO_CACHE),--no-cache) $(if $(CA_BUNDLE),--ca-bundle $(CA_BUNDLE)) $(if $(BASE),--base $(BASE))

##@ Two commands that do everything

.PHONY: run
run: setup docker images ## Start the manager on 127.0.0.1:8000 with warm sandboxes, run the demo, stay until Ctrl-C
	@$(PY) scripts/run.py --port $(PORT)

.PHONY: test
test: setup docker images chromium redis ## Run all tests, those on real containers and a real browser included (T="-k name" picks)
	@$(VENV)/bin/pytest $(T)

##@ Parts of them

.PHONY: demo
demo: setup docker images ## Like run, but once: exits 0 only if all of the demo worked
	@$(PY) scripts/run.py --port $(PORT) --once

.PHONY: setup
setup: ## Make .venv with the locked packages (PYTHON=python3.12 chooses the interpreter)
	@scripts/setup-venv.sh

.PHONY: docker
docker: setup ## Make sure that a container engine answers; on Debian/Ubuntu install and start one
	@scripts/ensure-docker.sh

.PHONY: images
images: setup docker ## Build the images whose inputs changed (NO_CACHE=1, CA_BUNDLE=file|none, BASE=image)
	@$(VENV)/bin/runtime-sandbox-builder all $(BUILDER_FLAGS)

.PHONY: chromium
chromium: setup ## Make sure that this machine has a Chromium for the tests that look at pages
	@scripts/ensure-chromium.sh

.PHONY: redis
redis: ## Make sure that this machine has a redis-server for the tests of what is kept in Redis
	@scripts/ensure-redis.sh

##@ While developing

.PHONY: check
check: setup ## Lint, format, types, import arrows, generated code, layout: all without an engine
	@$(PY) scripts/check.py

.PHONY: unit
unit: setup redis ## Run the tests that need no engine
	@$(VENV)/bin/pytest -m "not docker" $(T)

.PHONY: format
format: setup ## Format the code and fix what ruff can fix
	@$(VENV)/bin/ruff check --fix --quiet . || true
	@$(VENV)/bin/ruff format .

.PHONY: tools-reference
tools-reference: setup ## Write docs/tools.md from the tools' specs
	@PYTHONPATH=images $(PY) scripts/tools_reference.py

.PHONY: unasync
unasync: setup ## Write the client's _sync/ from _async/
	@$(PY) scripts/unasync.py

.PHONY: acceptance
acceptance: setup docker images redis ## Try every promise of the documents, and print which are kept (T="-k S25" picks)
	@$(PY) scripts/acceptance.py $(T)

.PHONY: chaos
chaos: setup docker images redis ## Kill managers, again and again (DURATION=600: seconds of each test; SEED=7: as in that run)
	@CHAOS_DURATION="$(or $(DURATION),60)" CHAOS_SEED="$(SEED)" $(VENV)/bin/pytest -s tests/chaos $(T)

.PHONY: bench
bench: setup docker images ## Measure what docs/performance.md reports (B="--only base -n 50" picks)
	@PYTHONPATH=tests:tests/support $(PY) -m bench $(B)

.PHONY: lock
lock: ## Resolve pyproject.toml into requirements.lock (UPGRADE=1: newest versions)
	@[ -x $(VENV)/bin/uv ] || scripts/setup-venv.sh
	@scripts/lock.sh $(if $(UPGRADE),--upgrade)

.PHONY: lowest
lowest: setup redis ## Run the unit tests on the lowest versions that pyproject.toml allows
	@scripts/lowest.sh $(T)

.PHONY: clean
clean: ## Remove the environment, build output, our images, and containers that this installation left
	@scripts/clean.sh

.PHONY: help
help: ## Show this
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n\033[1m%s\033[0m\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  \033[36mmake %-10s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST) \
	  | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi
	@printf '\nNew here? make run   (Debian or Ubuntu, root or sudo: nothing else to install)\n'
