# Every target sets up what it needs in the virtual environment .venv, and again when pyproject.toml changes.
# `make run` needs simaccel alone: $(READY). Tests, linters and builds need more: $(READY_DEV), which has with
# SIMACCEL_EFFORT also what only those tests need that `make test` leaves out.
PYTHON    ?= $(shell command -v python3.11 || command -v python3)
VENV      := .venv
BIN       := $(VENV)/bin
MADE      := $(VENV)/.made
READY     := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-$(if $(SIMACCEL_EFFORT),ci,dev)
PYPI      := https://pypi.org/simple
PIP       := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: all run hot test thorough check pythons lint types bench pictures provider wheel wheels fresh-root containers install conformance conformance-waits conformance-rest openssl-own-tests certify mutants servers clean

# `make` alone sets up and compiles what can be compiled.
all: hot

# The main job. It does not wait for a compiler, and says at its end whether the hot path was compiled.
run: $(READY)
	$(BIN)/simaccel run
	@$(BIN)/python -c 'import hotpath; print("\nhot path:", hotpath.RUNNING)'

# The hot path, compiled if there is a C compiler, and again if a source has changed; see hotpath/build.py.
# SIMACCEL_PURE=1 leaves it out. Cython is not there yet if only `make run` was called before.
hot: $(READY)
	@test "$${SIMACCEL_PURE:-0}" != 0 || $(BIN)/python -c 'import Cython' 2>/dev/null || \
		{ echo "installing Cython, which compiles the hot path"; $(PIP) --editable '.[compile]'; }
	@test "$${SIMACCEL_PURE:-0}" != 0 || $(BIN)/python -m hotpath.build

# All tests, on all cores; what measures time or needs the machine for itself comes last, alone.
# TESTS chooses, see tests/run_all.py: make test TESTS='here -- -k cancel'. Only `compiled` needs what is compiled.
TESTS ?= here
test: $(READY_DEV) $(if $(filter compiled,$(TESTS)),hot)
	$(BIN)/python -m tests.run_all $(TESTS)

# All of them, also those that only CI runs, and with more schedules, ways and sizes: tests/effort.py.
thorough:
	$(MAKE) test SIMACCEL_EFFORT=full TESTS=here

check: lint types test

# The core's tests under the other Pythons that are found here.
pythons: $(READY_DEV)
	$(BIN)/python -m tests.run_all others

lint: $(READY_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY_DEV)
	$(BIN)/mypy

# What needs the extras of its own: peers to compare with, and pictures.
bench: hot $(VENV)/.ready-bench
	$(BIN)/python -m benchmarks --json bench-results/bench.json --out bench-results

$(VENV)/.ready-bench: $(READY)
	@echo "installing what the benchmarks compare with and draw with (gevent, uvloop, pyperf, matplotlib)"
	@$(PIP) --editable '.[bench,compile]'
	@touch $@

# The pictures of the pages, taken anew: of the command line, of the live page, and of a trace in Perfetto.
pictures: $(READY_DEV) provider
	$(BIN)/python -m tests.docs.pictures
	$(BIN)/python -m tests.docs.watched_pictures

# The OpenSSL provider, in C; OPENSSL=prefix takes another libcrypto than the system's.
provider:
	$(MAKE) -C provider

# OpenSSL's own tests with the provider and without it; TREE=built source tree of OpenSSL.
openssl-own-tests: $(READY_DEV)
	tests/bridge/openssl_own_tests.sh $(TREE)

# The wheel, with the providers that were built: the system's, and those of prefixes.
wheel: $(READY) hot provider
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

# The wheels of a release, in dist/, for other machines too: packaging/wheels.py. MACHINES="x86_64 aarch64"
wheels: $(VENV)/.ready-wheels
	$(BIN)/python packaging/wheels.py $(MACHINES:%=--machine=%)

$(VENV)/.ready-wheels: $(READY)
	@echo "installing what builds wheels (zig, auditwheel)"
	@$(PIP) --editable '.[wheels]'
	@touch $@

# The wheels of dist/ in a new Debian without a compiler, as root: make fresh-root SUITE=trixie
fresh-root:
	packaging/fresh_root.sh $(SUITE)

# The image, and the examples of docs/containers.md, in containers, as root: make containers ENGINE=docker
containers:
	packaging/container/try.sh $(ENGINE)

# For all users of this machine, as root: make install PREFIX=/usr/local; packaging/install.sh says what else can be set.
export PREFIX DESTDIR MODULESDIR WHEEL
install: $(if $(WHEEL),,provider)
	PYTHON=$(PYTHON) packaging/install.sh

# All random programs against the real libcrypto; SIMACCEL_LIBCRYPTO=path takes another one.
# In two halves, about one to each core.
conformance: $(READY_DEV)
	$(MAKE) --jobs=2 --output-sync conformance-waits conformance-rest

conformance-waits: $(READY_DEV)
	SIMACCEL_CONFORMANCE=full $(BIN)/python -m pytest tests/conformance -k test_wait_contexts_agree

conformance-rest: $(READY_DEV)
	SIMACCEL_CONFORMANCE=full $(BIN)/python -m pytest tests/conformance -k 'not test_wait_contexts_agree'

# All scenarios of `simaccel certify` against our own server, HAProxy, Traffic Server and openssl s_server, and all rules.
certify: $(READY_DEV)
	CI=true SIMACCEL_EFFORT=full SIMACCEL_CERTIFY=full $(BIN)/python -m pytest tests/certify -v

# Small changes to the core, one at a time: which of them does no test see? Hours; FILES=sim/ring.py for less.
mutants: $(READY)
	$(BIN)/python -m tests.mutation $(FILES)

# Real servers on the device, as root: all that are installed, or SERVERS='nginx redis'; see docs/servers.md.
servers: $(READY_DEV) provider
	$(BIN)/python -m tests.servers $(SERVERS)

clean:
	rm -rf $(VENV) $(VENV)-3.* dist build hotpath/built .mypy_cache .pytest_cache .ruff_cache

$(READY): pyproject.toml | $(MADE)
	@echo "installing simaccel and the libraries that it needs (some 10 to 20 seconds)"
	@$(PIP) --no-compile --editable '.[cli]'
	@touch $@

# All of the above and more, in one go. uv takes a third of the time that pip takes for so many, and asks the same index.
# If it can't, for example because that wants a password which only pip knows, pip does it.
$(VENV)/.ready-dev $(VENV)/.ready-ci: $(VENV)/.ready-%: pyproject.toml | $(MADE)
	@echo "installing simaccel and what the tests and linters need (some 10 to 30 seconds)"
	@index=$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null || echo $(PYPI))}; \
		$(PIP) --no-compile uv && UV_DEFAULT_INDEX=$$index $(BIN)/uv pip install --quiet --python $(BIN)/python \
			--editable '.[$*]' || $(PIP) --no-compile --editable '.[$*]'
	@touch $(READY) $(VENV)/.ready-dev $@

$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "simaccel needs Python 3.11 or later; call make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "making a virtual environment in $(VENV), of $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# Two calls of pip at a time would spoil the environment. The halves of `make conformance` call none.
ifeq ($(filter conformance-%,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif
