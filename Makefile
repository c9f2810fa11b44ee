# Two commands: `make` sets everything up and runs the tour; `make test` proves that it holds.

SHELL := /bin/bash
.DEFAULT_GOAL := tour

BUILD := .build/release
VENV  := .venv
PY    := $(VENV)/bin/python
export PATH := $(PATH):/opt/swift/usr/bin

.PHONY: help tour setup build kernelspec lab test test-swift test-fuzz test-kernel test-clients test-cluster test-notebooks test-peers fuzz soak lint format bench docs clean

## What there is to make.
help:
	@awk '/^## / { text = substr($$0, 4); next } /^[a-z-]+:/ { if (text) { sub(":.*", "", $$1); printf "make %-15s %s\n", $$1, text } text = "" } !/^## / { text = "" }' $(MAKEFILE_LIST)

## Set up, build, install the kernel into .venv, run the tour.
tour: kernelspec
	@$(PY) Scripts/notebooks.py run notebooks/00-tour.ipynb --output out
	@echo
	@echo "The executed tour:   out/00-tour.html   (open it in a browser; out/00-tour.ipynb is the notebook)"
	@echo "To work with it:     make lab           (JupyterLab, kernel \"Swift (ICL)\")"

## Debian packages and the Python environment. Costs nothing when all is there.
setup:
	@Scripts/setup packages
	@Scripts/setup python notebook

## The release build.
build: setup
	@Scripts/build

## Tell the Jupyter of .venv about this kernel.
kernelspec: build
	@$(BUILD)/icl-kernel install --prefix $(VENV)

## JupyterLab on the notebooks.
lab: kernelspec
	$(VENV)/bin/jupyter lab --notebook-dir notebooks

## Everything: formatting, Swift suites, the protocol from outside, real clients, notebooks from top to bottom.
test: kernelspec
	@Scripts/setup python test
	@Scripts/test lint test-swift test-fuzz test-kernel test-clients test-cluster test-notebooks

## 2,000 cells in one session, one in ten of them a fault; about seven minutes on two quiet cores. `make test` runs sixty.
soak: kernelspec
	@Scripts/setup python test
	$(PY) Tests/ConformanceTests/soak.py --cells 2000

## Formatting, checked.
lint:
	@Scripts/check-format

# As many tests at a time as cores, where this toolchain knows how: a test's time limit then counts its own work, not
# the time for which others hold the cores.
WIDTH := --experimental-maximum-parallelization-width
test-swift:
	@Scripts/build --tests
	swift test -c release --skip-build $$(swift test --help-hidden | grep -q -e $(WIDTH) && echo $(WIDTH) $$(nproc))

## Hostile files: a short run; `make fuzz` is the long one (a million files, two or three minutes on two quiet cores).
test-fuzz:
	$(BUILD)/EngineFuzzer --cases 20000

## Hostile files: a million of them.
fuzz: build
	$(BUILD)/EngineFuzzer --cases 1000000

## The engine against llama.cpp, which is built from its source archive the first time (some minutes).
test-peers: build
	@Scripts/setup python test
	$(PY) -m pytest -q Tests/PeerTests

## The kernel and the command line from outside.
test-kernel:
	$(PY) -m pytest -q Tests/ConformanceTests

## JupyterLab in headless Chromium, console, nbclient, nbconvert, papermill, nbval: two minutes. Pictures: out/clients.
test-clients:
	@Scripts/setup packages browser
	$(PY) -m pytest -q Tests/ClientTests

## Experiments under the schedulers of examples/cluster, workers killed on the way.
test-cluster:
	@Scripts/setup packages cluster
	$(PY) -m pytest -q Tests/ClusterTests

## Every notebook from top to bottom: same outputs?
test-notebooks:
	$(PY) Scripts/notebooks.py check notebooks

## Format everything in place.
format:
	swift format -i -r Package.swift Sources Tests

## Speed, side by side with ipykernel and the bare compiler; never part of the tests. Writes out/bench-kernel.md.
bench: kernelspec
	$(PY) Benchmarks/kernel/bench.py

## Both libraries' documentation (DocC) as pages: out/docs. A link that leads nowhere fails.
docs: build
	@Scripts/docs

## Remove what was built.
clean:
	rm -rf .build out
