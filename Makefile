# Everything works on a machine with Python 3.11+ and make; each target sets up what it needs.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.made
DEV_STAMP := .venv/.made-dev
FEDERATION_STAMP := .venv/.made-federation
DATA ?=
FEDERATE ?=
ENGINE ?=
BASE_IMAGES ?=
KEEP ?=
# Of pytest's plugins these alone: each process would import and rewrite the others that happen to be installed too.
PLUGINS := --disable-plugin-autoload -p xdist -p timeout -p hypothesispytest
# Tests, demo and checks start programs by the dozen; without bytecode on disk each would compile all of its modules anew.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt

.PHONY: help setup demo demo-check outage-check compose-check test test-slow test-data check format train clean
help:
	@echo "make demo         the whole product on simulated patients, until Ctrl-C   (DATA=<folder>: real CT as hosts)"
	@echo "                  FEDERATE=1 ends it with a calibration that the three hospitals compute together"
	@echo "make test         the tests, some minutes on two cores"
	@echo "make demo-check   the demo without a person, and the proof that it did what it says"
	@echo "make outage-check lines are cut and programs killed, at a hospital and at the centre, and nothing is lost"
	@echo "make compose-check  the same in containers: images are built, centre and three sites set up, and nothing is lost"
	@echo "                  ENGINE=<folder> of an engine started by hand, BASE_IMAGES=pull|stand-in, KEEP=1 leaves it up"
	@echo "make check        ruff, mypy, import contracts, compose file, Dockerfiles"
	@echo "make test-slow    the tests that take minutes        make test-data   those on real data (SEGWATCH_DATA)"
	@echo "make train        train the shipped model again (DATA=<folder laid out as the development data>)"

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "SegWatch needs Python 3.11 or newer.")'
	@echo "==> making .venv and installing SegWatch with torch 2.13.0: some minutes the first time"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) torch==2.13.0
	@echo "==> torch is there; now the rest"
	@$(PIP) -e '.[agent,segmentation,central,dashboard]'
	@touch $@

$(FEDERATION_STAMP): $(STAMP)
	@echo "==> installing what hospitals need to compute together"
	@$(PIP) -e '.[agent,segmentation,central,dashboard,federation]'
	@touch $@

$(DEV_STAMP): $(STAMP)
	@echo "==> installing what the tests need"
	@$(PIP) -e '.[agent,segmentation,central,dashboard,dev]'
	@touch $@

setup: $(DEV_STAMP)

demo: $(if $(FEDERATE),$(FEDERATION_STAMP),$(STAMP))
	@$(BIN)/python -m demo run $(if $(DATA),--data "$(DATA)") $(if $(FEDERATE),--federate)

demo-check: $(DEV_STAMP)
	@$(BIN)/python -m demo check $(if $(FEDERATE),--federate)

outage-check: $(DEV_STAMP)
	@$(BIN)/python -m demo outages

compose-check: $(DEV_STAMP)
	@$(BIN)/python -m demo.compose $(if $(ENGINE),--engine "$(ENGINE)") $(if $(BASE_IMAGES),--base-images $(BASE_IMAGES)) $(if $(KEEP),--keep)

# In the order of folders: xdist's own order, files with most tests first, keeps the long ones for the end, for one worker.
test: $(DEV_STAMP)
	@$(BIN)/python -m pytest -q $(PLUGINS) -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/deployment -m "not slow and not gpu"

test-slow: $(DEV_STAMP)
	@$(BIN)/python -m pytest -m slow

test-data: $(DEV_STAMP)
	@$(BIN)/python -m pytest -m data

check: $(DEV_STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest -q tests/deployment

format: $(DEV_STAMP)
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

train: $(STAMP)
	@$(BIN)/python -m hospital_agent.training $(if $(DATA),--data "$(DATA)")

clean:
	rm -rf .venv run training-runs
