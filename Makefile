.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODEL ?= mask_rcnn_demo
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
ADDRESS := http://$(or $(MASKD_HOST),127.0.0.1):$(or $(MASKD_PORT),8000)
# What comes after the first installation, for those who wait for it.
THEN_serve := then maskd listens on $(ADDRESS)
THEN_test := then the tests run
THEN := $(or $(THEN_$(firstword $(MAKECMDGOALS))),once)
PIP := @$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help serve test install check format bench train demo docs

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	@echo "installing PyTorch and what else maskd needs into $(VENV): a minute or two; $(THEN)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	@touch $@

$(DEV_STAMP): $(STAMP)
	@echo "installing what tests and checks need into $(VENV): up to a minute"
	$(PIP) --editable '.[test,dev]'
	@touch $@

install: $(DEV_STAMP) ## virtual environment in .venv with everything

serve: $(STAMP) ## run the service on http://127.0.0.1:8000 with the demo weights
	$(BIN)/maskd serve

test: $(DEV_STAMP) ## run the tests
	$(BIN)/python -m pytest -n auto --dist loadfile

check: $(DEV_STAMP) ## formatting, lint, types, import contracts, generated pages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(DEV_STAMP) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEV_STAMP) ## time the network's stages, masks to RLE, and the service under load
	$(BIN)/python -m benchmarks.bench_forward
	$(BIN)/python -m benchmarks.bench_masks
	$(BIN)/python -m benchmarks.bench_serving

train: $(DEV_STAMP) ## make demo weights from nothing, or go on with a run that was stopped
	$(BIN)/python -m models.training $(MODEL) --resume

docs: $(DEV_STAMP) ## write the generated pages
	$(BIN)/python -m docs.generate

demo: $(STAMP) ## serve on a free port, post a picture and a clip, draw the masks on both
	$(BIN)/python -m service.demo
