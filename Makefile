# Every target sets up what it needs: a virtual environment in .venv, made anew when pyproject.toml changes.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: run test check pythons lint types bench provider wheel conformance conformance-waits conformance-rest openssl-own-tests clean

run: $(READY)
	$(BIN)/simaccel run

test: $(READY)
	$(BIN)/python -m pytest

check: lint types test

# The core's tests under the other Pythons that are found here.
pythons: $(READY)
	.ci/pythons

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

# What needs the extras of its own: peers to compare with, and pictures.
bench: $(READY) $(VENV)/.ready-bench
	$(BIN)/python -m benchmarks --json bench-results/bench.json --out bench-results

$(VENV)/.ready-bench: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	@touch $@

# The OpenSSL provider, in C; OPENSSL=prefix takes another libcrypto than the system's.
provider:
	$(MAKE) -C provider

# OpenSSL's own tests with the provider and without it; TREE=built source tree of OpenSSL.
openssl-own-tests: $(READY)
	tests/bridge/openssl_own_tests.sh $(TREE)

# The wheel, with the providers that were built: the system's, and those of prefixes.
wheel: $(READY) provider
	$(BIN)/python -m build --wheel

# All random programs against the real libcrypto; SIMACCEL_LIBCRYPTO=path takes another one.
# In two halves, about one to each core.
conformance: $(READY)
	$(MAKE) --jobs=2 --output-sync conformance-waits conformance-rest

conformance-waits: $(READY)
	SIMACCEL_CONFORMANCE=full $(BIN)/python -m pytest tests/conformance -k test_wait_contexts_agree

conformance-rest: $(READY)
	SIMACCEL_CONFORMANCE=full $(BIN)/python -m pytest tests/conformance -k 'not test_wait_contexts_agree'

clean:
	rm -rf $(VENV) $(VENV)-3.* dist .mypy_cache .pytest_cache .ruff_cache

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "simaccel needs Python 3.11 or later; call make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
