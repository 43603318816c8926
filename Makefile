# Each target works as the first command on a fresh clone and skips what is already set up.
PYTHON ?= python3
# TORCH=cpu takes builds of torch without CUDA (200 MB in place of 5 GB), TORCH=cu126 those of another CUDA.
TORCH ?=
VENV := .venv
BIN := $(VENV)/bin
RESULTS ?= results/local
READY := $(VENV)/.ready
PYTEST := $(BIN)/python -m pytest

export RAY_USAGE_STATS_ENABLED := 0

.PHONY: bench test test-fast test-deep coverage check benchmark axe install clean

bench: $(READY)  ## the main job: every method on the embedded corpus, then the leaderboard
	$(BIN)/mmda-bench run --methods all --dataset avatars --results $(RESULTS)

# What starts Ray, a browser or a wheel wants both cores, and follows alone.
test: $(READY)  ## the tests, but for the long runs
	$(PYTEST) -n 2 --dist loadfile -m "not system and not deep"
	$(PYTEST) -m "system and not deep"

test-deep: $(READY)  ## the long runs: benchmarks in their small forms, real layouts, many kills and mutations
	$(PYTEST) -m deep

test-fast: $(READY)  ## the tests that take a minute together
	$(PYTEST) -n 2 --dist loadfile -m "not system and not slow and not deep"

coverage: $(READY)  ## all tests, and which statements they reach in the process that runs them
	$(PYTEST) --cov --cov-report= -n 2 --dist loadfile -m "not system and not deep"
	$(PYTEST) --cov --cov-append --cov-report=term:skip-covered -m "system or deep"

check: $(READY)  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: $(READY)  ## ratios measured side by side; not a test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable ".[benchmark]"
	$(BIN)/python -m tests.benchmarks

# What holds the page to the rules of accessibility (MPL-2.0): fetched, and no part of this repository.
AXE := axe-core-4.14.1
axe: .axe/axe.min.js  ## axe-core for the tests of the page, by npm

.axe/axe.min.js:
	mkdir -p $(@D)
	cd $(@D) && npm pack --silent $(subst core-,core@,$(AXE)) >/dev/null && tar -xzf $(AXE).tgz --strip-components=1
	rm $(@D)/$(AXE).tgz

install: $(READY)  ## set-up alone

# An older Python is told so before pip reports what conflicts with it: in words that Python 2 can read, too.
OLD := import sys; v = sys.version_info[:2]; sys.exit(0 if v >= (3, 11) else \
	"mmda-bench needs Python 3.11 or later, and %s is %d.%d. Name another: make install PYTHON=python3.12" \
	% ((sys.executable,) + v))
BUILDS := $(if $(TORCH),--extra-index-url https://download.pytorch.org/whl/$(TORCH))

# Torch goes first and by its exact version, so that pip takes the build that was tested.
$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -c '$(OLD)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(BUILDS) torch torchvision
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) .axe build dist *.egg-info
