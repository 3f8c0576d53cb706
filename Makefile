# `make rehearse` and `make test` set everything up by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# tests that take minutes are in `slow`; benchmarks in `bench`
PYTEST := $(BIN)/python -m pytest

.PHONY: rehearse test again check slow qemu bench wheel clean

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

rehearse: $(VENV)/ready
	$(BIN)/crowbar rehearse --headless $(ARGS)

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) tests/core/test_architecture.py

# Two at a time, a file to a worker: half of the time is waiting for real time-outs.
test: check
	$(PYTEST) -m 'not slow and not qemu' -n 2 --dist loadfile $(ARGS)

# What failed in the last run, once more and alone.
again: $(VENV)/ready
	$(PYTEST) -m 'not slow and not qemu' --last-failed --last-failed-no-failures none $(ARGS)

slow: $(VENV)/ready
	$(PYTEST) -m slow $(ARGS)

# Two QEMU machines from off to ready. Builds the images that are not there (minutes); without QEMU the tests are skipped and say what is missing.
CROWBAR_IMAGES ?= $(CURDIR)/.images
qemu: export CROWBAR_IMAGES := $(CROWBAR_IMAGES)
qemu: $(VENV)/ready
	if command -v qemu-system-x86_64 >/dev/null && command -v mmdebstrap >/dev/null; then \
		for image in loader 'sledgehammer --variant cloud' 'debian-12 --variant cloud'; do \
			$(BIN)/crowbar image list | grep -q "^$${image%% *} .* whole$$" || $(BIN)/crowbar image build $$image || exit 1; \
		done; \
	fi
	$(PYTEST) -m 'qemu and not slow' -rs $(ARGS)

bench: $(VENV)/ready
	for file in tests/bench/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

wheel: $(VENV)/ready
	$(BIN)/python -m pip install --quiet build
	$(BIN)/python -m build --wheel --outdir dist .

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
