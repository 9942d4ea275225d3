# Every command a person runs. CI calls these targets and nothing else.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
# Bytecode is written when a module is first imported: pip would compile thousands that nothing here imports.
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
export PYTHONDONTWRITEBYTECODE =
PYTEST := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest --junitxml=_build/tests.xml --numprocesses=logical --dist=loadscope
INPUTS := settings.ini setup.py pyproject.toml constraints.txt
NPM    := docs/node_modules/.package-lock.json

.PHONY: help course docs check test test-all test-gpu lab export minutes readme bench measure lint clean
help:  ## Show what there is to run
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' Makefile

# An environment has what a reader needs, or what a maintainer needs on top.
$(VENV)/reader.stamp: $(INPUTS)
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[lab]'
	@touch $@

$(VENV)/dev.stamp: $(INPUTS)
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[lab,dev,docs]'
	@touch $(VENV)/reader.stamp $@

# What the site takes from npm. Node.js itself comes with the environment, as a pip package.
$(NPM): docs/package-lock.json $(VENV)/dev.stamp
	PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --prefix docs --loglevel error --no-audit --no-fund --no-update-notifier
	@touch $@

course: $(VENV)/reader.stamp  ## From nothing: install, then run every lesson
	$(BIN)/hfcourse run

lab: $(VENV)/reader.stamp  ## Open JupyterLab on your own copy of the lessons
	$(BIN)/hfcourse lab my-lessons

docs: $(NPM)  ## The site, with every lesson's own outputs, in _build/site
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python docs/build.py

check: $(NPM)  ## In an environment that stands: what a change can break, in under three minutes
	$(PYTEST) --changed -m "not slow and not site"

# One worker runs the lessons, once; the others have the rest; whoever is free then builds the site from that run.
test: $(NPM)  ## From nothing: everything that CI checks
	$(PYTEST) -m "not slow"

test-all: $(NPM)  ## The same and what takes long: each training from nothing, each page, a wheel in an empty environment
	$(PYTEST)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tests/faults.py

test-gpu: $(VENV)/dev.stamp  ## The lessons, with the cells that need a GPU
	$(BIN)/hfcourse run --gpu

export: $(VENV)/dev.stamp  ## Notebooks to package: clean, export, README
	$(BIN)/nbdev_clean
	$(BIN)/python docs/form.py --write
	$(BIN)/nbdev_export
	$(BIN)/python docs/readme.py

minutes: $(VENV)/dev.stamp  ## How long a reader needs for each lesson, computed
	$(BIN)/python docs/form.py

readme: $(VENV)/dev.stamp  ## README.md from the index notebook
	$(BIN)/python docs/readme.py

lint: $(VENV)/dev.stamp  ## Style and types of notebooks and package
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/dev.stamp  ## Measurements beside what a user would pick instead; DATA="FILE..." for texts of your own
	$(BIN)/python bench/predict.py --save _build/predict.json $(DATA)
	$(BIN)/python bench/startup.py
	$(BIN)/python bench/memory.py
	$(BIN)/python bench/mapping.py --save _build/mapping.json
	$(BIN)/python bench/collation.py --save _build/collation.json
	HFCOURSE_DATA_MRPC= $(BIN)/python bench/training.py --steps 60 --seeds 0 --save _build/training_pairs.json
	$(if $(HFCOURSE_DATA_MRPC),$(BIN)/python bench/training.py --save _build/training_mrpc.json)

measure: $(VENV)/dev.stamp  ## What ships, measured: the pairs' baselines, and with DATA=FOLDER of SST-2 the adapter
	$(BIN)/python recipes/pairs.py check
	$(if $(DATA),$(BIN)/python recipes/sentiment.py measure --data $(DATA))

clean:  ## Remove what these commands made
	rm -rf $(VENV) docs/node_modules _build _proc _docs build dist *.egg-info

# A release's two files, made in an environment of their own, which needs no PyTorch.
DIST := _build/dist/$(notdir $(BIN))
.PHONY: dist
dist:  ## The wheel and the sdist of a release, built and checked, in dist/
	$(PYTHON) -m venv _build/dist
	$(DIST)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt build setuptools twine wheel
	$(DIST)/python .ci/dist.py
