# Two commands matter: `make demo` and `make test`. Everything they need they install themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-firmware bench lint soak servers clean lock
.DEFAULT_GOAL := help

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ –/' | sed 's/^/  make /'

$(STAMP): pyproject.toml .ci/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r .ci/requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

demo: $(STAMP) ## Everything on this machine in one command: board at http://127.0.0.1:8080
	$(BIN)/infragate demo

servers: ## Install the real servers the tests talk to (needs root; says what is missing without)
	./tools/install-servers

test: $(STAMP) servers ## All tests, against real Mosquitto, InfluxDB and VictoriaMetrics
	$(BIN)/python -m pytest -q

test-firmware: $(STAMP) servers ## The firmware's tests alone, under CPython and MicroPython
	$(BIN)/python -m pytest -q tests/firmware

soak: $(STAMP) servers ## The same tests with the full counts of the acceptance list (about an hour)
	INFRAGATE_SOAK=1 $(BIN)/python -m pytest -q --timeout=3600

bench: $(STAMP) servers ## One table: messages/s, CPU per message, latencies, memory, bytes
	$(BIN)/infragate bench

lint: $(STAMP) ## Style, types, import contracts, dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

lock: ## Renew the hash-pinned requirements (no registry address gets in)
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --all-extras --group dev pyproject.toml -o .ci/requirements.txt

clean: ## Forget the environment and the demo's data
	rm -rf $(VENV) var
