# `make run` starts Nava, `make test` tests it. Nothing else is needed to begin.
# Settings are environment variables, for example: PANEL_PORT=8500 make run

SHELL := /bin/sh
BIN := .venv/bin
# The first Python that is new enough; name another with PYTHON=... (the setup step checks it and says what is missing).
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && exit; done; echo python3)
SETUP = @$(PYTHON) -I panel/cli/_setup.py

.PHONY: run test check bench help setup assets lock clean
.DEFAULT_GOAL := help

run: ## Install what is missing and start Nava on this machine, until Ctrl-C
	@command -v $(PYTHON) >/dev/null || { echo "nava: no Python found; install Python 3.11 or newer" >&2; exit 1; }
	$(SETUP) run
	@exec $(BIN)/panel up $(ARGS)

test: ## Run the whole suite: both databases, a real broker, a real browser (ARGS="tests/jobs -x" for a part)
	$(SETUP) test
	@$(BIN)/pytest -n 2 --dist worksteal $(ARGS)

check: ## Run what the machine checks: style, types, imports, translations, documentation
	$(SETUP) test
	@bad=0; for check in "ruff check ." "ruff format --check ." mypy "lint-imports --no-cache" \
		"pytest -q tests/translations tests/docs tests/architecture"; do \
		$(BIN)/$$check || { bad=1; echo "make check: $$check failed" >&2; }; done; exit $$bad

bench: ## Measure against a floor in the same run (BENCH=send for one of them)
	$(SETUP) test
	@$(BIN)/python -m bench $(BENCH)

setup: ## Make the environment and the browser code anew, whatever state they are in
	@rm -rf .venv
	$(SETUP) test

assets: ## Build the browser code
	@$(BIN)/python hatch_build.py --force

lock: ## Choose the newest allowed versions and write requirements/*.lock
	$(SETUP) test
	@$(BIN)/python -m pip install --quiet uv
	@for name in panel test; do \
		printf 'hatchling>=1.27\neditables>=0.5\n' > .venv/build.in; \
		extra=; [ $$name = panel ] || extra="--extra test --constraint requirements/panel.lock"; \
		$(BIN)/uv pip compile pyproject.toml .venv/build.in $$extra --upgrade --universal --python-version 3.11 \
			--generate-hashes --no-annotate --no-emit-index-url --custom-compile-command "make lock" \
			--quiet --output-file requirements/$$name.lock || exit 1; done
	@$(BIN)/python -c 'import hatch_build; print(hatch_build.NODE_WHEEL)' | $(BIN)/uv pip compile - --upgrade --universal \
		--python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
		--custom-compile-command "make lock" --quiet --output-file requirements/node.lock

clean: ## Remove the environment and everything that was built; the data in instance/ stays
	rm -rf .venv panel/web/static/dist panel/web/assets/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
