# `make` alone lists the targets. All of them need only Python >= 3.11 and a package index.

.DEFAULT_GOAL := help
.PHONY: help setup serve test test-long fuzz bench lint audit sbom docs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: .venv.stamp ## make .venv and install everything into it, once

serve: .venv.stamp ## run the whole service; its database too, unless ERRHOUSE_DATABASE_URL is set
	@exec .venv/bin/errhouse serve $(ARGS)

test: .venv.stamp ## run the tests; ARGS="tests/models -k embedded" runs some
	@exec .venv/bin/pytest $(ARGS)

test-long: .venv.stamp ## run every scenario of reliability, hours of them; a line each, also in test-long.lines; TIER=2 takes less
	@rm -f test-long.lines
	@ERRHOUSE_TEST_TIER=$(or $(TIER),3) ERRHOUSE_TEST_PROOF_LINES=test-long.lines exec .venv/bin/pytest -v -m scenario $(ARGS)

fuzz: .venv.stamp ## fuzz what reads bytes, led by coverage, each part for SECONDS (240); needs Python 3.11
	@set -e; [ -x .venv-fuzz/bin/python ] || .venv/bin/python -m venv .venv-fuzz; \
	.venv-fuzz/bin/pip install -q --require-hashes --only-binary :all: -r requirements.lock -r tests/fuzz/requirements.lock; \
	for part in decoder framing text event spool; do \
		.venv-fuzz/bin/python tests/fuzz/coverage.py $$part $(or $(SECONDS),240); done

bench: .venv.stamp ## measure speed, one JSON line a figure, in some minutes; ARGS="load" measures that alone
	@exec .venv/bin/python -m tests.bench $(ARGS)

bench-large: .venv.stamp ## measure a million events over HTTP, and ten million in the warehouse; takes long
	@set -e; .venv/bin/python tests/bench/bench_ingest.py --sizes 3000 --events 1000000; \
	home=$$(mktemp -d); trap 'rm -rf "$$home"' EXIT; \
	.venv/bin/python tests/bench/bench_warehouse.py --data "$$home"; \
	.venv/bin/python tests/bench/bench_report.py --data "$$home"; \
	.venv/bin/python tests/bench/bench_load.py --full "$$home/times-1"

lint: .venv.stamp ## check format, rules, types, import contracts and security
	@.venv/bin/ruff format --check
	@.venv/bin/ruff check
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@.venv/bin/bandit -q -c pyproject.toml -r ingest models reports migrations docs

audit: .venv.stamp ## ask advisory sources about what is locked; ARGS="--osv-url URL" for one of your own
	@.venv/bin/python .ci/audit.py $(ARGS)

sbom: .venv.stamp ## write dist/errhouse.cdx.json: what errhouse needs to run, for a release
	@.venv/bin/python .ci/sbom.py

docs: .venv.stamp ## write again what in docs/ is made from the code
	@.venv/bin/python docs/generate.py

lock: ## choose dependency versions again, with hashes; needs uv
	@set -e; export PATH="$(CURDIR)/.venv/bin:$$PATH"; \
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header -q $(ARGS) -o requirements.lock; \
	{ echo "# Every dependency, direct or not, for work and for tests, with hashes. Written by \`make lock\`, never by hand."; \
		grep -v '^#' requirements.lock; } > requirements.lock.new; \
	mv requirements.lock.new requirements.lock

clean: ## remove what make and the tools made here; data folders stay
	rm -rf .venv .venv.stamp .venv-dbt .venv-fuzz build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find ingest models migrations reports tests -name __pycache__ -type d -exec rm -rf {} +

.venv.stamp: pyproject.toml requirements.lock .ci/setup
	@sh .ci/setup
	@touch .venv.stamp
