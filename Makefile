# What can be done here. `make up` and `make test` work from a fresh clone on a
# machine that has only Rust: they install or start what is missing, and say so.

SHELL  := /bin/bash
PREFIX ?= $(HOME)/.local/bin

.DEFAULT_GOAL := help
.PHONY: help up test test-long bench lint fmt docs install deb lines setup clean-docker

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

up: setup ## Build everything, run the tour; in a terminal, go on with the setup
	@scripts/up.sh

test: ## Run all tests, on a real container engine
	@scripts/setup.sh test
	@scripts/test.sh

test-long: ## Run what takes longer than two minutes (docs/test-long.md has the last results)
	@scripts/setup.sh test
	@scripts/test-long.sh

bench: setup ## Measure (docs/performance.md says how to read it)
	cargo bench --locked -p policy-file --bench verdict
	cargo bench --locked --bench door
	cargo bench --locked --bench curves
	scripts/bench.sh

lint: ## Check formatting and lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

fmt: ## Format the code
	cargo fmt --all

docs: ## Build the code's documentation
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

install: ## Install what `make up` built, and doorward-whatsapp, into PREFIX (~/.local/bin)
	@scripts/install.sh "$(PREFIX)"

deb: ## Build Debian packages (into target/deb)
	@scripts/deb.sh

lines: ## Count what has to be read to believe each promise (V=1 lists the files, V=WORD those of one)
	@cargo run --quiet --locked --package to-read -- $(V)

setup: ## Install or start what this machine lacks
	@scripts/setup.sh

clean-docker: ## Remove what tests left on the container engine
	@scripts/clean-docker.sh
