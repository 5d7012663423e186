# The front door. Needs Python 3.11 or later (with venv and pip), make and the package registries.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
# Where it is set (in images, say), each of the hundreds of processes that tests start would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
STAMP := .venv/installed
PYTEST := $(BIN)/python -m pytest
# Workers share one embedded server; more of them than this only wait for it.
# Tests wait more than they compute: one worker more than processors keeps them busy.
WORKERS := -n $(shell python3 -c 'import os; print(min(8, os.cpu_count() + 1))') --dist worksteal
PIP_INSTALL_SAID := -m pip --disable-pip-version-check --no-input install
PIP_INSTALL := $(PIP_INSTALL_SAID) --quiet

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

.PHONY: setup
setup: $(STAMP) ## install everything into .venv (quick when it is there)

$(STAMP): requirements-dev.lock pyproject.toml
	@echo "installing into .venv; once, one to three minutes"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || "$$(.ci/find-python)" -m venv --clear .venv
	@$(BIN)/python $(PIP_INSTALL_SAID) --no-deps --require-hashes -r requirements-dev.lock | .ci/pip-progress requirements-dev.lock
	@$(BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: demo
demo: $(STAMP) ## route 5,000 generated leads on the embedded servers and explain two of them
	@$(BIN)/python -m loadtest.demo

.PHONY: observe
observe: $(STAMP) ## the demo's service with Prometheus, Alertmanager and what they send, until Ctrl-C; TIMES=15: alerts 15 times as fast (needs Debian's packages)
	@$(BIN)/python -m loadtest.observe $(if $(TIMES),--times $(TIMES))

.PHONY: screenshots
screenshots: $(STAMP) ## each page of the console over the demo's data, in both languages, into docs/images (after make demo; needs Debian's Chromium)
	@$(BIN)/python -m loadtest.screenshots

.PHONY: real
real: $(STAMP) ## route 30,327 real leads, with their own clock where they have one (needs LEAD_ROUTER_DATA)
	@$(BIN)/python -m loadtest.real

.PHONY: bench
bench: $(STAMP) ## measure the drain beside its limit and its peers (QUICK=1: only whether it runs; ONLY="rules reps")
	@$(BIN)/python -m loadtest.bench $(if $(QUICK),--quick) $(addprefix --only ,$(ONLY))

.PHONY: bench-peers
bench-peers: $(STAMP) ## lead-router beside PgQueuer, Procrastinate and a plain loop in one run (QUICK=1: only whether it runs); build/peers.json
	@$(BIN)/python -m loadtest.peers $(if $(QUICK),--quick)

.PHONY: plots
plots: $(STAMP) ## draw docs/pictures from build/bench.json and build/peers.json, and write their figures into the pages
	@$(BIN)/python -m loadtest.plots

.PHONY: profile
profile: $(STAMP) ## where a drain's time goes: flame graph, statements, write-ahead log, plans; in build/profile
	@$(BIN)/python -m loadtest.bench.profile

.PHONY: soak
soak: $(STAMP) ## break everything at random for MINUTES=10 with SEED=1 (repeatable), or FLAT=1: no faults, but slopes, for 15; the last line is JSON
	@$(BIN)/python -m loadtest.faults $(if $(FLAT),--flat) --minutes $(or $(MINUTES),$(if $(FLAT),15,10)) --seed $(or $(SEED),1)

.PHONY: load
load: $(STAMP) ## put load on the service and judge it: SHAPE=steady MINUTES=1, RATE=20 requests a second, FAULT=F4 AT=20 UNTIL=35; build/load/report.html
	@$(BIN)/python -m loadtest.load $(if $(SHAPE),--shape $(SHAPE)) $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(RATE),--rate $(RATE)) $(if $(PROCESSES),--processes $(PROCESSES)) $(if $(SEED),--seed $(SEED)) \
		$(if $(FAULT),--fault "$(FAULT)") $(if $(AT),--at $(AT)) $(if $(UNTIL),--until $(UNTIL)) $(if $(URL),--url $(URL)) \
		$(if $(OBJECTIVES),--objectives $(OBJECTIVES)) $(if $(OUTPUT),--output $(OUTPUT))

.PHONY: test
test: $(STAMP) ## the tests that need wheels only
	@$(PYTEST) $(WORKERS) -m "not servers and not full"

.PHONY: test-all
test-all: $(STAMP) ## all tests, also on Debian's PostgreSQL 15, and the installation as the image does it
	@$(PYTEST) $(WORKERS) --nothing-skipped -m "not servers and not full"
	@$(MAKE) test-added

.PHONY: test-added
test-added: $(STAMP) ## only what test-all adds to test
	@$(BIN)/python -m tests.debian
	@# Each of these starts several processes of its own, which keep the processors busy already.
	@$(PYTEST) -n 2 --dist worksteal --nothing-skipped -m "servers or full"
	@# One run for both of Debian's: through PgBouncer to PostgreSQL 15, and what cannot hold behind a pooler directly.
	@$(BIN)/python -m tests.postgresql_15 $(BIN)/python -m tests.pgbouncer $(PYTEST) $(WORKERS) --nothing-skipped -m "not servers and not full and not direct" tests/postgres tests/faults
	@$(BIN)/python -m tests.postgresql_15 $(PYTEST) $(WORKERS) --nothing-skipped -m "direct and not servers and not full" tests/postgres
	@rm -rf build/image
	@.ci/install build/image
	@build/image/bin/lead-router --data-dir build/image/data migrate --json
	@build/image/bin/lead-router runbook groups_empty --json >/dev/null
	@rm -rf build/image

.PHONY: lint
lint: $(STAMP) ## style, types, the architecture's lines, the image's recipe, the pages of schema and API, the links of alerts, the dashboards
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/hadolint Dockerfile
	@$(BIN)/python -m ops.schema.page --check
	@$(BIN)/python -m ops.api.page --check
	@$(BIN)/python -m ops.alerting.rules --check
	@$(BIN)/python -m ops.dashboards.write --check

.PHONY: format
format: $(STAMP) ## put the code into the form that lint wants
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: schema
schema: $(STAMP) ## write sql/schema.md from the migrations
	@$(BIN)/python -m ops.schema.page

.PHONY: docs
docs: $(STAMP) ## run the commands of the pages and write what they print into them
	@$(BIN)/python -m tests.pages $(PAGES)

.PHONY: api
api: $(STAMP) ## write docs/openapi.json and docs/api.md from the operations of the API
	@$(BIN)/python -m ops.api.page

.PHONY: alerts
alerts: $(STAMP) ## write the links to runbooks and dashboards into config/prometheus/rules
	@$(BIN)/python -m ops.alerting.rules

.PHONY: dashboards
dashboards: $(STAMP) ## write config/grafana from ops/dashboards
	@$(BIN)/python -m ops.dashboards.write

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock"

.PHONY: lock
lock: $(STAMP) ## lock the newest versions that pyproject.toml allows
	@$(COMPILE) --upgrade pyproject.toml --group dev -o requirements-dev.lock
	@$(COMPILE) --constraint requirements-dev.lock pyproject.toml -o requirements.lock
	@$(COMPILE) --constraint requirements-dev.lock --group build -o requirements-build.lock
	@$(COMPILE) --constraint requirements-dev.lock --group load -o requirements-load.lock

.PHONY: messages
messages: $(STAMP) ## bring the translations up to date with the messages of the code
	@$(BIN)/python -m ops.text.messages

.PHONY: clean
clean: ## remove what was installed, built and routed here, also the embedded servers' data
	@# where root's servers could not reach the folder, their data is elsewhere
	@for data in $$(find . -path ./.venv -prune -o -type l -name postgres -print); do \
		place=$$(readlink "$$data"); \
		case "$$place" in /var/lib/lead-router/*/postgres) rm -rf "$${place%/postgres}";; esac; \
	done
	@rm -rf .venv .lead-router build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
