#!/usr/bin/env bash
# `make test`: every test of the workspace, the ones on a real container engine
# included. Only what fetches programs from the internet is left to `make test-long`.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/say.sh
logs=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$logs"' EXIT

# Fetching waits for others, building for the processor: one goes on beside the other.
declare -A beside=()
aside() { # NAME WHAT_IT_FETCHES COMMAND...
    local name=$1
    note "meanwhile $name (the first time $2)"
    shift 2
    "$@" >"$logs/$name" 2>&1 &
    beside[$name]=$!
}
await() { # NAME
    wait "${beside[$1]}" || {
        tail -n 60 "$logs/$1" >&2
        fail "$1: failed."
    }
}

clients() {
    scripts/clients-image.sh
    scripts/frameworks.sh # that are asked how they read requests
}
agents() {
    for image in "" claude opencode codex; do
        "$target/debug/doorward" --home "$logs/home" image build $image
    done
}

target=$(scripts/target.sh)
aside "the image with clients" "about 350 MB from Debian, npm and PyPI" clients

# With what the tests ask of dependencies (`--examples` brings it), or all would be built twice.
say "Building the programs"
cargo build --workspace --bins --examples --locked
scripts/settle.sh
aside "the images with agents" "about 300 MB from Debian, npm and PyPI" agents

say "Building the tests"
cargo test --workspace --lib --bins --tests --examples --locked --no-run

say "Examples in the documentation"
cargo test --doc --workspace --locked

say "The images that tests run in"
await "the image with clients"
await "the images with agents"

# Many wait for a container or a clock rather than for the processor.
export NEXTEST_TEST_THREADS=${NEXTEST_TEST_THREADS:-$(($(nproc) + 1))}
say "All tests"
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked --no-fail-fast "$@"
else
    cargo test --workspace --lib --bins --tests --examples --locked --no-fail-fast "$@"
fi

say "Linking with WhatsApp"
scripts/pairing.sh
