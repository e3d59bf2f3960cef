# The few commands people type. `make quickstart` runs the main job on a real model; `make test` runs every test.

CARGO ?= cargo
export CARGO_TARGET_DIR ?= $(CURDIR)/target
BIN := $(CARGO_TARGET_DIR)/debug

.PHONY: dist gpu-check images quickstart learn test test-containers setup setup-gpu setup-tests build lint fmt fuzz clean sqlx-cache bench-orchestration bench-verify bench-model bench-peers bench-detector bench-intervals

quickstart: build
	$(BIN)/grokctl run --local examples/quickstart.toml

# Functions that training never asks: about 15 minutes on two cores.
learn: build
	$(BIN)/grokctl run --local examples/learn.toml

# Goes on after a suite that fails, and says at its end which did, and how many tests could not be run on this machine.
SKIPPED := $(CARGO_TARGET_DIR)/skipped-tests
test: build setup-tests
	@rm -f $(SKIPPED)
	@$(CARGO) test --locked --workspace --no-fail-fast; status=$$?; touch $(SKIPPED); \
	echo "test: skipped $$(wc -l < $(SKIPPED))"; sed 's/^skipped:/     /' $(SKIPPED); exit $$status

# The installation in containers, with what `make test` leaves out as it takes long. Needs a Docker engine and Compose.
test-containers: build setup-tests
	GROKLAB_TEST_CONTAINERS=1 $(CARGO) test --locked --workspace --no-fail-fast --test containers --test container_sandbox

setup:
	@deploy/setup.sh

# The same with CUDA's libraries (1.8 GB), which `make setup` installs only where it sees a card.
setup-gpu:
	@deploy/setup.sh gpu

# On a machine with a GPU, about ten minutes: is it right there, does it repeat itself, how fast is it. Leaves gpu-check.jsonl.
gpu-check: setup-gpu
	$(MAKE) build
	python3 deploy/gpu-check/gpu_check.py --bin $(BIN)

# All container images but CUDA's; docs/deploy.md.
images:
	deploy/images.sh

# One archive for machines without Rust, in dist/; docs/deploy.md. Compiles everything anew the first time.
dist: setup
	deploy/dist.sh

# What only tests need as well: an S3 server (48 MB).
setup-tests:
	@deploy/setup.sh tests

bench-orchestration: build
	$(BIN)/bench-orchestration

# On an otherwise idle machine: candidates a second against plain python and against a jail each; see docs/sandbox.md.
bench-verify: setup
	$(CARGO) build --locked -p groklab-worker-verify
	$(BIN)/worker-verify bench

# About twelve minutes on two idle cores; one JSON line per measurement, with its ratio to a baseline of the same run. BENCH may name one of
# load, generate, sample, train, batches, lengths.
bench-model: setup
	$(CARGO) build --locked --workspace --example bench
	OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=0 $(BIN)/examples/bench .groklab/models/smollm2-135m-instruct.gguf $(BENCH)

# The detector on real runs, on series that show no grokking and on steps; half a minute. Fails where its promises do not hold.
bench-detector:
	$(CARGO) run --locked --release -p groklab-domain --example bench_detector

# How often the intervals over units hold the truth; a few seconds. Fails where they hold too rarely.
bench-intervals:
	$(CARGO) run --locked --release -p groklab-domain --example bench_intervals

# Beside transformers and peft on the same work, by turns, on an idle machine; PEERS_ARGS="--runs 1 greedy" runs less.
bench-peers: build
	bench/peers.sh $(PEERS_ARGS)

build: setup
	$(CARGO) build --locked --workspace --bins

# build.rs lists the families' folders, where `cargo fmt` does not see them.
FAMILIES = $(wildcard crates/problems/src/families/*/*.rs)

lint: setup
	$(CARGO) fmt --all --check
	rustfmt --edition 2024 --check $(FAMILIES)
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	deploy/sqlx-cache.sh --check
	@if command -v cargo-deny >/dev/null; then deploy/deny.sh; else echo "lint: cargo-deny is not installed: licences, bans and sources were not checked"; fi

# Coverage-guided fuzzing of everything that reads what others wrote; SECONDS for each target. Needs `cargo install cargo-bolero`.
SECONDS ?= 60
fuzz:
	deploy/fuzz.sh $(SECONDS)

fmt:
	$(CARGO) fmt --all
	rustfmt --edition 2024 $(FAMILIES)

# After a change to a query or a migration.
sqlx-cache:
	deploy/sqlx-cache.sh update

clean:
	$(CARGO) clean
	rm -rf .groklab groklab-data
