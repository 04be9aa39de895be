# Two commands matter: `make run` and `make test`. Each sets up what it needs from nothing but Python 3.11.

# The first of these that works and is new enough; a name on PATH may be a shim for a version that is not installed.
PYTHON ?= $(shell for p in python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

VENV := .venv
BENCH := .venv-bench
DOCS := .venv-docs
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
LOCK := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

# A half-made environment has no pip that works, and is made again from the start.
ensure_venv = $(1)/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	|| $(PYTHON) -m venv --clear $(1)

.PHONY: setup dev run test check docs bench crash attack fuzz pictures demo-pack lock clean

# What running needs, and what testing needs beside it: one environment, two locks that agree.
setup: $(VENV)/.ready
dev: $(VENV)/.ready-dev

# Without a recipe: an interpreter that is gone makes the environment out of date.
$(VENV)/bin/python $(BENCH)/bin/python $(DOCS)/bin/python:

$(VENV)/.ready: requirements.lock pyproject.toml $(VENV)/bin/python
	@test -n "$(PYTHON)" || { echo "Lichen needs Python 3.11 or newer on PATH."; exit 1; }
	@$(call ensure_venv,$(VENV))
	$(VENV)/bin/python $(PIP_INSTALL) --require-hashes -r requirements.lock
	$(VENV)/bin/python $(PIP_INSTALL) --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.ready-dev: requirements-dev.lock requirements-model.lock $(VENV)/.ready
	$(VENV)/bin/python $(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	$(VENV)/bin/python $(PIP_INSTALL) --no-deps --require-hashes -r requirements-model.lock
	@touch $@

$(BENCH)/.ready: bench/requirements.lock $(BENCH)/bin/python
	@$(call ensure_venv,$(BENCH))
	$(BENCH)/bin/python $(PIP_INSTALL) --require-hashes -r $<
	@touch $@

$(DOCS)/.ready: requirements-docs.lock $(DOCS)/bin/python
	@$(call ensure_venv,$(DOCS))
	$(DOCS)/bin/python $(PIP_INSTALL) --require-hashes -r $<
	@touch $@

run: setup
	$(VENV)/bin/lichen serve --demo

# As many tests at once as there are cores; `make test WORKERS=0` runs them one by one.
WORKERS ?= logical

test: dev
	@tests/browser.sh
	@tests/squashfs.sh
	@tests/registry.sh
	$(VENV)/bin/pytest -n $(WORKERS) --dist worksteal

check: dev
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/pyright
	$(VENV)/bin/lint-imports --no-logo
	$(VENV)/bin/python spec/check.py

# The site, in build/site: pages by hand and reference from the code. Nothing in it comes from elsewhere.
docs: setup $(DOCS)/.ready
	$(VENV)/bin/python -m docs.reference build/docs
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --quiet --strict --clean --config-file docs/mkdocs.yml
	$(VENV)/bin/python -m docs.sealed build/site

bench: dev $(BENCH)/.ready
	@bench/wrk.sh
	$(VENV)/bin/python -m bench

crash: dev
	$(VENV)/bin/python -m tests.crash

# Everything somebody who means harm might try, at full size; the tests try it at a small one.
attack: dev
	$(VENV)/bin/python -m tests.attack

# Bytes of strangers, nearly right, a minute for each parser; the tests try a few.
fuzz: dev
	$(VENV)/bin/python -m tests.fuzz

# The pictures of the README: the terminal's, and those the test takes that plays the story in a browser.
pictures: dev
	@tests/browser.sh
	$(VENV)/bin/python docs/draw.py
	$(VENV)/bin/python -m docs.house
	LICHEN_PICTURES=docs $(VENV)/bin/pytest -q tests/browser/test_story.py tests/browser/test_tools.py tests/docs/test_first_agent.py

# The demo's pack, built anew from its sources and signed: KEY is the private key, which lies in no tree.
demo-pack: dev
	for part in hours number wording; do \
		$(VENV)/bin/lichen component build demo/components/$$part && \
		mkdir -p demo/pack/components && \
		cp demo/components/$$part/component.wasm demo/pack/components/shop.$$part.wasm || exit 1; done
	$(VENV)/bin/lichen pack build demo/pack --out demo/shop.gtpack
	rm -f demo/shop.cdx.json
	$(VENV)/bin/lichen pack sign demo/shop.gtpack --key $(KEY) --days 3650 --subject "Lichen demo"

lock: dev
	$(LOCK) pyproject.toml --extra fast --extra components --group build -o requirements.lock
	$(LOCK) pyproject.toml --extra fast --extra models --extra mcp --extra openapi --extra dns --extra cage --extra own --extra vault --extra aws-secrets --extra azure-secrets --extra gcp-secrets --extra postgres --extra redis --extra nats --extra components --extra registries --group build --group dev -c requirements.lock -o requirements-dev.lock
	$(LOCK) --group model -o requirements-model.lock
	$(LOCK) --group docs -o requirements-docs.lock
	$(LOCK) bench/requirements.in -o bench/requirements.lock

clean:
	rm -rf $(VENV) $(BENCH) $(DOCS) build dist .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
