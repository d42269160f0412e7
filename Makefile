# Two commands matter: `make demo` and `make test`. Everything they need they install themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
RUN := $(VENV)/.installed-run
DEV := $(VENV)/.installed-dev

# A hundred processes are started, a thousand by the tests: each would compile all of it again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-firmware firmware bench bench-decode bench-native bench-city bench-firmware bench-store bench-board lint soak fuzz
.PHONY: dashboards test-boards servers clean lock score-energy score-transport
.DEFAULT_GOAL := help

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ –/' | sed 's/^/  make /'

# The demo needs a third of what the tests need, and nothing that a Raspberry Pi has no wheel for.
$(RUN): pyproject.toml .ci/requirements-run.txt
	@echo "Installing into $(VENV), once …"
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r .ci/requirements-run.txt
	$(PIP) --no-deps --no-build-isolation -e .
	touch $@

$(DEV): $(RUN) .ci/requirements.txt
	@echo "Installing what tests and checks need into $(VENV), once …"
	$(PIP) --require-hashes -r .ci/requirements.txt
	touch $@

demo: $(RUN) ## Everything on this machine in one command: board at http://127.0.0.1:8080
	$(BIN)/infragate demo

servers: ## Install the real servers the tests talk to (needs root; says what is missing without)
	./tools/install-servers

# Two at a time: most tests wait for a process to start, to die or to be late, and a third worker at
# low priority computes meanwhile (tests/support/behind.py). A file stays together.
# A worker that dies or stands still ends the run, with its stacks: it never hangs.
# One order and one set of examples for all: what fails for one fails for the next. SEED=random hunts for more.
SEED ?= 749
test: $(DEV) servers ## All tests, against real Mosquitto, InfluxDB and VictoriaMetrics
	$(BIN)/python -m pytest -q --tx 2*popen --tx popen//nice=10 --dist loadfile --max-worker-restart 0 \
	  -o faulthandler_timeout=600 -o faulthandler_exit_on_timeout=true \
	  $(if $(filter random,$(SEED)),,--randomly-seed=$(SEED) --hypothesis-seed=$(SEED))

test-firmware: $(DEV) servers ## The firmware's tests alone, under CPython and MicroPython
	$(BIN)/python -m pytest -q -n 2 --dist loadfile tests/firmware

soak: $(DEV) servers ## The same tests with the full counts of the acceptance list (about an hour)
	INFRAGATE_SOAK=1 $(BIN)/python -m pytest -q --timeout=3600

dashboards: $(DEV) ## Write all Grafana boards, data sources and alerts anew from their specification
	$(BIN)/python -m dashboards

BOARD_TESTS := tests/boards tests/unit/board tests/unit/alarms tests/unit/test_board_words.py \
  $(addprefix tests/integration/test_,board.py alarms_board.py alarms_gateway.py alarms_api.py \
  sign_in.py deploy.py)
# what is timed runs alone, and wants a quiet machine
SCALE := tests/boards/test_board_scale.py
test-boards: $(DEV) servers ## All of boards and alerts: queries, cities, pages, drawn by Grafana's components
	$(BIN)/python -m tests.support.boards.drawing
	INFRAGATE_BOARDS=1 INFRAGATE_SOAK=1 $(BIN)/python -m pytest -q --timeout=3600 --ignore=$(SCALE) \
	  $(BOARD_TESTS)
	INFRAGATE_SOAK=1 $(BIN)/python -m pytest -q --timeout=3600 $(SCALE)

firmware: $(DEV) ## Images for every board, with their sizes (build/firmware)
	$(BIN)/python -m firmware.tools.build

FUZZ_S ?= 60
fuzz: $(DEV) ## Fuzz every decoder for FUZZ_S seconds, guided by coverage (Linux on x86-64)
	for target in $$($(BIN)/python -m tools.fuzz_decode); do \
	  $(BIN)/python -m tools.fuzz_decode $$target var/fuzz/$$target -max_total_time=$(FUZZ_S) || exit 1; done

bench-decode: $(DEV) ## What decoding a message costs, format by format
	$(BIN)/python -m tools.bench_decode

bench-native: $(DEV) servers ## Whether native traffic feels foreign formats, in the whole gateway (four minutes)
	$(BIN)/python -m tools.bench_native

bench: $(DEV) servers ## One table: messages/s, CPU per message, latencies, memory, bytes
	$(BIN)/infragate bench

bench-firmware: $(DEV) ## The node under MicroPython: messages/s, draining of a backlog
	$(BIN)/python -m tests.firmware.bench
	$(BIN)/python -m firmware.tools.build

bench-board: $(DEV) servers ## A large site: first views in Chromium, the intake beside 20 boards
	$(BIN)/python -m tools.bench_board

bench-store: $(DEV) ## 50 million readings: times to write, merge and query them (four minutes)
	folder=$$(mktemp -d) && $(BIN)/python -m tools.fill_store $$folder --days 30 --per-day 167; \
	  rm -rf $$folder

score-energy: $(DEV) servers ## Alarms of energy against the truth, on unseen seeds (an hour on two cores)
	$(BIN)/python -m tools.score_energy
	if [ -n "$(INFRAGATE_SOAK)" ]; then $(BIN)/python -m pytest -q --timeout=400 \
	  tests/integration/test_energy_city.py; fi

score-transport: $(DEV) ## Detectors and roads against the truth, on unseen seeds (half an hour)
	$(BIN)/python -m tools.score_transport

bench-city: $(DEV) ## What a simulated city costs: 10,000 meters and 500 lanes, and a month
	$(BIN)/python -m tools.bench_city

lint: $(DEV) ## Style, types, import contracts, dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m firmware.tools.typecheck
	$(BIN)/deptry .

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-annotate --no-header pyproject.toml
lock: $(DEV) ## Renew the hash-pinned requirements (no registry address gets in)
	$(PIP) uv
	$(LOCK) --upgrade --all-extras --group dev -o .ci/requirements.txt
	$(LOCK) --group build --constraints .ci/requirements.txt -o .ci/requirements-run.txt

clean: ## Forget the environment and the demo's data
	rm -rf $(VENV) var
