# Every target prepares .venv by itself, and again only when pyproject.toml or constraints.txt change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
FAST = $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-long coverage lint docs bench results

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1 - \2/p' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is missing or older than Python 3.11; name another one: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[dev]'
	-$(BIN)/stochsim warm-up
	@touch $@

setup: $(STAMP) ## prepare .venv with the pinned versions

demo: $(STAMP) ## run the demo study and write its report to runs/first_light
	$(BIN)/stochsim sweep examples/first_light.toml --out runs/first_light

test: $(STAMP) ## run the fast tests, on two workers
	$(FAST)

test-slow: $(STAMP) ## run the slow tests: generated cases, long statistics
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "slow and not long"

test-long: $(STAMP) ## run the longest ones: whole benchmarks, every place of a file, cold compilers
	$(BIN)/python -m pytest -n 2 --dist loadfile -m long

coverage: $(STAMP) ## run the fast tests and say which lines and branches of stochsim/ they take
	$(FAST) --cov --cov-report=term:skip-covered

lint: $(STAMP) ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(STAMP) ## write the pages of docs/ that are made from the code
	$(BIN)/python -m docs.generate

bench: $(STAMP) ## run every benchmark with --quick; figures and JSON go to runs/bench
	@mkdir -p runs/bench
	@set -e; for script in $(sort $(filter-out benchmarks/_%,$(wildcard benchmarks/*.py))); do \
		name=$$(basename $$script .py); echo "== $$name"; \
		$(BIN)/python $$script --quick --json runs/bench/$$name.json --out runs/bench/$$name; \
	done

results: $(STAMP) ## run the benchmarks of benchmarks/results in full; hours, can be stopped and goes on
	@set -e; for name in linear_gaussian_gates emergence posterior_survival learned_bits bits_or_samples price_laws silicon optimizer_against_grid conversion \
		conversion_zoo brevitas_networks formats formats_of_networks accumulators atlas conversion_speed training_speed studies_at_scale; do \
		echo "== $$name"; $(BIN)/python benchmarks/$$name.py --out benchmarks/results; \
	done
