# For developers; users need only the two commands of the README.
PYTHON ?= python3
BIN := .venv/bin
DATA ?=
DATABASE_URL ?=
MINUTES ?= 30
ROWS ?= 1000000

.PHONY: help develop format lint types contracts test quick check demo acceptance action matrix soak million feeds bench fuzz lock sbom torture mutants recording

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

develop:  ## set up .venv with everything, the project editable
	$(PYTHON) start.py develop

format:  ## format the code
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint:  ## check style
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types:  ## check types, strictly
	$(BIN)/mypy

contracts:  ## check the import contracts
	$(BIN)/lint-imports

test:  ## run the tests, SQLite and PostgreSQL
	$(BIN)/python -m pytest

quick:  ## run the tests for the inner loop, on SQLite, under two minutes
	$(BIN)/python -m pytest --quick

check: lint types contracts test  ## all of the above

demo:  ## tell the README's story on generated data
	$(BIN)/exchange demo

acceptance:  ## DATA=folder with members/ and truth/: six banks submit, every hit must be right; DATABASE_URL=… or =postgresql
	$(BIN)/python -m tests.acceptance --data $(DATA) $(if $(DATABASE_URL),--database-url $(DATABASE_URL))

action:  ## from a hit to lawful action, told thrice and compared: DATA=folder, or generated lists; BANKS=a,b,c; DATABASE_URL=…
	$(BIN)/python -m tests.lawful_action $(if $(DATA),--data $(DATA)) $(if $(BANKS),--banks $(BANKS)) \
	  $(if $(DATABASE_URL),--database-url $(DATABASE_URL))

matrix:  ## send every cell of the permission matrix, print its figures, write docs/permissions.md anew
	$(BIN)/python -m tests.exchange.matrix

soak:  ## mixed traffic on a sandbox for MINUTES=30; memory must stay flat, no 5xx; DATABASE_URL=… or =postgresql
	$(BIN)/python -m tests.soak --minutes $(MINUTES) $(if $(DATABASE_URL),--database-url $(DATABASE_URL))

million:  ## ROWS=1000000 of one member end to end, killed and resumed; every process under 1 GiB; DATABASE_URL=… or =postgresql
	$(BIN)/python -m tests.million --rows $(ROWS) $(if $(DATABASE_URL),--database-url $(DATABASE_URL))

feeds:  ## ALERTS=1000: every feed of a sandbox walked by tools that are out there; DATABASE_URL=… or =postgresql
	$(BIN)/python -m tests.feed_walk --alerts $(or $(ALERTS),1000) $(if $(DATABASE_URL),--database-url $(DATABASE_URL))

bench:  ## print the figures of docs/figures.md with their references
	$(BIN)/python -m bench

fuzz:  ## REQUESTS=100000 generated requests to a real exchange and key holder; DATABASE_URL=postgresql, SEED=1
	$(BIN)/python -m tests.fuzz --requests $(or $(REQUESTS),100000) $(if $(DATABASE_URL),--database-url $(DATABASE_URL)) $(if $(SEED),--seed $(SEED))

lock:  ## make requirements/*.txt anew from pyproject.toml, and docs/sbom.json from them
	$(BIN)/python -m requirements.lock
	$(BIN)/python -m requirements.sbom

sbom:  ## make docs/sbom.json (CycloneDX) anew from requirements/run.txt
	$(BIN)/python -m requirements.sbom

torture:  ## KILLS=500 [DATABASE_URL=postgresql] [SEED=1] [FOLDER=…] [WRONG=yes|action]: kill a taskforce at work, and check it
	$(BIN)/python -m tests.torture --kills $(or $(KILLS),500) --seed $(or $(SEED),1) \
	  $(if $(DATABASE_URL),--database-url $(DATABASE_URL)) $(if $(FOLDER),--folder $(FOLDER)) $(if $(WRONG),--wrong $(filter-out yes,$(WRONG)))

mutants:  ## EACH=3 [MODULE=path] [SEED=1]: small wrong changes of rules and use cases, which their tests must notice
	$(BIN)/python -m tests.mutants --each $(or $(EACH),3) --seed $(or $(SEED),1) $(if $(MODULE),--module $(MODULE))

recording:  ## OUT=folder [CHECKOUT=…]: record the demonstration and the tour; --compare of the module compares two
	$(BIN)/python -m tests.recording --out $(OUT) $(if $(CHECKOUT),--checkout $(CHECKOUT))
