# `make rehearse` and `make test` set everything up by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# what a cheaper test of `test` would most likely find too is in `long`; what takes minutes to hours in `slow`; benchmarks in `bench`
PYTEST := $(BIN)/python -m pytest

PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check
LOCKS := requirements.lock requirements-dev.lock

.PHONY: rehearse test check newest lock long slow qemu qemu-images qemu-rack openstack bench bench-against wheel deb docs reference pictures clean

# From the locks only. The first one brings the build tools, so that nothing is built with tools that no lock names.
$(VENV)/ready: pyproject.toml $(LOCKS)
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --require-hashes --no-build-isolation -r requirements-dev.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@

rehearse: $(VENV)/ready
	$(BIN)/crowbar rehearse --headless $(ARGS)

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) tests/core/test_architecture.py

# Hundreds of processes start from this tree. Without compiled modules each of them needs a second more.
test long: export PYTHONDONTWRITEBYTECODE :=
# Four at a time, a file to a worker, the longest first: most of the time is waiting for real time-outs. A test that hangs fails, and says where.
AT_ONCE := -n 4 --dist loadfile --no-loadscope-reorder --timeout 300

# Less than ten minutes. `check` has run the shape of the code already.
test: check
	$(PYTEST) -m 'not long and not slow and not qemu' $(AT_ONCE) --ignore tests/core/test_architecture.py $(ARGS)

# More seeds, more steps, more places, and more rehearsals. CI runs them after `test`.
long: $(VENV)/ready
	$(PYTEST) -m 'long and not slow and not qemu' $(AT_ONCE) $(ARGS)

# Meant for a weekly run: the tests against the newest version of everything that pyproject.toml allows.
newest: NEWEST := .venv-newest
newest:
	$(PYTHON) -m venv --clear $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager -e '.[build,dev,ansible,postgres]'
	touch $(NEWEST)/ready
	$(NEWEST)/bin/python -m pip freeze --exclude-editable
	$(MAKE) test VENV=$(NEWEST)

# Writes the locks anew, with the newest versions. ARGS: more words for uv, such as `--upgrade-package NAME` with UPGRADE=.
UPGRADE ?= --upgrade
lock: export UV_CUSTOM_COMPILE_COMMAND := make lock
lock: COMPILE = .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links
lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(COMPILE) $(UPGRADE) $(ARGS) --extra build pyproject.toml -o requirements.lock
	$(COMPILE) $(UPGRADE) $(ARGS) --extra build --extra dev --extra docs --extra ansible --extra postgres --constraint requirements.lock pyproject.toml -o requirements-dev.lock

slow: $(VENV)/ready
	$(PYTEST) -m slow $(ARGS)

# The images of QEMU machines that are not there yet (minutes).
CROWBAR_IMAGES ?= $(CURDIR)/.images
qemu-images qemu qemu-rack: export CROWBAR_IMAGES := $(CROWBAR_IMAGES)
BUILD = for image in $(1); do \
		$(BIN)/crowbar image list | grep -q "^$${image%% *} .* whole$$" || $(BIN)/crowbar image build $$image || exit 1; \
	done
qemu-images: $(VENV)/ready
	if command -v qemu-system-x86_64 >/dev/null && command -v mmdebstrap >/dev/null; then \
		$(call BUILD,loader 'sledgehammer --variant virtual' 'debian-12 --variant cloud'); \
	fi

# Two QEMU machines from off to ready. Without QEMU the tests are skipped and say what is missing.
qemu: qemu-images
	$(PYTEST) -m 'qemu and not slow' -rs $(ARGS)

# Four QEMU machines with all services of the rack, and two from a bundle without any route. The packages come from a mirror of Debian.
qemu-rack: qemu-images
	$(PYTEST) tests/qemu/test_qemu_services.py -m qemu -rsP $(ARGS)

# A whole cloud on six QEMU machines, from off to validated: 24 GiB of memory, 40 GB of disk, an hour or two without KVM. The images have all
# packages, and come from a mirror of Debian. The run itself has no route to the outside. The last line is the summary.
CLOUD_IMAGES := 'debian-13-controller --variant cloud' 'debian-13-compute --variant cloud' 'debian-13-storage --variant cloud'
CLOUD_STORE ?= $(CURDIR)/build/openstack/store
openstack: export CROWBAR_IMAGES := $(CROWBAR_IMAGES)
openstack: $(VENV)/ready
	$(call BUILD,loader 'sledgehammer --variant virtual' $(CLOUD_IMAGES))
	mkdir -p $(dir $(CLOUD_STORE))
	$(BIN)/crowbar --store $(CLOUD_STORE) rehearse --kind qemu --plan openstack-six --fresh --headless --wait validated --json $(ARGS)

bench: $(VENV)/ready
	for file in tests/bench/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

# This tree's figures beside those of another revision, measured in turn: make bench-against REV=COMMIT [BENCH='core rack'] [ROUNDS=3]
bench-against: export ROUNDS ?= 3
bench-against: $(VENV)/ready
	$(BIN)/python tests/bench/against.py $(REV) $(BENCH)

wheel: $(VENV)/ready
	$(BIN)/python -m build --no-isolation --wheel --outdir dist .

# The site, in build/site. A warning is an error.
docs: export NO_MKDOCS_2_WARNING := 1
docs: $(VENV)/ready
	$(BIN)/mkdocs build --strict --quiet --site-dir build/site

# The pages and pictures of docs/ that come from the program's own tables.
reference: $(VENV)/ready
	$(BIN)/python -m engine.reasons > docs/reasons.md
	$(BIN)/python -m engine.core.operator.verbs > docs/verbs.md
	$(BIN)/python -m engine.core.roles.transitions > docs/states.md
	$(BIN)/python tests/docs/make.py reference

pictures: $(VENV)/ready
	$(BIN)/python tests/docs/make.py pictures

# The Debian package for this machine's release and architecture, in dist/.
deb: $(VENV)/ready
	$(BIN)/python packaging/deb.py

clean:
	rm -rf $(VENV) .venv-newest .venv-lock dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
