# `make demo` and `make test` set up all they need on a fresh Debian 12 or 13. Both first list what they install.
PYTHON := .venv/bin/python
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo -E)
MACHINE ?= tests/rack/machines/healthy-uefi.yaml
LEVEL ?= fast

.PHONY: help demo dev test test-agent test-rack test-install rack zoo image image-twice venv lint lock docs gallery bench worlds statements chaos mutants sbom audit fuzz release
help:
	@echo "make demo [KEEP=1]          vet a virtual host, from magic packet to report, with the dashboard open"
	@echo "make dev [PORT=8000] [FRESH=1] [WORKER=1]  the pages with made-up data; restarts whenever a file changes"
	@echo "make test                   all tests that need no whole machine (one boots the image directly)"
	@echo "make test-agent             the agent's tests under Python 3.11, 3.12 and 3.13"
	@echo "make test-rack              the acceptance machines, over the whole PXE chain"
	@echo "make test-install           install.sh: a dry run in a fresh Debian 12 and 13, and an installation that is booted"
	@echo "make rack MACHINE=FILE      one machine file on the virtual rack"
	@echo "make zoo [ONLY='GLOB…'|healthy] [REPEAT=N] [JOBS=N]  every machine file, with its result kept; writes docs/zoo.md"
	@echo "make image [LEVEL=small]    build the live image into var/image"
	@echo "make image-twice            builds it twice and compares the SHA-256 of every file"
	@echo "make worlds [WORLDS=N] [SEED=N]  tests the decision about writes on generated disks and histories"
	@echo "make gallery                photographs every page during a run of the rack; writes docs/gallery.md"
	@echo "make statements [ONLY='GLOB'] [DATABASE=postgresql]  each database statement of each call fails once, in every way; then losses of power (SQLite)"
	@echo "make mutants [ONLY='GLOB…'] [JOBS=N]  switches off the detector of each finding until a test fails; writes docs/proof.md"
	@echo "make chaos [SEEDS=N] [FIRST=N] [SECONDS=S] [JOBS=N] [DATABASE=postgresql] [UNBOUNDED=1]  campaigns of faults; as root also a full disk"
	@echo "make fuzz [SECONDS=S] [SEED=N]  generated calls, and random walks of operators and agents; ten minutes, a new seed each time"
	@echo "make release [KEY=FILE]     an archive for an installation without a network, signed, into var/release"
	@echo "make sbom                   the bill of materials, as CycloneDX, into var/sbom"
	@echo "make audit                  asks an advisory database about the locked packages; status 3: not audited"
	@echo "make bench [FORM=full] [ROUNDS=N] [PAGE=1]  all benchmarks, each figure compared with its mark (docs/benchmarks.md)"
	@echo "make lint, lock, docs"

demo:
	@scripts/prepare demo
	@$(MAKE) --no-print-directory image
	@$(AS_ROOT) $(PYTHON) -m tests.rack.demo $(if $(KEEP),--keep)

dev: venv
	@$(PYTHON) -m tests.dev --port $(or $(PORT),8000) $(if $(FRESH),--fresh) $(if $(WORKER),--worker)

# A third of the time of these tests is waiting: three processes keep two cores busy.
test:
	@scripts/prepare test
	@$(MAKE) --no-print-directory image
	@$(AS_ROOT) $(PYTHON) -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder -m "not rack and not install" $(ARGS)

test-agent: venv
	@scripts/test-agent $(VERSIONS)

test-install:
	@scripts/prepare all
	@$(AS_ROOT) $(PYTHON) -m pytest -q -m install $(ARGS)

test-rack:
	@scripts/prepare test
	@$(MAKE) --no-print-directory image
	@$(AS_ROOT) $(PYTHON) -m pytest -q -m rack $(ARGS)

rack:
	@scripts/prepare demo >&2
	@$(MAKE) --no-print-directory image >&2
	@$(AS_ROOT) $(PYTHON) -m tests.rack $(MACHINE)

zoo:
	@scripts/prepare demo >&2
	@$(MAKE) --no-print-directory image >&2
	@$(AS_ROOT) $(PYTHON) -m tests.rack.zoo --only '$(ONLY)' --repeat $(or $(REPEAT),1) --jobs $(or $(JOBS),1) \
		$(if $(RESULTS),--results $(RESULTS) --page $(basename $(RESULTS)).md)

image: venv
	@$(AS_ROOT) $(PYTHON) live-image/build.py --output var/image --level $(LEVEL)

image-twice: venv
	@$(AS_ROOT) $(PYTHON) scripts/build_twice.py --level $(LEVEL)

venv:
	@scripts/prepare venv

lint: venv
	$(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check . && $(PYTHON) -m mypy
	.venv/bin/djangofmt --check . && .venv/bin/djangofmt check .
	$(PYTHON) scripts/check_commits.py

lock: venv
	$(PYTHON) -m pip -q install uv
	for part in base uvicorn dev bench-ironic; do $(PYTHON) -m uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
		requirements/$$part.in -o requirements/$$part.txt || exit 1; done

docs: venv
	for script in scripts/write_*.py scripts/draw_*.py; do $(PYTHON) $$script || exit 1; done

gallery:
	@scripts/prepare test
	@$(MAKE) --no-print-directory image
	@$(AS_ROOT) $(PYTHON) -m tests.walk.gallery

statements: venv
	$(PYTHON) -m tests.statements --only '$(or $(ONLY),*)' --database $(or $(DATABASE),sqlite)
	$(if $(DATABASE),,$(PYTHON) -m tests.statements --only '$(or $(ONLY),*)' --power)

chaos: venv
	@$(AS_ROOT) $(PYTHON) -m tests.chaos --seeds $(or $(SEEDS),10) --first $(or $(FIRST),1) --seconds $(or $(SECONDS),10) --jobs $(or $(JOBS),1) \
		--database $(or $(DATABASE),sqlite) $(if $(UNBOUNDED),--unbounded)

bench:
	@scripts/prepare bench >&2
	@$(AS_ROOT) $(PYTHON) -m tests.bench $(or $(FORM),short) --rounds $(or $(ROUNDS),3) $(if $(PAGE),--page) --json

mutants: venv
	$(PYTHON) -m tests.mutants --only '$(ONLY)' --jobs $(or $(JOBS),2)

worlds: venv
	$(PYTHON) -m tests.agent_stages.campaign --worlds $(or $(WORLDS),20000) --seed $(or $(SEED),0)

sbom: venv
	$(PYTHON) scripts/sbom.py --output var/sbom --image var/image

release: venv
	$(PYTHON) scripts/release.py --output var/release --image var/image $(if $(KEY),--key $(KEY))

audit: venv
	$(PYTHON) scripts/audit.py $(ARGS)

fuzz: venv
	VETTING_FUZZ_SECONDS=$(or $(SECONDS),600) VETTING_FUZZ_SEED=$(or $(SEED),$(shell date +%s)) $(PYTHON) -m pytest -q -x -s tests/fuzz $(ARGS)
