# The commands of this repository; `make` alone lists them.
# SALLYPORT_PORT and SALLYPORT_VAR_DIR choose the port and the data folder, so that several
# instances run side by side; SALLYPORT_DATABASE_URL and SALLYPORT_REDIS_URL choose servers.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup run test story check lint format types map migrations deploy-check sabotage shape risk-report bench lock env down clean

PY := .venv/bin/python
# The first Python that fits and can make virtual environments.
PYTHON ?= $(shell for each in python3.11 python3.12 python3 python; do \
	"$$each" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' \
	2>/dev/null && echo "$$each" && break; done)
# `make test ARGS="tests/idp -k refresh"`; `make test WORKERS=0` for a debugger.
WORKERS ?= auto
ARGS ?=
UV := uv==0.13.9

# Settings for tools that load Django without a database; nothing here opens anything.
STATIC := SALLYPORT_ENVIRONMENT=test SALLYPORT_DATABASE_URL=postgresql:///none \
	SALLYPORT_REDIS_URL=redis://localhost \
	SALLYPORT_SECRET_KEY=for-static-checks-only-0000000000000000 \
	SALLYPORT_KEY_ENCRYPTION_KEYS=k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
PRODUCTION := SALLYPORT_ENVIRONMENT=production SALLYPORT_DATABASE_URL=postgresql:///none \
	SALLYPORT_REDIS_URL=redis://localhost SALLYPORT_BASE_URL=https://id.example.org \
	SALLYPORT_EMAIL__HOST=mail.example.org \
	SALLYPORT_SECRET_KEY=$$(head -c 48 /dev/urandom | base64) \
	SALLYPORT_KEY_ENCRYPTION_KEYS=k1:$$(head -c 32 /dev/urandom | base64)
# What a shell has set for `make run` must not reach the static checks.
UNSET := env -u SALLYPORT_DATABASE_URL_FILE -u SALLYPORT_DATABASE_OWNER_URL_FILE \
	-u SALLYPORT_REDIS_URL_FILE -u SALLYPORT_SECRET_KEY_FILE -u SALLYPORT_KEY_ENCRYPTION_KEYS_FILE

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv from the hash-locked requirements
	@if [ -z "$(PYTHON)" ]; then echo "sallyport: Python 3.11 or 3.12 with its venv module is needed\
	 (Debian: apt-get install python3-venv)." >&2; exit 1; fi
	@"$(PYTHON)" -I config/install.py

run: setup ## Run everything on http://localhost:8000; Ctrl-C stops it
	@exec $(PY) -m config.run

test: setup ## Run the whole test suite, with Chromium, PostgreSQL and Valkey
	@CHROMIUM="$$($(PY) -m tests.support.chromium)" && export CHROMIUM && \
	exec $(PY) -m pytest -n $(WORKERS) $(ARGS)

check: lint types map migrations deploy-check test ## All that CI checks

lint: setup ## Look for faults and for unformatted code
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check --quiet .

format: setup ## Format the code
	@$(PY) -m ruff check --fix --quiet . || true
	@$(PY) -m ruff format .

types: setup ## Check the types
	@$(UNSET) $(STATIC) $(PY) -m mypy .

map: setup ## Check that every import follows the map
	@.venv/bin/lint-imports

migrations: setup ## Check that no migration is missing
	@$(UNSET) $(STATIC) $(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

deploy-check: setup ## Check the settings of a production deployment
	@$(UNSET) $(PRODUCTION) $(PY) manage.py check --deploy --fail-level WARNING

sabotage: setup ## Take each defence away and see that the tests of its attack notice
	@$(PY) -m tests.attacks.sabotage $(ARGS)

shape: setup ## Print how large everything is; fails nothing
	@$(PY) -m tests.architecture.shape

risk-report: setup ## Measure risk on generated sign-ins; write docs/risk.md and the calibration
	@exec $(PY) -m bench.risk $(ARGS)

bench: setup ## Measure requests and CPU beside a tuned django-oauth-toolkit
	@exec $(PY) -m bench $(ARGS)

story: setup ## Play the story of the design against a product of its own, and print the evidence
	@CHROMIUM="$$($(PY) -m tests.support.chromium)" && export CHROMIUM && exec $(PY) -m tests.story

lock: setup ## Resolve requirements*.in anew, with hashes
	@"$(PYTHON)" -m venv var/lock && var/lock/bin/pip install --quiet $(UV)
	@for each in requirements requirements-dev; do \
	var/lock/bin/uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-header \
	"$$each.in" -o "$$each.txt" || exit 1; done

env: setup ## Print what manage.py needs by hand: eval "$$(make env)"
	@$(PY) -m config.embedded env

down: setup ## Stop what runs from this data folder, services included
	@$(PY) -m config.run stop
	@$(PY) -m config.embedded down

clean: ## Remove caches and the test data; never your own data folder
	@if [ -x $(PY) ] && [ -d var/test ]; then SALLYPORT_VAR_DIR=var/test $(PY) -m config.embedded down; fi
	@rm -rf var/test var/lock var/chromium .pytest_cache .mypy_cache .ruff_cache .import_linter_cache \
	.hypothesis .coverage htmlcov
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
