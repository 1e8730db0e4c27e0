# Two commands do everything on a machine with Python 3.11+, git and make:
#   make up     the live system on the embedded stack, with the Sambas scenario
#   make test   all tests, on the real Apache Kafka and the real ClickHouse engine
PYTHON ?= python3
VENV   := .venv
UV     := .tools/bin/uv
PEERS  := .tools/peers
# An office network may have a certificate authority of its own: trust what the system trusts.
export UV_SYSTEM_CERTS := true
# Processes start three times as fast from compiled code, whatever the environment says of writing it.
export UV_COMPILE_BYTECODE := true
export PYTHONDONTWRITEBYTECODE :=
BIN    := $(VENV)/bin

.PHONY: up test screenshots chaos fuzz registry check bench lock clean doctor

up: $(VENV)/.ready
	@$(BIN)/cakupan up

doctor: $(VENV)/.ready
	@$(BIN)/cakupan doctor

test: $(VENV)/.ready
	@for each in kcat chromium; do command -v $$each >/dev/null || { [ "$$(id -u)" = 0 ] && \
		command -v apt-get >/dev/null && echo "setting up: $$each, which a test needs" && \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $$each; } >/dev/null; } || true; done
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

# Pictures of the page, in docs; with chromium and poppler-utils.
screenshots: $(VENV)/.ready
	@$(BIN)/python -m tests.screenshots

# The long fault suite; `make test` runs a short one.
KILLS ?= 200
SEED  ?= 1
chaos: $(VENV)/.ready
	@$(BIN)/python -m tests.chaos --kills $(KILLS) --seed $(SEED) $(if $(MINUTES),--minutes $(MINUTES))

# Mutated records through the decoder; `make test` tries some tens of thousands.
RECORDS ?= 1000000
fuzz: $(VENV)/.ready
	@RUST_BACKTRACE=0 $(BIN)/python -m tests.fuzz --records $(RECORDS) --seed $(SEED)

# The real schema registry, Apicurio on the embedded Kafka: 159 MB to bring once, half a minute to start.
registry: $(VENV)/.ready
	@$(BIN)/python -m pytest tests/registry/checks.py $(ARGS)

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The competitors are needed by one benchmark only, and brought when that one runs.
bench: $(VENV)/.ready $(if $(filter-out ingest,$(NAME)),,$(PEERS)/.ready)
	$(BIN)/python -m benchmarks $(NAME) $(if $(EVENTS),--events $(EVENTS))

# The lock names versions and hashes, no addresses: any index that serves the same files will do.
COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --custom-compile-command "make lock"
lock: $(UV)
	$(COMPILE) --group dev pyproject.toml -o requirements.lock
	$(COMPILE) --group pyproject.toml:bench -o benchmarks/peers.lock

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Cakupan needs Python 3.11 or newer; $(PYTHON) is older. Name another: make PYTHON=python3.12 ..."; exit 1; }
	@echo "setting up: uv"
	@$(PYTHON) -m venv .tools
	@.tools/bin/python -m pip install --quiet "uv==0.13.9"

$(VENV)/.ready: requirements.lock pyproject.toml | $(UV)
	@echo "setting up: the Python environment (about 500 MB, once)"
	@$(UV) venv --quiet --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV)
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(PEERS)/.ready: benchmarks/peers.lock | $(UV)
	@echo "setting up: the competitors, in an environment of their own (about 300 MB, once)"
	@$(UV) venv --quiet --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(PEERS)
	@$(UV) pip sync --quiet --python $(PEERS)/bin/python --require-hashes benchmarks/peers.lock
	@touch $@

clean:
	rm -rf $(VENV) .tools .cakupan
