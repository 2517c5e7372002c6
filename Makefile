# Stagebox. `make help` lists what there is to do.
SWIFT ?= swift
export SWIFT
BUILD := .build/release
DURATION ?=
SEEDS ?= 200
PORT ?= 8480
TEST_FLAGS := -c release --disable-testable-imports --disable-xctest

.PHONY: help demo test build lint format bench bench-codec bench-wire bench-stored bench-collectors bench-agent bench-latency bench-ingest bench-store bench-query bench-detect bench-detect-kernels bench-faults fuzz simulate smoke-full deb check-deb clean dependencies

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

dependencies:
	@Packaging/scripts/install-dependencies

build: dependencies ## the three programs, in release
	$(SWIFT) build -c release

demo: build ## broker, aggregator and agent on this machine (DURATION=20: unattended, checked)
	@Packaging/demo/run "$(BUILD)" "$(PORT)" "$(DURATION)"

test: build ## all tests that need no second machine
	@Packaging/scripts/test $(TEST_FLAGS)

lint: ## formatting, agent's linkage, shell scripts
	@Packaging/scripts/lint

format: ## rewrite all sources in the house format
	$(SWIFT) format --in-place --parallel --configuration .swift-format --recursive Shared Agent Aggregator Tests Package.swift

simulate: build ## the fault simulation; SEEDS=N for more
	STAGEBOX_SIMULATION_SEEDS=$(SEEDS) STAGEBOX_SIMULATION_SECONDS=0 $(SWIFT) test $(TEST_FLAGS) --filter SimulationTests

bench: bench-codec bench-wire bench-stored bench-collectors bench-agent bench-latency bench-ingest bench-store bench-query bench-detect bench-detect-kernels ## every figure, peers beside us

bench-codec: dependencies ## bytes and nanoseconds per sample on a /proc recording (RECORDING=FILE.xz)
	STAGEBOX_DEV=1 $(SWIFT) run -c release --scratch-path .build-dev CodecBenchmark $(RECORDING)

bench-wire: dependencies ## bytes per sample of all PUBLISH packets over an hour (STAGEBOX_DATA_DIR: the recording)
	$(SWIFT) test $(TEST_FLAGS) --filter WireBudgetTests

bench-stored: dependencies ## bytes per stored sample of made-up servers and of the recording (STAGEBOX_DATA_DIR)
	$(SWIFT) test $(TEST_FLAGS) --filter StorageBudgetTests

bench-collectors: dependencies ## CPU per collection
	STAGEBOX_DEV=1 $(SWIFT) run -c release --scratch-path .build-dev CollectorBenchmark

bench-query: dependencies ## CPU of the query engine alone, over made-up series
	STAGEBOX_DEV=1 $(SWIFT) run -c release --scratch-path .build-dev QueryBenchmark

bench-faults: build ## real faults on this machine, and what detection makes of them (70 min; root for the network)
	@Packaging/scripts/bench-faults "$(BUILD)"

bench-detect: build ## quality of the shipped detection on labelled data (STAGEBOX_DATA_DIR)
	@Packaging/scripts/bench-detect "$(BUILD)/stagebox"

bench-detect-kernels: dependencies ## forests and clusters beside scikit-learn, if PYTHON (python3) has it
	STAGEBOX_DEV=1 $(SWIFT) build -c release --scratch-path .build-dev --product DetectionBenchmark
	@$(or $(PYTHON),python3) Packaging/scripts/bench-detect-kernels .build-dev/release/DetectionBenchmark

bench-agent: build ## CPU, memory and disk writes of the agent beside node_exporter
	@Packaging/scripts/bench-agent "$(BUILD)"

bench-latency: build ## from a sample's time to its event at an open page
	@Packaging/scripts/bench-latency "$(BUILD)"

bench-ingest: build ## acknowledged samples per second through mosquitto, beside VictoriaMetrics
	@Packaging/scripts/bench-ingest "$(BUILD)"

bench-store: build ## remote write, disk and twelve queries beside Prometheus and VictoriaMetrics
	@Packaging/scripts/bench-store "$(BUILD)" --open

fuzz: dependencies ## every decoder under libFuzzer, SECONDS=60 each; TARGETS="promql gzip" for some
	STAGEBOX_FUZZ=1 $(SWIFT) build -c release --scratch-path .build-fuzz --sanitize fuzzer --product Fuzzing
	STAGEBOX_FUZZ=1 $(SWIFT) build -c release --scratch-path .build-address --sanitize fuzzer --sanitize address --product Fuzzing
	@Packaging/scripts/fuzz .build-fuzz/release/Fuzzing --address .build-address/release/Fuzzing --seconds $(or $(SECONDS),60) $(TARGETS)

smoke-full: build ## the long smoke tests: a 2 GB backlog, a minute of kill -9
	STAGEBOX_SMOKE=full $(SWIFT) test $(TEST_FLAGS) --filter SmokeTests

deb: build ## Debian packages in dist/
	@Packaging/scripts/make-deb "$(BUILD)"

check-deb: deb ## install, start, upgrade and purge them in a fresh debootstrap
	@Packaging/scripts/check-deb

clean: ## remove everything that was built
	rm -rf .build .build-* dist
