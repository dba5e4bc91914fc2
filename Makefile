# Every target makes .venv, or brings it up to date, by itself. It needs Python 3.11 or newer.

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
# Most of what comes along is imported by nothing: to compile it takes longer than to install it.
INSTALL := $(PY) -m pip install -qq --no-compile --editable
PORT ?= 8000
# Further options of pytest, the benchmark, …: make test ARGS="-k phones"
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1

# An environment that was left half made, or whose interpreter has gone, is made anew.
$(shell test ! -d $(VENV) || $(PY) -c 'import pip' 2>/dev/null || rm -rf $(VENV))

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo serve test test-all lint package docs format bench clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) \
		| while IFS='|' read -r name text; do printf '%-16s %s\n' "$$name" "$$text"; done

demo: $(VENV)/.example ## Verify a number over real HTTP, against a temporary site
	@$(PY) -m example_project.demo

serve: $(VENV)/.example ## Run the example site on 127.0.0.1 (PORT=8000), with credentials to copy
	@$(PY) manage.py serve --port $(PORT)

# Without its cache each of pytest's processes compiles every test anew, which takes a quarter of a run.
test: $(VENV)/.dev ## Run all tests on SQLite (coverage too: ARGS=--cov)
	@env -u DATABASE_URL -u REDIS_URL -u PYTHONDONTWRITEBYTECODE $(PY) -m pytest \
		-n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-all: $(VENV)/.dev ## The same with coverage, and on this host's PostgreSQL, MariaDB and Redis
	@.ci/run sqlite databases

lint: $(VENV)/.lint ## Check style, types, imports and migrations
	@status=0; for check in \
		'ruff check .' 'ruff format --check .' 'mypy' 'lint-imports' \
		'python manage.py makemigrations --check --dry-run'; \
	do \
		echo "$$check"; \
		env -u REDIS_URL DATABASE_URL=sqlite://:memory: $(BIN)/$$check || status=1; \
	done; exit $$status

package: $(VENV)/.dev ## Build sdist and wheel twice, look into them, and run each extra alone (ARGS=dist keeps them)
	@$(PY) .ci/package.py $(ARGS)

docs: $(VENV)/.docs ## Build the documentation site into build/site; a warning is an error
	@$(BIN)/sphinx-build --quiet --nitpicky --fail-on-warning --keep-going --jobs 2 \
		--doctree-dir build/doctrees docs build/site
	@echo "The site is build/site/index.html"

format: $(VENV)/.lint ## Rewrite the code in the house style
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: $(VENV)/.dev ## Measure start and check beside hand-written pairs (ARGS=--quick, --peers)
	@$(PY) -m benchmarks.run $(ARGS)

clean: ## Remove environments, caches, reports and test databases; db.sqlite3 stays
	@rm -rf $(VENV) .venvs .tox build dist htmlcov .coverage* test.sqlite3* *.egg-info \
		.mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An interpreter is used only if it runs and brings venv: a name on the path may be an empty shim.
$(PY):
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
		if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
			>/dev/null 2>&1; \
		then \
			echo "Making $(VENV) with $$($$python --version)"; \
			exec $$python -m venv --clear $(VENV); \
		fi; \
	done; \
	echo "No Python 3.11 or newer with its venv module was found. Install one, or name it:" \
		"make PYTHON=python3.13 …" >&2; \
	exit 1

$(VENV)/.example: pyproject.toml $(PY)
	@echo "Installing django-verify and what the example site needs"
	@$(INSTALL) '.[example]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(PY)
	@echo "Installing django-verify and what its tests need"
	@$(INSTALL) '.[dev]'
	@touch $(VENV)/.example $@

$(VENV)/.lint: pyproject.toml $(PY)
	@echo "Installing django-verify and what checks it"
	@$(INSTALL) '.[lint]'
	@touch $(VENV)/.example $(VENV)/.dev $@

$(VENV)/.docs: pyproject.toml $(PY)
	@echo "Installing django-verify and what builds its documentation"
	@$(INSTALL) '.[docs]'
	@touch $(VENV)/.example $@
