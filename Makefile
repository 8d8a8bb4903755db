# `make help` lists what can be called.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help same-python repro plan queue quick demo review plots tune-worker tidy clean-state test test-fast bench lint lock
.DEFAULT_GOAL := help

help:  ## list these targets
	@grep -hE '^[a-z.-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv: .venv/installed  ## create the environment from the lock

.venv/installed: requirements.lock | same-python
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit( \
	  f"{sys.executable} is Python {v[0]}.{v[1]}; allowed: 3.11 to 3.13. Name one: make PYTHON=python3.13")'
	$(PYTHON) -m venv --clear .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@# So that a stage or tool called from a subfolder starts, and says where to call it.
	@.venv/bin/python -c 'import os, pathlib, sysconfig; \
	  pathlib.Path(sysconfig.get_path("purelib"), "project.pth").write_bytes(os.fsencode(os.getcwd()) + b"\n")'
	@touch $@

# Without this check, PYTHON=... would be ignored silently where an up-to-date environment has another Python.
same-python:
	@test '$(origin PYTHON)' = file -o ! -e .venv/installed -o requirements.lock -nt .venv/installed \
	  -o ! -e .venv/pyvenv.cfg || \
	  $(PYTHON) -c 'import re, sys; v = "%d.%d" % sys.version_info[:2]; \
	  has = re.search(r"(?m)^version *= *(\d+\.\d+)", open(".venv/pyvenv.cfg").read())[1]; has == v or sys.exit( \
	  f".venv is an environment of Python {has}, and PYTHON=$(PYTHON) is {v}; \"rm -r .venv\" has it made anew")'

# JOBS=N or auto: N stages beside each other. SCHEDULER=tcp://...: on the workers of a Dask cluster.
repro: .venv/installed  ## run every stale stage; with JOBS or SCHEDULER in parallel
	$(if $(JOBS)$(SCHEDULER),@python -m tools.parallel "$(or $(JOBS),auto)" $(if $(SCHEDULER),"$(SCHEDULER)"),dvc repro)

plan: .venv/installed  ## say what is stale and why, and what running it takes
	@python -m tools.plan "$(or $(JOBS),auto)"

queue: .venv/installed  ## run the queued experiments, as many beside each other as JOBS says or the cores allow
	@jobs=$$(python -m tools.jobs "$(or $(JOBS),auto)") && dvc queue start -j "$$jobs"

quick: .venv/installed  ## train and evaluate one model of the study and one from beyond it on the real images
	@python -m tools.quick

demo: .venv/installed  ## run one or two runs of each kind on scikit-learn's digits in a folder of its own, offline
	@tools/demo

review: .venv/installed  ## compare parameters, metrics and figures with main, or with REV
	@python -m tools.review "$${REV:-main}"

plots: .venv/plots.html  ## draw dvc_plots/index.html, which then opens without a network
	dvc plots show

.venv/plots.html: tools/offline_plots.py .venv/installed
	@python tools/offline_plots.py $@
	@dvc config --local plots.html_template ../$@

tune-worker: .venv/installed  ## train trials of SEARCH for its chief (docs/recipes.md); a worker that is killed starts again
	@test -n "$(SEARCH)" -a -n "$$KERASTUNER_TUNER_ID" || { echo "tune-worker: SEARCH and KERASTUNER_TUNER_ID are" \
	  "needed: KERASTUNER_TUNER_ID=worker-1 make tune-worker SEARCH=broad; see docs/recipes.md" >&2; exit 2; }
	@while status=0; python -m pipeline.tune "$(SEARCH)" || status=$$?; \
	  [ $$status -eq 134 -o $$status -eq 137 -o $$status -eq 139 ]; do :; done; exit $$status

tidy: .venv/installed  ## remove models, logs and entries of dvc.lock of runs that params.yaml no longer declares
	@python -m tools.tidy

clean-state: .venv/installed  ## remove the checkpoints of this work tree's runs, with ALL=1 of all work trees
	@python -m tools.clean_state

test: .venv/installed  ## run all tests
	pytest

test-fast: .venv/installed  ## run the tests that start no dvc and no stage
	pytest --ignore tests/end_to_end

bench: .venv/installed  ## measure speed against Keras, PyTorch and scikit-learn (installs PyTorch; about an hour)
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r benchmarks/requirements.lock
	@dvc repro --quiet preprocess
	@python -m benchmarks.run

lint: .venv/installed  ## check style and types
	ruff check .
	ruff format --check .
	mypy

lock:  ## pin all dependencies anew (needs uv)
	uv pip compile pyproject.toml --extra cluster --extra cpu --extra dev --extra onnx --universal --fork-strategy fewest --python-version 3.11 \
	  --generate-hashes --no-annotate --no-header --quiet --upgrade -o requirements.lock
	uv pip compile pyproject.toml --extra cluster --extra dev --extra gpu --extra onnx --universal --fork-strategy fewest --python-version 3.11 \
	  --generate-hashes --no-annotate --no-header --quiet -c requirements.lock -o requirements-gpu.lock
